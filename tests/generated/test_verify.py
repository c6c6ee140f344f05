"""Each kind of project, as its user meets it: `copier copy`, then `hooks/verify` to green."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import projects
from tests.needs import PACKAGES, find
from tests.projects import CHOICES, Project

STORAGE = CHOICES["storage"]
PAIRS = list(itertools.product(CHOICES["framework"], CHOICES["sessions"]))
MATRIX = [
    # `storage` changes no file in src or tests: one of both is enough.
    dict(zip(("framework", "sessions", "storage"), (*pair, storage), strict=True))
    for pair, storage in zip(PAIRS, itertools.cycle((*STORAGE, *reversed(STORAGE))), strict=False)
]
STEPS = {"lock", "install", "format", "lint", "types", "tables", "tests", "check", "drift"}


def pythons() -> dict[str, str]:
    """Return the interpreters of this machine, on the PATH or pyenv's, that are newer than ours."""
    found = {}
    for line in ("3.12", "3.13", "3.14"):
        pyenv = Path.home().glob(f".pyenv/versions/{line}.*/bin/python{line}")
        for path in (shutil.which(f"python{line}"), *map(str, sorted(pyenv))):
            # pyenv puts a program of each line on the PATH that only works where it is chosen.
            if (
                path
                and subprocess.run([path, "-V"], capture_output=True, check=False).returncode == 0
            ):
                found[line] = path
                break
    return found


def verify(project: Project, *, ci: str = "", python: str = "") -> str:
    """Run `hooks/verify` as a user does, insist on success, and return what it printed."""
    return project.run("hooks/verify", CI=ci, UV_PYTHON=python).stdout


@pytest.mark.parametrize("answers", MATRIX, ids=lambda answers: "-".join(answers.values()))
def test_verifies(template: Path, tmp_path: Path, answers: dict[str, str]) -> None:
    project = projects.render(template, tmp_path / "my-service", answers)
    project.commit()
    printed = verify(project)
    assert set(re.findall(r"^  ok +(\w+)", printed, re.MULTILINE)) == STEPS
    assert "FAIL" not in printed
    if all(map(find, PACKAGES)):
        assert not re.search(r"\d+ (skipped|xfailed|xpassed)", printed)
    assert f"uv run {project.package} run" in printed
    assert project.git("config", "core.hooksPath") == "hooks"
    # Nothing but the lock is new, so it is all that the user has to commit.
    assert project.git("status", "--porcelain") == "?? uv.lock"


def test_verifies_with_its_lock_in_ci(template: Path, tmp_path: Path) -> None:
    project = projects.render(template, tmp_path / "my-service", {"ci": "gitlab"})
    verify(project)
    lock = (project.path / "uv.lock").read_bytes()
    verify(project, ci="true")
    assert (project.path / "uv.lock").read_bytes() == lock


@pytest.mark.parametrize("framework", CHOICES["framework"])
@pytest.mark.parametrize("python", pythons())
def test_verifies_on_newer_python(
    template: Path, tmp_path: Path, framework: str, python: str
) -> None:
    project = projects.render(template, tmp_path / "my-service", {"framework": framework})
    verify(project, python=pythons()[python])
    version = project.run(project.python, "-c", "import sys; print(sys.version)").stdout
    assert version.startswith(python)
    if python != max(pythons()):
        return
    # The boundary is the template's to prove, on the newest Python too.
    copy = project.copy(tmp_path / "copy")
    unit = [
        f"tests/contract/unit/{name}" for name in ("test_bnd_boundary.py", "test_rte_routes.py")
    ]
    source = str(copy.path / "src")
    copy.run(project.python, "-m", "pytest", "-q", *unit, timeout=900, PYTHONPATH=source)
