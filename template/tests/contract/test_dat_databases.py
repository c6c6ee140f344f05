# Owned by the template: extend, do not edit.
"""The service with its state on other machines: a real PostgreSQL and Redis or Valkey."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from . import services
from .conftest import Make
from .driver import Inside


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with services.postgres_url() as url:
        yield url


@pytest.fixture
def workers(make: Make, postgres_url: str, redis_url: str) -> tuple[Inside, Inside]:
    """Two workers with nothing in common but the two servers."""
    where = {"database_url": postgres_url, "store_url": redis_url}
    first = make(**where)
    return first, make(first, **where)


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


@pytest.mark.contract("INP-3")
def test_names_are_no_queries_there(workers: tuple[Inside, Inside]) -> None:
    user = workers[0].add_user("'); DROP TABLE user_account; --")
    for name in (f"{user.name}' OR '1'='1", "' OR 1=1 --"):
        assert workers[0].visitor().login(name, user.password).status_code == 401
    assert workers[1].login(user).logged_in()


@pytest.mark.contract("INP-3")
@pytest.mark.example
def test_text_is_no_sql_there(workers: tuple[Inside, Inside]) -> None:
    browser = workers[0].member()
    text = "'); DROP TABLE notes; --"
    created = browser.api("POST", "/api/notes", json.dumps({"title": text, "body": text}).encode())
    assert created.status_code == 201
    assert browser.api("GET", "/api/notes").json()["notes"][0]["title"] == text
