"""Runs the conformance suite of one project again and again, each time on a copy that was changed.

A program for the project's interpreter: reads requests as JSON lines and answers each with one.
The libraries are imported once and every run is a fork, so it costs no more than its tests.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

SLOW = (
    *("_pytest.python", "argon2", "click.testing", "cryptography.hazmat.primitives.ciphers.aead"),
    *("fastapi.templating", "flask", "httpx", "hypothesis", "jinja2", "litestar"),
    *("pydantic_settings", "redis", "sqlalchemy.orm", "structlog", "unittest.mock"),
    "xml.etree.ElementTree",
)
"""Imported before the first fork, where the project has it; none of it is the project's own."""
NONSENSE = (ImportError, NameError, SyntaxError)
"""What a change that makes no sense raises: such a failure proves nothing."""


class Select:
    """A pytest plugin: keeps the tests of a contract line, and remembers the first failure."""

    def __init__(self, line: str) -> None:
        """Take the id of a line, "" for the whole suite."""
        self.line = line
        self.failed = ""
        self.broken = ""
        self.passed = 0

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
        elif report.failed and not self.failed:
            error = call.excinfo.value if call.excinfo else None
            says = f"{item.name}: {type(error).__name__}: {str(error)[:300]}"
            if report.when == "call" and not isinstance(error, NONSENSE):
                self.failed = says
            else:
                self.broken = f"{report.when} of {says}"
        return report


def run(folder: Path, package: str, line: str) -> dict[str, object]:
    """Run the suite in `folder`; return what failed, what could not run, and how many passed."""
    os.chdir(folder)
    source = str(folder / "src")
    sys.path.insert(0, source)
    os.environ["PYTHONPATH"] = source
    select = Select(line)
    # Plain asserts: only whether they hold matters, and rewriting the tests takes a second.
    options = [
        "-x",
        "-q",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        f"--basetemp={folder / 'state'}",
    ]
    # Only files that name the line: collecting them all takes longer than most runs.
    files = [
        str(file)
        for file in sorted((folder / "tests" / "contract").rglob("test_*.py"))
        if f'"{line}"' in file.read_text("utf-8") or not line
    ]
    if not files:
        return {"failed": "", "broken": "", "passed": 0}
    code = pytest.main([*options, *files], plugins=[select])
    module = sys.modules.get(f"{package}.security.boundary")
    if code not in {0, 1, 5} and not select.failed:
        select.broken = select.broken or f"pytest ended with {int(code)}"
    elif code != 5 and (module is None or not str(module.__file__).startswith(source)):
        select.broken = "the changed copy was not imported"
    return {"failed": select.failed, "broken": select.broken, "passed": select.passed}


def fork(folder: Path, package: str, line: str, seconds: float) -> dict[str, object]:
    """Do `run` in a child process; the output goes to the file `output` in `folder`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        try:
            os.write(writer, json.dumps(run(folder, package, line)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + seconds
    while not (ended := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < deadline:
        time.sleep(0.01)
    # Its children too: a store test forks, and a server may be left.
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        text = pipe.read() if ended else ""
    result: dict[str, object] = json.loads(
        text or json.dumps({"failed": "", "broken": "the run was cut off", "passed": 0})
    )
    return result


def main() -> None:
    """Answer requests until standard input ends."""
    for name in SLOW:
        with suppress(ImportError):
            importlib.import_module(name)
    for text in sys.stdin:
        request = json.loads(text)
        folder = Path(request["folder"])
        answer = fork(folder, request["package"], request["line"], request["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
