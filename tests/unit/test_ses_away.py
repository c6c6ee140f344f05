"""The store of sessions is away: pages that greet go on, and nobody is turned away by a guess.

It is "nobody can know who asks", and never "nobody is signed in" (SES-5, RTE-2).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from my_service.security.stores import StoreError
from my_service.security.stores.sqlite import SqliteStore

from .. import expect
from ..driver import PROGRAM, Inside

ENDS = ("status=401", "status=403", "own=401", "own=403", "")


@contextmanager
def away() -> Iterator[None]:
    """Let every read of a session fail, as it does while another process locks the file."""
    with mock.patch.object(SqliteStore, "get", side_effect=StoreError("database is locked")):
        yield


@pytest.mark.contract("SES-5")
def test_page_that_greets_goes_on_without_the_name(stage: Inside) -> None:
    user = stage.add_user()
    browser = stage.login(user)
    assert browser.get("/stage/greeted").text == f"hello {user.name}"
    assert stage.visitor().get("/stage/greeted").text == "hello visitor"
    before = dict(browser.cookies)
    with away():
        answer = browser.get("/stage/greeted")
        assert (answer.status_code, answer.text) == (200, "hello visitor")
        # Whoever was not known here stays signed in, and the next one does not get this page.
        assert "set-cookie" not in answer.headers
        assert "clear-site-data" not in answer.headers
        assert expect.once(answer, "cache-control") == "no-store"
        home = browser.get("/")
        assert home.status_code == 200
        assert "set-cookie" not in home.headers
    assert browser.cookies == before
    assert browser.get("/stage/greeted").text == f"hello {user.name}"


@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize("end", ENDS)
def test_nobody_is_turned_away_by_a_guess(stage: Inside, end: str) -> None:
    browser = stage.member()
    target = f"/stage/member?{end}"
    assert browser.get(target).text == "inside"
    with away():
        expect.error(browser.get(target), 503)
        expect.error(browser.get(target, (PROGRAM,)), 503)
    assert browser.get(target).text == "inside"


@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize("end", ENDS)
def test_visitor_is_known_to_be_one(stage: Inside, end: str) -> None:
    with away():
        answer = stage.visitor().get(f"/stage/member?{end}")
    if end in {"", "status=401"}:
        # To a page, an error of 401 means the login form.
        assert expect.place(answer).startswith(f"{stage.origin}/login?next=")
    else:
        assert answer.status_code == int(end[-3:])
