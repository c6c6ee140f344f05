# Owned by the template: extend, do not edit.
"""The service with its state on other machines: a real PostgreSQL and Redis or Valkey."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from . import expect, services
from .conftest import Make
from .driver import Inside


@pytest.fixture(scope="module")
def shared_url(postgres_server: str) -> Iterator[str]:
    with services.empty_schema(postgres_server) as url:
        yield url


@pytest.fixture
def workers(make: Make, shared_url: str, redis_url: str) -> tuple[Inside, Inside]:
    """Two workers with nothing in common but the two servers."""
    where = {"database_url": shared_url, "store_url": redis_url}
    first = make(**where)
    return first, make(first, **where)


@pytest.mark.servers
@pytest.mark.contract("SES-5")
def test_workers_share_users_and_sessions(workers: tuple[Inside, Inside]) -> None:
    first, second = workers
    user = first.add_user()
    browser = first.login(user)
    browser.service = second
    assert browser.logged_in()
    assert second.login(user).logged_in()
    assert browser.post("/logout").status_code == 303
    browser.service = first
    assert not browser.logged_in()


@pytest.mark.servers
@pytest.mark.contract("INP-4")
@pytest.mark.example
def test_workers_share_data(workers: tuple[Inside, Inside]) -> None:
    first, second = workers
    browser = first.member()
    created = browser.api(
        "POST", "/api/notes", json.dumps({"title": "One", "body": "Kept"}).encode()
    )
    assert created.status_code == 201
    browser.service = second
    where = f"/api/notes/{created.json()['id']}"
    assert browser.api("GET", where).json()["title"] == "One"
    assert second.member().api("GET", where).status_code == 404


@pytest.mark.servers
@pytest.mark.contract("THR-5")
def test_workers_share_login_counters(workers: tuple[Inside, Inside]) -> None:
    first, second = workers
    user = first.add_user()
    limit = first.policy.throttle.pair.limit
    for number in range(limit):
        worker = workers[number % 2]
        assert worker.visitor("198.51.100.77").login(user.name, "wrong password").status_code != 429
    assert second.visitor("198.51.100.77").login(user.name, user.password).status_code == 429
    assert first.visitor("198.51.100.78").login(user.name, user.password).status_code == 303


def lose_tables(inside: Inside, word: str) -> None:
    """Rename all tables with `word` in their name, as a migration that was forgotten would."""
    like = f"%{word}%"
    if inside.files.database_url:
        tables = (
            "SELECT tablename FROM pg_tables WHERE tablename LIKE %s"
            " AND schemaname = current_schema()"
        )
        rename = SQL("ALTER TABLE {} RENAME TO {}")
        with psycopg.connect(inside.files.database_url) as postgres:
            for (name,) in postgres.execute(tables, (like,)).fetchall():
                postgres.execute(rename.format(Identifier(name), Identifier(f"old_{name}")))
        return
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?"
    with closing(sqlite3.connect(inside.files.database)) as sqlite:
        for (name,) in sqlite.execute(tables, (like,)).fetchall():
            sqlite.execute(f'ALTER TABLE "{name}" RENAME TO "old_{name}"')
        sqlite.commit()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each kind of database, empty; "" is a new file."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.mark.contract("DAT-3")
@pytest.mark.usefixtures("restored_logging")
def test_missing_table_is_a_crash_and_not_a_database_that_is_away(
    make: Make, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    inside = make(database_url=database_url)
    user = inside.add_user()
    browser = inside.visitor()
    lose_tables(inside, "user")
    capfd.readouterr()
    for _ in range(inside.policy.throttle.pair.limit + 1):
        # Nor is it a guess, so it is not counted.
        expect.error(browser.login(user.name, user.password), 500)
    lines = [line for line in capfd.readouterr().err.splitlines() if "sys_" in line]
    assert lines
    assert all(json.loads(line)["event"] == "sys_crash" for line in lines)
    assert all("Traceback" in line for line in lines)


@pytest.mark.contract("DAT-3")
@pytest.mark.example
def test_missing_table_of_a_view_is_a_crash(make: Make, database_url: str) -> None:
    inside = make(database_url=database_url)
    member = inside.member()
    assert member.get("/notes").status_code == 200
    lose_tables(inside, "note")
    for target in ("/notes", "/api/notes"):
        expect.error(member.get(target), 500)
    note = json.dumps({"title": "One", "body": "Lost"}).encode()
    expect.error(member.api("POST", "/api/notes", note), 500)
    assert member.logged_in()


@pytest.mark.servers
@pytest.mark.contract("INP-3")
def test_names_are_no_queries_there(workers: tuple[Inside, Inside]) -> None:
    user = workers[0].add_user("'); DROP TABLE user_account; --")
    for name in (f"{user.name}' OR '1'='1", "' OR 1=1 --"):
        assert workers[0].visitor().login(name, user.password).status_code == 401
    assert workers[1].login(user).logged_in()


@pytest.mark.servers
@pytest.mark.contract("INP-3")
@pytest.mark.example
def test_text_is_no_sql_there(workers: tuple[Inside, Inside]) -> None:
    browser = workers[0].member()
    text = "'); DROP TABLE notes; --"
    created = browser.api("POST", "/api/notes", json.dumps({"title": text, "body": text}).encode())
    assert created.status_code == 201
    assert browser.api("GET", "/api/notes").json()["notes"][0]["title"] == text
