"""Two changes of one user's second factors at once: nothing is twice, and one stays (PPL-4)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import psycopg
import pytest
from psycopg.sql import SQL

from my_service.security import totp
from my_service.security.factors import Factors

from ..conftest import Make
from ..driver import Browser, Inside
from ..test_ppl_factors import Owner, Phone, enrol, enrolment, factors

REQUIRED = {"accounts.second-factor": "required"}
SECONDS = 30
LEFT = re.compile(r"You have (\d+) of them")


@pytest.fixture
def inside(make: Make) -> Inside:
    return make(exceptions=REQUIRED)


@pytest.fixture
def distributed(postgres_url: str, make: Make) -> Inside:
    """A service on PostgreSQL, which lets two write at once."""
    return make(exceptions=REQUIRED, database_url=postgres_url)


def with_two(inside: Inside) -> tuple[Browser, Owner, list[str]]:
    """Return a browser of a new user with two authenticator apps, and their ids."""
    user, browser = inside.add_user(), inside.visitor()
    assert browser.login(user.name, user.password).status_code == 303
    phone = enrol(inside, browser)
    enrol(inside, browser, "Another")
    found = factors(browser)
    assert len(found) == 2
    return browser, Owner(user, phone), found


def once_before(act: Callable[[], object], real: Callable[..., Any]) -> Callable[..., Any]:
    """Return `real` with `act` before its first call, as if another request came there."""
    acts = [act]

    def call(*arguments: Any, **options: Any) -> Any:
        if acts:
            acts.pop()()
        return real(*arguments, **options)

    return call


@pytest.mark.contract("PPL-4")
def test_an_enrolment_that_is_sent_twice_makes_one_factor(make: Make) -> None:
    """Each of two would take a code that the other has taken."""
    inside = make()
    browser = inside.member()
    secret, token = enrolment(browser.get("/account/factors/totp"))
    again = browser.copy()
    code = Phone(inside.clock, secret).code()
    fields = {"name": "Phone", "code": code, "enrolment": token}
    answers = []

    def act() -> None:
        answers.append(again.post("/account/factors/totp", **fields).status_code)

    with mock.patch.object(totp, "matching_step", once_before(act, totp.matching_step)):
        answers.append(browser.post("/account/factors/totp", **fields).status_code)
    assert answers == [200, 422]
    assert again.logged_in()
    assert len(factors(again)) == 1


@pytest.mark.contract("PPL-4")
def test_of_the_last_two_that_are_removed_at_once_one_stays(inside: Inside) -> None:
    browser, owner, found = with_two(inside)
    other = owner.login(inside)
    answers = []

    def act() -> None:
        answers.append(other.post("/account/factors/remove", factor=found[1]).status_code)

    with mock.patch.object(Factors, "remove", once_before(act, Factors.remove)):
        answers.append(browser.post("/account/factors/remove", factor=found[0]).status_code)
    assert answers == [303, 422]
    assert factors(browser) == found[:1]


def together(inside: Inside, *acts: Callable[[], int]) -> list[int]:
    """Let all begin while the users' rows are held, then go on; return the statuses."""
    users = "SELECT confrelid::regclass::text FROM pg_constraint WHERE conrelid = %s::regclass"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    url, deadline = inside.files.database_url, time.monotonic() + SECONDS
    with (
        psycopg.connect(url, autocommit=True) as asking,
        psycopg.connect(url) as holding,
        ThreadPoolExecutor() as pool,
    ):
        (table,) = asking.execute(f"{users} AND contype = 'f'", ["user_factor"]).fetchone() or ("",)
        holding.execute(SQL("SELECT 1 FROM {} FOR UPDATE").format(SQL(table)))
        futures = [pool.submit(act) for act in acts]
        while (asking.execute(waiting).fetchone() or (0,))[0] < len(acts):
            assert not any(future.done() for future in futures), "it did not wait"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        holding.rollback()
        return sorted(future.result() for future in futures)


@pytest.mark.servers
@pytest.mark.contract("PPL-4")
def test_new_recovery_codes_at_once_are_ten(distributed: Inside) -> None:
    browser, _, _ = with_two(distributed)

    def act() -> int:
        return browser.copy().post("/account/factors/codes").status_code

    assert together(distributed, act, act) == [200, 200]
    assert LEFT.findall(browser.get("/account/factors").text) == ["10"]


@pytest.mark.servers
@pytest.mark.contract("PPL-4")
def test_of_the_last_two_one_stays_where_two_write_at_once(distributed: Inside) -> None:
    browser, owner, found = with_two(distributed)
    other = owner.login(distributed)

    def first() -> int:
        return browser.post("/account/factors/remove", factor=found[0]).status_code

    def second() -> int:
        return other.post("/account/factors/remove", factor=found[1]).status_code

    assert together(distributed, first, second) == [303, 422]
    left = factors(browser) if browser.logged_in() else factors(other)
    assert len(left) == 1
