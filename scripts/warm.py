"""Run the `check` of services with the same packages in a Python that has loaded them.

Loading packages is most of what a `check` takes. Started by the interpreter of one of the services,
this program forks for each of them: its own code is loaded there, from its own folder. It reads
lines of JSON, `[folder, package]`, and writes `[folder, output, errors]`, where both are null for
one that did not end in time. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

LOADED = 3
"""The file descriptor to which a child says what it had to load."""


class Running(NamedTuple):
    """A check that runs."""

    folder: str
    output: IO[bytes]
    errors: IO[bytes]
    end: float
    """When it is given up, on the monotonic clock."""


def main() -> None:
    """Run all checks, as many at a time as there are processors."""
    limit = float(sys.argv[1])
    waiting = [json.loads(line) for line in sys.stdin]
    for name in packages_of(*waiting[0]):
        # One that wants to be set up first, as Django's models, is loaded by each check.
        with contextlib.suppress(Exception):
            import_module(name)
    running: dict[int, Running] = {}
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            started = begin(waiting.pop(0), time.monotonic() + limit)
            running.update([started])
        for folder, output, errors in ended(running):
            print(json.dumps([folder, output, errors]), flush=True)
        time.sleep(0.005)


def packages_of(folder: str, package: str) -> list[str]:
    """Return the modules of others that the check of a service loads, in their order."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(writer, LOADED)
        with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - a device
            check(folder, package, nothing, nothing, says=True)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    os.wait()
    return said.split()


def begin(asked: list[str], end: float) -> tuple[int, Running]:
    """Start a check; return its process."""
    folder, package = asked
    output, errors = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115 - closed in `ended`
    number = os.fork()
    if number == 0:
        check(folder, package, output, errors)
    return number, Running(folder, output, errors, end)


def check(
    folder: str, package: str, output: IO[bytes], errors: IO[bytes], *, says: bool = False
) -> NoReturn:
    """Be the command of a service, in a process of its own, and end."""
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        sys.path.insert(0, str(Path(folder, "src")))
        sys.argv = [package, "check", "--json"]
        with contextlib.suppress(SystemExit):
            runpy.run_module(package, run_name="__main__", alter_sys=True)
        sys.stdout.flush()
        if says:
            others = [
                name
                for name, module in list(sys.modules.items())
                if "site-packages" in (getattr(module, "__file__", None) or "")
            ]
            os.write(LOADED, "\n".join(others).encode())
    except BaseException as error:  # of a service, which is a row of the table
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(0)


def ended(running: dict[int, Running]) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the checks that have ended, or are given up, and forget them."""
    for number, each in list(running.items()):
        late = time.monotonic() > each.end
        if late:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(number, signal.SIGKILL)
        if os.waitpid(number, 0 if late else os.WNOHANG)[0] == 0:
            continue
        del running[number]
        output, errors = text_of(each.output), text_of(each.errors)
        yield (each.folder, None, None) if late else (each.folder, output, errors)


def text_of(file: IO[bytes]) -> str:
    """Return what was written to a file, and close it."""
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


if __name__ == "__main__":
    main()
