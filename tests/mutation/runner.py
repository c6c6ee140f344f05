"""Runs tests of one project again and again, each time on a copy that was changed.

A program for the project's interpreter: reads requests as JSON lines and answers each with one.
Every run is a fork that finds imported what runs before it imported of the libraries, so it costs
little more than its tests.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import select
import signal
import sys
import sysconfig
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

FOLDER = "tests/contract/"
"""What runs, below a copy; ids of tests are without it."""
NONSENSE = (ImportError, NameError, SyntaxError)
"""What a change that makes no sense raises: such a failure proves nothing."""
LIBRARIES = tuple(
    sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


class Select:
    """A pytest plugin: keeps the tests of a contract line, and remembers what failed.

    Of several failures it says the first, and the killer is the quickest.
    """

    def __init__(self, line: str) -> None:
        """Take the id of a line, "" for all that were collected."""
        self.line = line
        self.failed = ""
        self.killer = ""
        self.broken = ""
        self.passed = 0
        self._quickest = math.inf

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out the tests of other lines."""
        if self.line:
            kept = [
                item
                for item in items
                if any(mark.args == (self.line,) for mark in item.iter_markers("contract"))
            ]
            config.hook.pytest_deselected(items=[item for item in items if item not in kept])
            items[:] = kept

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Tell a test that fails from a service that does not start."""
        report = yield
        if report.passed and report.when == "call":
            self.passed += 1
        elif report.failed:
            error = call.excinfo.value if call.excinfo else None
            says = f"{item.name}: {type(error).__name__}: {str(error)[:300]}"
            if report.when == "call" and not isinstance(error, NONSENSE):
                self.failed = self.failed or says
                if call.duration < self._quickest:
                    self._quickest = call.duration
                    self.killer = item.nodeid.removeprefix(FOLDER)
            elif not self.failed:
                self.broken = f"{report.when} of {says}"
        return report


class Alone(Select):
    """Runs each test in a fork of its own, so that none leans on one before it."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        """Run a test to its teardown, and take over what it said."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                reports = runtestprotocol(item, log=False, nextitem=None)
                words = [str(report.longrepr) for report in reports if report.failed]
                os.write(writer, json.dumps([len(words), "\n".join(words)[:4000]]).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        failures, said = json.loads(text) if text else (1, "the test was cut off")
        if failures:
            self.failed = self.failed or f"{item.nodeid}: {said}"
        else:
            self.passed += 1
        return True


def options(folder: Path, stops: bool) -> list[str]:
    """Return how pytest runs, in few words and with the plugins that the suite needs.

    `stops`: at the first failure.
    """
    return [
        *(["-x"] if stops else []),
        *("-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
        # Plain asserts: only whether they hold matters, and rewriting the tests takes a second. For
        # a traceback of pytest's own, all modules are searched.
        *("--assert=plain", "--tb=native"),
        f"--basetemp={folder / 'state'}",
    ]


def chosen(folder: Path, request: dict[str, Any]) -> list[str]:
    """Return the tests that a request names, else the files that name its line, else all."""
    if request["tests"]:
        # No path: in the name of a case "//" would become "/".
        return [f"{folder}/{FOLDER}{test}" for test in request["tests"]]
    # Only files that name the line: collecting them all takes longer than most runs.
    line = request["line"]
    return [
        str(file)
        for file in sorted((folder / FOLDER).rglob("test_*.py"))
        if f'"{line}"' in file.read_text("utf-8") or not line
    ]


def run(request: dict[str, Any]) -> dict[str, object]:
    """Run tests; return what failed, what could not run, how many passed, what was imported."""
    folder = Path(request["folder"])
    os.chdir(folder)
    source = str(folder / "src")
    sys.path.insert(0, source)
    os.environ["PYTHONPATH"] = source
    seen = Alone("") if request["alone"] else Select("" if request["tests"] else request["line"])
    code: int = pytest.ExitCode.NO_TESTS_COLLECTED
    if files := chosen(folder, request):
        code = pytest.main([*options(folder, request["stops"]), *files], plugins=[seen])
    module = sys.modules.get(f"{request['package']}.security.boundary")
    if code not in {0, 1, 5} and not seen.failed:
        seen.broken = seen.broken or f"pytest ended with {int(code)}"
    elif code != pytest.ExitCode.NO_TESTS_COLLECTED and (
        module is None or not str(module.__file__).startswith(source)
    ):
        seen.broken = "the changed copy was not imported"
    return {
        "failed": seen.failed,
        "killer": seen.killer,
        "broken": seen.broken,
        "passed": seen.passed,
        "modules": libraries(),
    }


def libraries() -> list[str]:
    """Return the modules of libraries that are imported, in order."""
    return [
        name
        for name, module in [*sys.modules.items()]
        if str(getattr(module, "__file__", None) or "").startswith(LIBRARIES)
    ]


class Libraries:
    """Imports once what many runs need."""

    def __init__(self) -> None:
        """Begin with what is imported."""
        self._seen = set(sys.modules)

    def take(self, names: Iterable[str]) -> None:
        """Import what is new; some modules refuse without the project's settings."""
        new = [name for name in names if name not in self._seen]
        self._seen.update(new)
        for name in new:
            with suppress(Exception):
                importlib.import_module(name)
        if new:
            # Forks neither look at them nor copy them when they collect garbage.
            gc.collect()
            gc.freeze()


def fork(request: dict[str, Any]) -> dict[str, Any]:
    """Do `run` in a child process; its output goes to the file `output` in the folder."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        place = Path(request["folder"], "output")
        output = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        try:
            with os.fdopen(writer, "w") as pipe:
                print(json.dumps(run(request)), file=pipe)
        finally:
            os._exit(0)
    os.close(writer)
    text = read(reader, request["seconds"])
    # Its children too: a store test forks, and a server may be left.
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    cut = {"failed": "", "killer": "", "broken": "the run was cut off", "passed": 0, "modules": []}
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError:
        return cut
    return answer


def read(reader: int, seconds: float) -> bytes:
    """Return the line that comes from a pipe within that time, or what there is of it."""
    deadline = time.monotonic() + seconds
    text = b""
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while not text.endswith(b"\n") and (left := deadline - time.monotonic()) > 0:
            if select.select([pipe], [], [], left)[0]:
                more = pipe.read(65536)
                if not more:
                    break
                text += more
    return text


def main() -> None:
    """Answer requests until standard input ends."""
    imported = Libraries()
    for text in sys.stdin:
        answer = fork(json.loads(text))
        imported.take(answer.pop("modules"))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
