# Owned by the template: extend, do not edit.
"""The version of the tables and that of the code (DAT-1)."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from . import expect
from .conftest import Make
from .driver import Files, Inside, run_cli
from .process import scope

BEHIND = {
    "alembic_version": "DELETE FROM alembic_version",
    "django_migrations": "DELETE FROM django_migrations"
    " WHERE id = (SELECT max(id) FROM django_migrations)",
}
AHEAD = {
    "alembic_version": "UPDATE alembic_version SET version_num = '9999'",
    "django_migrations": "INSERT INTO django_migrations (app, name, applied)"
    " VALUES ('app', '9999_later', '2026-01-01')",
}


def change(inside: Inside, statements: dict[str, str]) -> None:
    """Make the database one of another release, by the table that keeps its version."""
    with closing(sqlite3.connect(inside.files.database)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        (statement,) = (text for table, text in statements.items() if table in tables)
        assert database.execute(statement).rowcount
        database.commit()


@pytest.mark.contract("DAT-1")
@pytest.mark.parametrize(
    ("statements", "said"), [(BEHIND, "db upgrade"), (AHEAD, "ahead")], ids=["behind", "ahead"]
)
@pytest.mark.usefixtures("restored_logging")
def test_other_tables_are_not_ready_and_the_rest_serves(
    make: Make, capfd: pytest.CaptureFixture[str], statements: dict[str, str], said: str
) -> None:
    inside = make()
    visitor = inside.visitor()
    assert visitor.get("/readyz").status_code == 200
    change(inside, statements)
    capfd.readouterr()
    expect.error(visitor.get("/readyz"), 503)
    assert said in capfd.readouterr().err
    for target in ("/", "/login", "/healthz"):
        assert visitor.get(target).status_code == 200
    # One that starts on it does the same.
    again = make(inside).visitor()
    assert said in capfd.readouterr().err
    expect.error(again.get("/readyz"), 503)
    assert again.get("/").status_code == 200


@pytest.mark.contract("DAT-1")
@pytest.mark.parametrize(("statements", "said"), [(BEHIND, "db upgrade"), (AHEAD, "ahead")])
def test_commands_name_the_remedy(make: Make, statements: dict[str, str], said: str) -> None:
    inside = make()
    change(inside, statements)
    for command in (("user", "list"), ("db", "check")):
        result = inside.cli(*command)
        assert result.exit_code == 1
        assert said in result.output
        assert "Traceback" not in result.output


@pytest.mark.contract("DAT-1")
def test_upgrade_runs_what_is_missing_once(make: Make) -> None:
    files = make().files
    new = Files(files.folder, database_url=f"sqlite:///{files.folder / 'new' / 'app.db'}")
    environment = new.environment()
    with scope(environment["APP_DATABASE_URL"]):
        first = run_cli("db", "upgrade", environment=environment)
        assert first.exit_code == 0, first.output
        assert "ran " in first.output
        second = run_cli("db", "upgrade", environment=environment)
    assert second.exit_code == 0
    assert "ran " not in second.output
    made = files.folder / "new" / "app.db"
    assert made.stat().st_mode & 0o077 == 0
    assert run_cli("user", "list", environment=environment).exit_code == 0


@pytest.mark.contract("DAT-1")
def test_models_have_their_migrations(inside: Inside) -> None:
    result = inside.cli("db", "check")
    assert result.exit_code == 0, result.output
