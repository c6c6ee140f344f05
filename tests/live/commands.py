"""Runs the command lines of projects: their libraries are imported once for many.

An import takes most of a command's second of processor time, and of a server's start.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import RLock

from tests.projects import Project

SECONDS = 120.0
"""Until a command has ended, also on a busy machine."""
MOST = 4
"""Processes that wait for commands, of some 70 MB each."""
IMPORTED = Path(__file__).with_name("imported.py")

_lock = RLock()
_served: set[str] = set()
_imported: dict[str, _Imported] = {}


class _Imported:
    """A process that has imported the libraries of a project; see imported.py."""

    def __init__(self, project: Project, environment: Mapping[str, str]) -> None:
        self.copies = 0
        """Those that run."""
        # Without the folder of the script, whose modules are none of the project's.
        self._process = subprocess.Popen(
            [project.python, "-P", str(IMPORTED)],
            cwd=project.path,
            env={name: v for name, v in environment.items() if not name.startswith("APP_")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._said() == "ready"

    def _said(self) -> str:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], SECONDS)[0]:
            self.end()
            raise subprocess.TimeoutExpired(self._process.args, SECONDS)
        return self._process.stdout.readline().decode().strip()

    def ask(self, job: Mapping[str, object]) -> int:
        """Have it begin a copy, or say how one has ended."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._said())

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Copy:
    """A process that began as a copy, as `subprocess.Popen` has it."""

    def __init__(self, imported: _Imported, pid: int) -> None:
        """Take the process that it is a copy of, and its number."""
        self.pid = pid
        self.returncode: int | None = None
        self._imported = imported
        self._ended = os.pidfd_open(pid)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended."""
        with _lock:
            if self.returncode is not None:
                return self.returncode
        if not select.select([self._ended], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        with _lock:
            if self.returncode is None:
                self.returncode = self._imported.ask({"ended": self.pid})
                self._imported.copies -= 1
                os.close(self._ended)
            return self.returncode

    def poll(self) -> int | None:
        """Return its exit code if it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send it a signal if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | Copy


def begin(
    project: Project,
    words: Sequence[str],
    environment: Mapping[str, str],
    files: tuple[Path, Path, Path],
    *,
    copied: bool = True,
) -> Process:
    """Begin a project's command line, in a session of its own.

    A project's first server is no copy, but a process as users start it; so is what imports from a
    place of its own. `files` are standard input, output and error, of which the last two grow.
    """
    with _lock:
        first = words[0] == "run" and project.python not in _served
        if first:
            _served.add(project.python)
        own = environment.get("PYTHONPATH") != os.environ.get("PYTHONPATH")
        if copied and not own and not first:
            return _copy(project, words, environment, files)
    with files[0].open("rb") as typed, files[1].open("ab") as out, files[2].open("ab") as err:
        return subprocess.Popen(
            [project.python, "-m", project.package, *words],
            cwd=project.path,
            env=dict(environment),
            stdin=typed,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def _copy(
    project: Project,
    words: Sequence[str],
    environment: Mapping[str, str],
    files: tuple[Path, Path, Path],
) -> Copy:
    imported = _imported.pop(project.python, None) or _Imported(project, environment)
    job = {
        "folder": str(project.path),
        "environment": dict(environment),
        "package": project.package,
        "words": words,
        "files": [str(file) for file in files],
    }
    copy = Copy(imported, imported.ask(job))
    imported.copies += 1
    # The last is that of the last one asked.
    _imported[project.python] = imported
    for python in [python for python, each in _imported.items() if not each.copies][:-MOST]:
        _imported.pop(python).end()
    return copy


def run(
    project: Project, words: Sequence[str], environment: Mapping[str, str], typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a project's command to its end; `typed` is its standard input."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "in"), Path(folder, "out"), Path(folder, "err")
        for file in files:
            file.write_text(typed if file is files[0] else "", "utf-8")
        process = begin(project, words, environment, files)
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return subprocess.CompletedProcess(
            words, code, files[1].read_text("utf-8"), files[2].read_text("utf-8")
        )


@atexit.register
def _end() -> None:
    for each in _imported.values():
        each.end()
