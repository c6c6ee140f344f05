"""Ways to render projects from the template as it stands in the working tree, and to run them."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from tests import quicker

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
UNIT = ROOT / "tests" / "unit"
"""Tests of files that no project edits; a folder in it is for projects of one framework."""
SAME = {
    "test_audit.py",
    "test_base_url.py",
    "test_breaker.py",
    "test_deployed.py",
    "test_header_policy.py",
    "test_limits.py",
    "test_own_drift.py",
    "test_patterns.py",
    "test_static.py",
    "test_stores.py",
}
"""Those of them whose subject is the same file in all projects, so that one run is enough."""

CHOICES: dict[str, tuple[str, ...]] = {
    "framework": ("fastapi", "flask", "django", "litestar"),
    "sessions": ("server", "cookie"),
    "storage": ("embedded", "distributed"),
    "tls_profile": ("intermediate", "modern"),
    "mail": ("none", "smtp"),
    "ci": ("github", "gitlab", "none"),
}
"""The questions that are choices, the default first.

tests/render/test_answers.py holds it against copier.yml.
"""
DEPENDENT: dict[str, tuple[str, ...]] = {"signup": ("closed", "open")}
"""Those that not every answer to the others goes with."""
BY_MAIL = {"mail": "smtp", "signup": "open"}
"""All that a service may have by mail."""

ROOM = 2**31
"""Bytes that are free where the folders of projects' suites go; each has some twenty million."""

quicker.begin()


