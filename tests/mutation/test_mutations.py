"""Each line of the contract is broken in a generated project; its conformance suite must notice.

What looks after a project is broken in a copy of the template, and a test of ours must notice. A
survivor fails by name, with what it would let through.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import projects
from tests.conftest import Render
from tests.mutation import killers, runner
from tests.mutation.table import (
    GATES,
    LINES,
    MUTATIONS,
    PROJECTS,
    Answers,
    Mutation,
    one_each,
    project_name,
)
from tests.projects import SAME, Project, clean_environment
from tests.weekly import some

SECONDS = 300
"""After which a run is given up, on a busy machine."""
KNOWN = {} if killers.WRITE in os.environ else killers.load()
VERIFIED = {"framework", "sessions"}
OTHERS = [answers for answers in PROJECTS if {name for name, _ in answers} - VERIFIED]
"""Kinds of projects whose whole suite test_verify.py does not run."""
OFTEN = one_each(MUTATIONS)
OFTEN_GATES = one_each(GATES)

Benches = Callable[[Answers], "Bench"]


class Bench:
    """One installed project, and the runner that tries changes of it."""

    def __init__(self, project: Project, unchanged: Path) -> None:
        """Start the runner; `unchanged` is a compiled copy, which is not written to."""
        self.package = project.package
        self._unchanged = unchanged
        self._runner = subprocess.Popen(
            [project.python, runner.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )

    def copy(self, target: Path) -> Path:
        """Copy what the suite reads, by links, and return the folder of the package."""
        shutil.copytree(self._unchanged, target, copy_function=os.link, dirs_exist_ok=True)
        return target / "src" / self.package

    def run(
        self, folder: Path, *, tests: Sequence[str] = (), line: str = "", alone: bool = False
    ) -> dict[str, Any]:
        """Run `tests`, or those of a line, or all; return the runner's answer.

        `alone`: each test in a process of its own.
        """
        assert self._runner.stdin
        assert self._runner.stdout
        request = {
            "folder": str(folder),
            "package": self.package,
            "tests": list(tests),
            "line": line,
            "alone": alone,
            # Who looks for killers wants the quickest.
            "stops": killers.WRITE not in os.environ,
            "seconds": SECONDS,
        }
        self._runner.stdin.write(json.dumps(request) + "\n")
        self._runner.stdin.flush()
        answer: dict[str, Any] = json.loads(self._runner.stdout.readline())
        return answer

    def close(self) -> None:
        """Stop the runner."""
        with self._runner:
            pass


@pytest.fixture(scope="session")
def bench(installed: Render, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    """Return a function that makes one bench for each set of answers."""
    benches: list[Bench] = []

    @cache
    def once(answers: Answers) -> Bench:
        project = installed(**dict(answers))

        def make(folder: Path) -> None:
            copy = project.copy(folder)
            copy.run(project.python, "-m", "compileall", "-q", "src", "tests")

        name = projects.name("bench", answers)
        benches.append(Bench(project, projects.shared(tmp_path_factory, name, make)))
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
    # A new file: the other copies have the old one.
    file.unlink()
    file.write_text(changed, "utf-8")
    # Python tells by time and size whether what it compiled before is still good.
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()


def survivor(mutation: Mutation) -> str:
    """Say what nobody noticed."""
    return f"{mutation.place}: survivor of {mutation.line} in {mutation.file}: {mutation.attack}"


def test_every_line_is_broken_somewhere() -> None:
    assert {mutation.line for mutation in (*MUTATIONS, *GATES)} == set(LINES)


@pytest.mark.weekly
@pytest.mark.parametrize("answers", OTHERS, ids=project_name)
def test_unchanged_project_passes(answers: Answers, bench: Benches, tmp_path: Path) -> None:
    bench(answers).copy(tmp_path)
    suite = tmp_path / "tests" / "contract"
    tests = [path for path in sorted(suite.rglob("test_*.py")) if path.name not in SAME]
    result = bench(answers).run(tmp_path, tests=[str(path.relative_to(suite)) for path in tests])
    assert not result["failed"] + result["broken"], (tmp_path / "output").read_text("utf-8")
    assert result["passed"] > 100


@pytest.mark.weekly
@pytest.mark.parametrize("answers", PROJECTS, ids=project_name)
def test_killers_pass_alone(answers: Answers, bench: Benches, tmp_path: Path) -> None:
    """So that each fails for the change, not for what ran before it or did not."""
    of_these = {
        KNOWN[each.key] for each in MUTATIONS if each.answers == answers and each.key in KNOWN
    }
    bench(answers).copy(tmp_path)
    result = bench(answers).run(tmp_path, tests=sorted(of_these), alone=True)
    assert not result["failed"] + result["broken"], (tmp_path / "output").read_text("utf-8")
    assert result["passed"] == len(of_these)


@pytest.mark.parametrize("mutation", some(MUTATIONS, OFTEN), ids=lambda each: each.name)
def test_suite_notices(
    mutation: Mutation,
    bench: Benches,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    here = bench(mutation.answers)
    changed = tmp_path / "changed"
    apply(here.copy(changed), mutation)
    if mutation.key in KNOWN and here.run(changed, tests=[KNOWN[mutation.key]])["killer"]:
        return
    # Most changes show in the tests of their own line, which are few.
    for line in (mutation.line, ""):
        result = here.run(changed, line=line)
        output = changed / "output"
        assert not result["broken"], f"{result['broken']}\n{output.read_text('utf-8')[-4000:]}"
        if result["failed"]:
            unchanged = tmp_path / "unchanged"
            here.copy(unchanged)
            passes = here.run(unchanged, tests=[result["killer"]], alone=True)["passed"]
            assert passes == 1, f"{result['killer']} fails without the change too"
            record_property(killers.PROPERTY, f"{mutation.key}\n{result['killer']}")
            return
    pytest.fail(survivor(mutation), pytrace=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a copy of this repository, with what is not committed yet."""
    copy = projects.copy_repository(tmp_path / "repository")
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


@pytest.mark.weekly
def test_unchanged_template_passes(repository: Path) -> None:
    done = judged(repository, *sorted({mutation.judge for mutation in GATES}))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mutation", some(GATES, OFTEN_GATES), ids=lambda each: each.name)
def test_template_notices(mutation: Mutation, repository: Path) -> None:
    apply(repository, mutation)
    done = judged(repository, mutation.judge)
    if done.returncode == 0:
        pytest.fail(survivor(mutation), pytrace=False)
    assert f"FAILED {mutation.judge}" in done.stdout, done.stdout
