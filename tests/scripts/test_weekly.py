"""tests/weekly.py: what a change leaves is left aloud, is run weekly, and is there for who asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

from tests.projects import ROOT
from tests.weekly import frameworks, some

FILE = "tests/scripts/test_rollout.py"
"""One test of it is left."""
LEFT = "1 test left to `make weekly`"


def collected(*arguments: str, **variables: str) -> str:
    """Run pytest with what is given, and return what it says."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env=kept | {"WEEKLY": ""} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one", "several"])
def test_a_change_says_what_it_leaves(processes: tuple[str, ...]) -> None:
    said = collected(*processes, FILE)
    assert "1 passed" in said
    assert LEFT in said


def test_the_weekly_job_runs_all() -> None:
    said = collected("--collect-only", FILE, WEEKLY="all")
    assert "test_a_small_roll_out" in said
    assert "left" not in said
    workflow = (ROOT / ".github" / "workflows" / "weekly.yml").read_text("utf-8")
    job = yaml.safe_load(workflow)["jobs"]["test"]
    assert {"run": "make weekly"} in job["steps"]


def test_who_names_a_test_gets_it() -> None:
    name = f"{FILE}::test_a_small_roll_out"
    assert name in collected("--collect-only", name)


def test_what_is_often_must_be_there() -> None:
    assert [bool(each.marks) for each in some(["a", "b"], ["b"])] == [True, False]
    with pytest.raises(ValueError, match=r"\['c'\] are not among"):
        some(["a", "b"], ["c"])
    assert sum(not each.marks for each in frameworks("flask", "litestar")) == 2