@dataclass(frozen=True)
class Project:
    """A rendered project."""

    path: Path

    @property
    def answers(self) -> dict[str, str]:
        """The answers as Copier stored them."""
        return dict(_answers((self.path / ".copier-answers.yml").read_text("utf-8")))

    @property
    def package(self) -> str:
        """The name of the Python package, and of the project's command."""
        return self.answers["package"]

    @property
    def python(self) -> str:
        """The interpreter of the project's environment."""
        return str(self.path / ".venv" / "bin" / "python")

    def run(
        self, *command: str, check: bool = True, timeout: float = 1200, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project, with `variables` in its environment.

        `timeout` is in seconds. With `check`, a failure raises `AssertionError` with the output.
        """
        done = subprocess.run(
            command,
            cwd=self.path,
            env=clean_environment() | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done

    def git(self, *arguments: str) -> str:
        """Run git on the project, insist on success, and return what it prints."""
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        return self.run("git", *identity, *arguments).stdout.strip()

    def commit(self) -> None:
        """Commit all files, making the project a git repository if it is none."""
        if not (self.path / ".git").exists():
            self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--no-verify", "--message", "State")

    def install(self) -> None:
        """Lock and install the project with its development group."""
        self.run("uv", "sync", "--quiet")
        # For tests/unit alone; here it is locked by hash.
        hypothesis = f"hypothesis=={version('hypothesis')}"
        self.run("uv", "pip", "install", "--quiet", "--python", self.python, hypothesis)
        _share_compiled(self.path / ".venv")

    def again(self, target: Path) -> Project:
        """Copy all of it, its history too, to `target`, which does not exist."""
        return Project(shutil.copytree(self.path, target, symlinks=True))

    def copy(self, target: Path) -> Project:
        """Copy what the suite reads to `target`, with the unit tests in the suite's folder.

        There they have its fixtures; those of the framework's folder stand beside the others. They
        import `my_service`, the package of the default answers.
        """
        left_out = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "var")
        shutil.copytree(self.path, target, ignore=left_out, dirs_exist_ok=True)
        left_out = shutil.ignore_patterns("__pycache__", *CHOICES["framework"])
        unit = target / "tests" / "contract" / "unit"
        shutil.copytree(UNIT, unit, ignore=left_out)
        own = UNIT / self.answers["framework"]
        if own.exists():
            left_out = shutil.ignore_patterns("__pycache__")
            shutil.copytree(own, unit, ignore=left_out, dirs_exist_ok=True)
        return Project(target)

    def files(self) -> dict[str, bytes]:
        """Return every file that was rendered or edited, by path, with its content."""
        made = {".git", ".venv", "uv.lock", "__pycache__"}
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and made.isdisjoint(path.relative_to(self.path).parts)
        }


@cache
def _answers(text: str) -> dict[str, str]:
    """Read a file of answers; tests ask for the package of a project at each of its files."""
    return {name: value for name, value in yaml.safe_load(text).items() if name[0] != "_"}


def clean_environment() -> dict[str, str]:
    """Return the environment without what would leak from this test run into a project's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            # The last would have each process compile all libraries anew, as no user's does.
            ("APP_", "GIT_", "PYTEST_", "UV_PROJECT", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        )
    }
    # Of many projects' suites at once each runs in one process, which takes a third less.
    kept["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "0"
    # pytest begins with deleting what earlier runs have left: not what this one's have, which is a
    # hundred thousand files.
    kept["PYTEST_DEBUG_TEMPROOT"] = str(_of_projects())
    kept["PATH"] = f"{BIN}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept


@cache
def _of_projects() -> Path:
    """Return where pytest keeps its folders in projects; short, since sockets lie there.

    In memory where there is room, as the hooks have it: hundreds of small databases wait for disks.
    """
    roots = [Path("/dev/shm"), Path(tempfile.gettempdir())]  # noqa: S108 - the folder is ours alone
    root = next((root for root in roots if _has_room(root)), roots[-1])
    folder = root / f"projects-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _share_compiled(environment: Path) -> None:
    """Let one environment use what Python has compiled in another: a second or two for each.

    uv links a package's files from its cache, so what has the same number is the same file.
    """
    kept = Path(tempfile.gettempdir(), f"compiled-{os.getuid()}")
    for package in environment.glob("lib/python*/site-packages"):
        for folder, _, names in os.walk(package):
            sources = [Path(folder, name) for name in sorted(names) if name.endswith(".py")]
            facts = [(each.name, each.stat()) for each in sources]
            if sources and all(fact.st_nlink > 1 for _, fact in facts):
                key = repr([(name, fact.st_ino, fact.st_mtime_ns) for name, fact in facts])
                shared = kept / hashlib.sha256(key.encode()).hexdigest()[:32]
                shared.mkdir(parents=True, exist_ok=True)
                compiled = Path(folder, "__pycache__")
                if not compiled.exists():
                    compiled.symlink_to(shared)


def _has_room(folder: Path) -> bool:
    """Tell whether many suites at once may write there, and run what they have written."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC


def copy_repository(target: Path, *beginnings: str) -> Path:
    """Copy this repository's working tree, without what git ignores, and return `target`.

    With `beginnings`, only what has a name with one of them.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, target / name
        # A tracked file that was deleted is still listed.
        if name.startswith(beginnings or "") and source.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
    return target


def copy_template(target: Path) -> Path:
    """Copy what Copier reads of it, and return `target`.

    As a plain folder: Copier then renders it as it is, and runs no git, which is faster.
    """
    parts = ("template/", "includes/", "hooks/", "copier.yml", "CHANGELOG.md")
    return copy_repository(target, *parts)


def render(template: Path, target: Path, answers: Mapping[str, Any], **options: Any) -> Project:
    """Render the template with defaults for what `answers` leave out. Raises what Copier raises.

    Trust is never given, and no settings of the user who runs the tests are read.
    """
    copier.run_copy(
        str(template),
        target,
        data=dict(answers),
        defaults=True,
        quiet=True,
        unsafe=False,
        settings=copier.Settings(),
        **options,
    )
    return Project(target)


def update(project: Project, **options: Any) -> None:
    """Update a committed project to the newest version of its template, without trust."""
    copier.run_update(
        project.path,
        defaults=True,
        quiet=True,
        overwrite=True,
        unsafe=False,
        settings=copier.Settings(),
        **options,
    )


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name` that one of this run's processes makes for all, by `make`."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            # What a failure left there.
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def once_for_each(
    factory: pytest.TempPathFactory, kind: str, make: Callable[[Path, dict[str, str]], object]
) -> Callable[..., Project]:
    """Return a function that makes a project by `make` once for each set of answers, for all."""

    @cache
    def once(answers: frozenset[tuple[str, str]]) -> Project:
        def write(folder: Path) -> None:
            make(folder / "project", dict(answers))

        return Project(shared(factory, name(kind, answers), write) / "project")

    return lambda **answers: once(told(answers))


def told(answers: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return the answers that differ from what Copier takes by itself."""
    return frozenset(
        (name, text) for name, text in answers.items() if text != CHOICES.get(name, ("",))[0]
    )


def name(kind: str, answers: frozenset[tuple[str, str]]) -> str:
    """Return a name for what is made once for a set of answers."""
    return f"{kind}-{hashlib.sha256(repr(sorted(answers)).encode()).hexdigest()[:12]}"


def pairs(choices: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Yield few combinations in which every two values of different choices meet.

    Greedy: each row is the full combination that covers most pairs not yet covered.
    """
    rows = [dict(zip(choices, row, strict=True)) for row in itertools.product(*choices.values())]
    missing = {pair for row in rows for pair in itertools.combinations(row.items(), 2)}
    while missing:
        best = max(rows, key=lambda row: len(missing & {*itertools.combinations(row.items(), 2)}))
        missing -= {*itertools.combinations(best.items(), 2)}
        yield best
