"""Each kind of project, as its user meets it: `copier copy`, then `hooks/verify` to green.

That takes most of a minute, so each run also stands for one of the Pythons of this machine.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import projects
from tests.needs import PACKAGES, find
from tests.projects import BY_MAIL, CHOICES
from tests.weekly import some

OWN = ""
"""The Python that uv takes by itself, the oldest."""
BESIDE = {"fastapi", "litestar"}
"""Verified on that one elsewhere: by the job of CI in test_ci.py, and by test_make_new.py."""
STEPS = {
    *("lock", "install", "format", "lint", "types", "tables", "check", "drift"),
    *("tests", "longer", "accounts"),
}


@cache
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


PYTHONS = [OWN, *pythons()]


def matrix() -> Iterator[dict[str, str]]:
    """Yield rows in which each framework meets both kinds of sessions, and each Python."""
    embedded, distributed = CHOICES["storage"]
    for framework in CHOICES["framework"]:
        lines = PYTHONS[1:] if framework in BESIDE else PYTHONS
        for sessions, line in itertools.zip_longest(CHOICES["sessions"], lines):
            yield {
                "framework": framework,
                "sessions": sessions or CHOICES["sessions"][0],
                # It changes no file in src or tests, but with it all of these run.
                "storage": distributed if sessions else embedded,
                "python": line or OWN,
                # With the pages that need mail, and without.
                **(BY_MAIL if sessions != CHOICES["sessions"][0] else {}),
            }


ROWS = list(matrix())
OFTEN = [row for row in ROWS if (row["framework"], row["python"]) == ("django", PYTHONS[-1])]
"""With those beside and Flask, by the hook of updates in test_series.py, each framework once."""


def test_each_framework_meets_sessions_and_pythons() -> None:
    met = {(row["framework"], row["sessions"]) for row in ROWS}
    assert met == set(itertools.product(CHOICES["framework"], CHOICES["sessions"]))
    met = {(row["framework"], row["python"]) for row in ROWS}
    assert met | {(framework, OWN) for framework in BESIDE} == {
        *itertools.product(CHOICES["framework"], PYTHONS),
        *((framework, OWN) for framework in BESIDE),
    }
    assert {row["storage"] for row in ROWS} == set(CHOICES["storage"])


@pytest.mark.parametrize(
    "row", some(ROWS, OFTEN), ids=lambda row: "-".join(filter(None, row.values()))
)
def test_verifies(template: Path, tmp_path: Path, row: dict[str, str]) -> None:
    answers = {name: text for name, text in row.items() if name != "python"}
    project = projects.render(template, tmp_path / "my-service", answers)
    project.commit()
    newer = pythons().get(row["python"], "")
    printed = project.run("hooks/verify", CI="", UV_PYTHON=newer).stdout
    assert set(re.findall(r"^  ok +(\w+)", printed, re.MULTILINE)) == STEPS
    assert "FAIL" not in printed
    # The tests on servers are for services that have them, and for CI.
    assert ("  left  servers  " in printed) == (row["storage"] == "embedded")
    if all(map(find, PACKAGES)):
        assert not re.search(r"\d+ (skipped|xfailed|xpassed)", printed)
    assert f"uv run {project.package} run" in printed
    assert project.git("config", "core.hooksPath") == "hooks"
    # Nothing but the lock is new, so it is all that the user has to commit.
    assert project.git("status", "--porcelain") == "?? uv.lock"
    if not newer:
        return
    version = project.run(project.python, "-c", "import sys; print(sys.version)").stdout
    assert version.startswith(row["python"])
    if row["python"] == PYTHONS[-1]:
        # The boundary is the template's to prove, on the newest Python too.
        copy = project.copy(tmp_path / "copy")
        names = ("test_bnd_boundary.py", "test_rte_routes.py")
        unit = [f"tests/contract/unit/{name}" for name in names]
        source = str(copy.path / "src")
        copy.run(project.python, "-m", "pytest", "-q", *unit, timeout=900, PYTHONPATH=source)
