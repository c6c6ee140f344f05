"""Runs the commands of projects: their libraries are imported once for many.

An import takes most of a command's second of processor time.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import tempfile
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from tests.projects import Project

SECONDS = 120.0
"""Until a command has ended, also on a busy machine."""
MOST = 4
"""Processes that wait, of some 70 MB each."""
IMPORTED = Path(__file__).with_name("imported.py")

_lock = Lock()
_asked: Counter[str] = Counter()
_waiting: OrderedDict[str, _Imported] = OrderedDict()


class _Imported:
    """A process that has imported the libraries of a project; see imported.py."""

    def __init__(self, project: Project, environment: Mapping[str, str]) -> None:
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

    def run(self, job: Mapping[str, object]) -> int:
        """Run a command to its end, and return its exit code."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._said())

    def end(self) -> None:
        """End the process, with the command that it runs."""
        assert self._process.stdin
        assert self._process.stdout
        if self._process.poll() is None:
            os.killpg(self._process.pid, 9)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def run(
    project: Project, words: tuple[str, ...], environment: Mapping[str, str], typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a project's command to its end; `typed` is its standard input.

    Its first in a process of its own, as users do; so does one of several at once, and one that
    imports from a place of its own.
    """
    own = environment.get("PYTHONPATH") != os.environ.get("PYTHONPATH")
    if not own and _lock.acquire(blocking=False):
        try:
            _asked[project.python] += 1
            if _asked[project.python] > 1:
                return _run(project, words, environment, typed)
        finally:
            _lock.release()
    return subprocess.run(
        [project.python, "-m", project.package, *words],
        cwd=project.path,
        env=dict(environment),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def _run(
    project: Project, words: tuple[str, ...], environment: Mapping[str, str], typed: str
) -> subprocess.CompletedProcess[str]:
    imported = _waiting.pop(project.python, None) or _Imported(project, environment)
    with tempfile.TemporaryDirectory() as name:
        files = Path(name)
        (files / "in").write_text(typed, "utf-8")
        for other in ("out", "err"):
            (files / other).touch()
        code = imported.run(
            {
                "folder": str(project.path),
                "environment": dict(environment),
                "package": project.package,
                "words": words,
                "files": name,
            }
        )
        said, complained = ((files / each).read_text("utf-8") for each in ("out", "err"))
    _waiting[project.python] = imported
    if len(_waiting) > MOST:
        _waiting.popitem(last=False)[1].end()
    return subprocess.CompletedProcess(words, code, said, complained)


@atexit.register
def _end() -> None:
    for each in _waiting.values():
        each.end()
