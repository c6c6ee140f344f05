"""Which errors of a database mean that it is away (DAT-3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from my_service.security.database_errors import is_database_away

from ..services import free_port


def error_of(work: Callable[[], object]) -> Exception:
    with pytest.raises((sqlite3.Error, psycopg.Error)) as raised:
        work()
    return raised.value


@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM missing", "SELECT missing", "SELEC 1", "INSERT INTO t VALUES (1, 2)"],
)
def test_mistakes_of_a_program_on_sqlite(sql: str) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (a)")
        assert not is_database_away(error_of(lambda: db.execute(sql)))
    assert not is_database_away(error_of(lambda: db.execute("SELECT 1")))


@pytest.mark.contract("DAT-3")
def test_a_file_that_cannot_be_reached(tmp_path: Path) -> None:
    assert is_database_away(error_of(lambda: sqlite3.connect(tmp_path / "missing" / "x.db")))
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(path, timeout=0)) as two:
        one.execute("CREATE TABLE t (a)")
        one.execute("BEGIN EXCLUSIVE")
        assert is_database_away(error_of(lambda: two.execute("INSERT INTO t VALUES (1)")))


@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize(
    ("state", "away"),
    [
        ("08006", True),
        ("53300", True),
        ("57P01", True),
        ("57P03", True),
        ("57014", True),
        ("55P03", True),
        ("42P01", False),
        ("42703", False),
        ("23505", False),
        ("22P02", False),
        ("40P01", False),
        ("25006", False),
    ],
)
def test_codes_of_postgresql(state: str, *, away: bool) -> None:
    assert is_database_away(psycopg.errors.lookup(state)("text")) is away


@pytest.mark.contract("DAT-3")
def test_a_server_that_is_not_there() -> None:
    where = f"postgresql://127.0.0.1:{free_port()}/x"
    assert is_database_away(error_of(lambda: psycopg.connect(where)))
    assert is_database_away(psycopg.OperationalError("the connection is closed"))
    assert is_database_away(psycopg.InterfaceError("the connection is closed"))
    assert not is_database_away(psycopg.InterfaceError("the cursor is closed"))
    assert not is_database_away(psycopg.ProgrammingError("the query has 1 placeholder"))


@pytest.mark.contract("DAT-3")
def test_an_error_is_looked_for_in_what_wraps_it() -> None:
    class OperationalError(Exception):
        pass

    def wrapped(cause: Exception) -> Exception:
        error = OperationalError("connection")
        error.__cause__ = cause
        return error

    assert is_database_away(wrapped(psycopg.OperationalError("gone")))
    assert not is_database_away(wrapped(psycopg.errors.UndefinedTable("missing")))
    with closing(sqlite3.connect(":memory:")) as db:
        missing = error_of(lambda: db.execute("SELECT * FROM missing"))
    assert not is_database_away(wrapped(missing))
    assert is_database_away(OperationalError("of another driver"))
    assert not is_database_away(None)
    assert not is_database_away(ValueError("connection"))
