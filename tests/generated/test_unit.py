"""Tests of files that no project edits: tests/unit, run here on copies of generated projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Render
from tests.projects import BIN, CHOICES, SAME, UNIT, Project
from tests.weekly import some

KINDS = [
    {"framework": "fastapi", "mail": "smtp", "signup": "open"},
    *({"framework": framework} for framework in CHOICES["framework"]),
    {"framework": "fastapi", "sessions": "cookie", "ci": "gitlab"},
    {"framework": "flask", "sessions": "cookie"},
    {"framework": "litestar", "sessions": "cookie"},
    {"framework": "django", "sessions": "cookie", "ci": "none", "admin_path": "office"},
]
OFTEN = [KINDS[0], *({"framework": name} for name in ("django", "litestar"))]
"""Each framework once, with Flask in test_order.py, which runs `SAME` as well."""


def ids(answers: dict[str, str]) -> str:
    return "-".join(answers.values())


@pytest.fixture(params=some(KINDS, OFTEN), ids=ids)
def answers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return what a kind of project was answered."""
    given: dict[str, str] = request.param
    return given


@pytest.fixture
def python(installed: Render, answers: dict[str, str]) -> str:
    """Return the interpreter of a project of that kind."""
    return installed(**answers).python


@pytest.fixture
def copied(installed: Render, answers: dict[str, str], tmp_path: Path) -> Project:
    """Return a copy of a project of that kind, with the unit tests in it."""
    return installed(**answers).copy(tmp_path / "project")


def test_named_files_are_there() -> None:
    assert {path.name for path in UNIT.glob("test_*.py")} > SAME
    assert {path.name for path in UNIT.iterdir() if path.is_dir()} - {"__pycache__"} <= {
        *CHOICES["framework"]
    }


def test_unit_tests_pass(copied: Project, python: str) -> None:
    unit = "tests/contract/unit"
    copied.run(
        *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", unit),
        *(f"--ignore={unit}/{name}" for name in sorted(SAME)),
        timeout=900,
        PYTHONPATH=str(copied.path / "src"),
    )


@pytest.mark.parametrize("answers", some(KINDS, OFTEN[:2]), indirect=True, ids=ids)
def test_unit_tests_pass_the_checks(copied: Project, python: str, mypy: tuple[str, ...]) -> None:
    ruff = str(BIN / "ruff")
    copied.run(ruff, "format", "--check", "--diff", "--no-cache", "tests")
    copied.run(ruff, "check", "--no-cache", "tests")
    copied.run(python, *mypy, "tests")
