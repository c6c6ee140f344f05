# Owned by the template: extend, do not edit.
"""Operators look after users by the command line (PPL-1)."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from click.testing import Result

from .conftest import Make
from .driver import Inside, User, counted

NEXT = "Vierzehn alte Birken rauschen"
ENDS = ("disable", "delete", "password")


def done(inside: Inside, *words: str, typed: str = "") -> Result:
    """Run a command on users that must succeed."""
    result = inside.cli("user", *words, typed=typed)
    assert result.exit_code == 0, result.output
    return result


def event(result: Result) -> dict[str, Any]:
    """Return the event that a command logged."""
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("{"))
    found: dict[str, Any] = json.loads(line)
    return found


def listed(inside: Inside, name: str) -> dict[str, Any]:
    """Return what the list says of a user."""
    people = json.loads(done(inside, "list", "--json").stdout)
    (found,) = (person for person in people if person["name"] == name)
    assert isinstance(found, dict)
    return found


@pytest.mark.contract("PPL-1")
@pytest.mark.parametrize("what", ENDS)
def test_sessions_end_at_once(inside: Inside, what: str) -> None:
    user = inside.add_user()
    browsers = [inside.login(user), inside.login(user)]
    result = done(inside, what, user.name, typed=f"{NEXT}\n")
    assert event(result)["sessions"] == 2
    assert not any(browser.logged_in() for browser in browsers)


@pytest.mark.contract("PPL-1")
def test_disabled_is_like_a_wrong_password(inside: Inside) -> None:
    user = inside.add_user()
    wrong = inside.visitor().login(user.name, "certainly not it")
    done(inside, "disable", user.name)
    assert listed(inside, user.name)["disabled"]
    with counted() as verified:
        answer = inside.visitor().login(user.name, user.password)
    assert verified.number == 1
    assert (answer.status_code, len(answer.content)) == (wrong.status_code, len(wrong.content))
    # Counted as one, too: else the throttle would tell that the password is right.
    visitor = inside.visitor()
    tries = range(inside.policy.throttle.pair.limit + 1)
    answers = [visitor.login(user.name, user.password).status_code for _ in tries]
    assert answers == [401] * (len(tries) - 1) + [429]
    done(inside, "enable", user.name)
    assert not listed(inside, user.name)["disabled"]
    assert inside.login(user).logged_in()


@pytest.mark.contract("PPL-1")
def test_password_is_another_one(inside: Inside) -> None:
    user = inside.add_user()
    short = inside.cli("user", "password", user.name, typed="short\n")
    assert short.exit_code == 1
    assert inside.login(user).logged_in()
    done(inside, "password", user.name, typed=f"{NEXT}\n")
    assert inside.visitor().login(user.name, user.password).status_code == 401
    assert inside.login(User(user.name, NEXT)).logged_in()


@pytest.mark.contract("PPL-1")
@pytest.mark.example
def test_deleting_takes_what_belongs_to_the_user(inside: Inside) -> None:
    user, other = inside.add_user(), inside.add_user()
    for who in (user, user, other):
        note = json.dumps({"title": "One", "body": f"Of {who.name}"}).encode()
        assert inside.login(who).api("POST", "/api/notes", note).status_code == 201
    result = done(inside, "delete", user.name)
    assert "2 note" in result.output
    assert inside.visitor().login(user.name, user.password).status_code == 401
    assert len(inside.login(other).api("GET", "/api/notes").json()["notes"]) == 1
    with closing(sqlite3.connect(inside.files.database)) as database:
        assert f"Of {user.name}" not in "\n".join(database.iterdump())
    # Whoever has the name next has nothing of theirs.
    inside.add_user(user.name, user.password)
    assert inside.login(user).api("GET", "/api/notes").json()["notes"] == []


@pytest.mark.contract("PPL-1")
def test_list_tells_who_and_when(inside: Inside) -> None:
    user = inside.add_user()
    before = listed(inside, user.name)
    assert before["last_login"] is None
    assert before["created"].endswith("Z")
    inside.login(user)
    assert listed(inside, user.name)["last_login"].endswith("Z")
    assert user.name in done(inside, "list").stdout


@pytest.mark.contract("PPL-1")
def test_each_change_names_the_operator(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "grace")
    user = inside.add_user()
    expected = {
        "disable": "user_disabled",
        "enable": "user_enabled",
        "password": "authn_password_change",
        "unlock": "authn_login_unlock",
        "delete": "user_deleted",
    }
    for what, name in expected.items():
        line = event(done(inside, what, user.name, typed=f"{NEXT}\n"))
        assert (line["event"], line["user"], line["operator"]) == (name, user.name, "grace")
        assert NEXT not in json.dumps(line)


@pytest.mark.contract("PPL-1")
@pytest.mark.parametrize("what", [*ENDS, "enable", "unlock"])
def test_nobody_of_that_name(inside: Inside, what: str) -> None:
    user = inside.add_user()
    result = inside.cli("user", what, user.name[:-1], typed=f"{NEXT}\n")
    assert result.exit_code == 1
    assert "user list" in result.output
    assert user.name in result.output


@pytest.mark.contract("PPL-1")
def test_unlock_lifts_the_block(make: Make) -> None:
    inside = make()
    user = inside.add_user()
    visitor = inside.visitor()
    for _ in range(inside.policy.throttle.pair.limit + 1):
        visitor.login(user.name, "certainly not it")
    assert visitor.login(user.name, user.password).status_code == 429
    done(inside, "unlock", user.name)
    assert visitor.login(user.name, user.password).status_code == 303
