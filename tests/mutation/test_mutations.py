"""Each line of the contract is broken in a generated project; its conformance suite must notice.

What looks after a project is broken in a copy of the template, and a test of ours must notice. A
survivor fails by name, with what it would let through.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Render
from tests.mutation import runner
from tests.mutation.table import (
    GATES,
    LINES,
    MUTATIONS,
    PROJECTS,
    Answers,
    Mutation,
    project_name,
)
from tests.projects import ROOT, Project, clean_environment

SECONDS = 300
"""After which a run is given up, on a busy machine."""

Benches = Callable[[Answers], "Bench"]


class Bench:
    """One installed project, and the runner that tries changes of it."""

    def __init__(self, project: Project) -> None:
        """Start the runner."""
        self.project = project
        self.package = project.package
        self._runner = subprocess.Popen(
            [project.python, runner.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )

    def copy(self, target: Path) -> Path:
        """Copy what the suite reads, and return the folder of the package."""
        return self.project.copy(target).path / "src" / self.package

    def run(self, folder: Path, line: str) -> dict[str, Any]:
        """Run the tests of a line, or all, and return the runner's answer."""
        assert self._runner.stdin
        assert self._runner.stdout
        request = {"folder": str(folder), "package": self.package, "line": line, "seconds": SECONDS}
        self._runner.stdin.write(json.dumps(request) + "\n")
        self._runner.stdin.flush()
        answer: dict[str, Any] = json.loads(self._runner.stdout.readline())
        return answer

    def close(self) -> None:
        """Stop the runner."""
        with self._runner:
            pass


@pytest.fixture(scope="session")
def bench(installed: Render) -> Iterator[Benches]:
    """Return a function that makes one bench for each set of answers."""
    benches: list[Bench] = []

    @cache
    def once(answers: Answers) -> Bench:
        benches.append(Bench(installed(**dict(answers))))
        return benches[-1]

    yield once
    for each in benches:
        each.close()


def apply(folder: Path, mutation: Mutation) -> None:
    """Change one place, and insist that it is there once."""
    file = folder / mutation.file
    text = file.read_text("utf-8")
    found = text.count(mutation.old)
    assert found == 1, (
        f"{mutation.place} is stale: {mutation.file} has {found} times:\n{mutation.old}"
    )
    changed = text.replace(mutation.old, mutation.new)
    if file.suffix == ".py":
        compile(changed, str(file), "exec")
    file.write_text(changed, "utf-8")
    # Python tells by time and size whether what it compiled before is still good.
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()


def survivor(mutation: Mutation) -> str:
    """Say what nobody noticed."""
    return f"{mutation.place}: survivor of {mutation.line} in {mutation.file}: {mutation.attack}"


def test_every_line_is_broken_somewhere() -> None:
    assert {mutation.line for mutation in (*MUTATIONS, *GATES)} == set(LINES)


@pytest.mark.parametrize("answers", PROJECTS, ids=project_name)
def test_unchanged_project_passes(answers: Answers, bench: Benches, tmp_path: Path) -> None:
    bench(answers).copy(tmp_path)
    result = bench(answers).run(tmp_path, "")
    assert not result["failed"] + result["broken"], (tmp_path / "output").read_text("utf-8")
    assert result["passed"] > 100


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_suite_notices(mutation: Mutation, bench: Benches, tmp_path: Path) -> None:
    here = bench(mutation.answers)
    apply(here.copy(tmp_path), mutation)
    # Most changes show in the tests of their own line, which are few.
    for line in (mutation.line, ""):
        result = here.run(tmp_path, line)
        output = tmp_path / "output"
        assert not result["broken"], f"{result['broken']}\n{output.read_text('utf-8')[-4000:]}"
        if result["failed"]:
            return
    pytest.fail(survivor(mutation), pytrace=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a copy of this repository, with what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    copy = tmp_path / "repository"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet"], cwd=copy, env=clean_environment(), check=True)
    return copy


def judged(repository: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy of this repository."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=repository,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def test_unchanged_template_passes(repository: Path) -> None:
    done = judged(repository, *sorted({mutation.judge for mutation in GATES}))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mutation", GATES, ids=lambda each: each.name)
def test_template_notices(mutation: Mutation, repository: Path) -> None:
    apply(repository, mutation)
    done = judged(repository, mutation.judge)
    if done.returncode == 0:
        pytest.fail(survivor(mutation), pytrace=False)
    assert f"FAILED {mutation.judge}" in done.stdout, done.stdout
