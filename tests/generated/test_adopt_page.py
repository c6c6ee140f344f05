"""docs/adopt.md is true: the commands that take accounts over let these people in again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.generated import snippets
from tests.projects import BIN, ROOT, Project
from tests.weekly import frameworks

PAGE = ROOT / "docs" / "adopt.md"
PEOPLE = "7,Ada,Ada@Example.com\n12,Zo\u00eb M\u00fcller,\n"
PASSWORD = "Birke Tisch 84"  # noqa: S105 - of a test
FITS = """
import sys
from {0}.app.users import open_users
from {0}.config import load
from {0}.security.passwords import Passwords
from {0}.security.policy import load as load_policy
settings = load()
account = open_users(settings.database_url).find(sys.argv[1])
passwords = Passwords(load_policy(settings.policy).passwords)
hashed = account.password_hash
print(account.id, passwords.verify(hashed, sys.argv[2]), passwords.outdated(hashed))
"""


@pytest.fixture(params=frameworks("flask"))
def project(request: pytest.FixtureRequest, installed: Render, tmp_path: Path) -> Project:
    """Return a project with what the page shows for its framework: for all but Django the same."""
    made = installed(framework=request.param)
    built = made.copy(tmp_path / "project")
    (built.path / ".venv").symlink_to(made.path / ".venv")
    for snippet in snippets.read(PAGE.read_text("utf-8")):
        if snippet.file and ("management" in snippet.file) is (request.param == "django"):
            snippet.write(built)
    return built


def python(project: Project, *arguments: str, text: str = "") -> str:
    """Run the project's interpreter on `text`, and return what it printed."""
    command = ("sh", "-c", 'printf %s "$TYPED" | "$0" "$@"', project.python, *arguments)
    # Its environment belongs to the project that this one is a copy of.
    return project.run(*command, TYPED=text, PYTHONPATH=str(project.path / "src")).stdout


def take_over(project: Project, file: Path) -> None:
    if (project.path / "manage.py").exists():
        python(project, "manage.py", "import_users", str(file))
    else:
        python(project, "-m", project.package, "import-users", str(file))


def test_accounts_are_taken_over(project: Project, tmp_path: Path) -> None:
    ruff = str(BIN / "ruff")
    project.run(ruff, "format", "--check", "--diff", "--no-cache", "src")
    project.run(ruff, "check", "--no-cache", "src")
    (file := tmp_path / "users.csv").write_text(PEOPLE, "utf-8")
    python(project, "-m", project.package, "db", "upgrade")
    take_over(project, file)
    people = json.loads(python(project, "-m", project.package, "user", "list", "--json"))
    found = [(each["id"], each["name"], (each["email"] or "").lower()) for each in people]
    assert found == [("7", "ada", "ada@example.com"), ("12", "zo\u00eb m\u00fcller", "")]
    fits = FITS.format(project.package)
    # At today's cost, so that the time does not tell whose password nobody knows.
    assert python(project, "-c", fits, "ada", PASSWORD).split() == ["7", "False", "False"]
    python(project, "-m", project.package, "user", "password", "Ada", text=PASSWORD)
    assert python(project, "-c", fits, "ada", PASSWORD).split() == ["7", "True", "False"]


def test_all_or_none(project: Project, tmp_path: Path) -> None:
    (file := tmp_path / "users.csv").write_text(f"{PEOPLE}13,ADA,\n", "utf-8")
    python(project, "-m", project.package, "db", "upgrade")
    with pytest.raises(AssertionError):
        take_over(project, file)
    assert json.loads(python(project, "-m", project.package, "user", "list", "--json")) == []
