"""An application that disables or deletes users ends their sessions by the door (SES-7, SES-10)."""

from __future__ import annotations

import httpx
import pytest

from .. import expect
from ..driver import Browser, Inside


def end(browser: Browser, name: str) -> httpx.Response:
    return browser.get(f"/stage/ended?name={name}")


@pytest.mark.contract("SES-7")
def test_all_sessions_of_somebody_end_and_nobody_elses(stage: Inside) -> None:
    user, operator = stage.add_user(), stage.member()
    browsers = [stage.login(user), stage.login(user)]
    assert end(operator, user.name).text == "ended"
    assert not any(browser.logged_in() for browser in browsers)
    assert operator.logged_in()
    assert stage.login(user).logged_in()
    expect.error(end(operator, "nobody-of-that-name"), 404)


@pytest.mark.contract("SES-7")
def test_who_ends_their_own_is_logged_out(stage: Inside) -> None:
    user = stage.add_user()
    browser, other = stage.login(user), stage.login(user)
    assert end(browser, user.name).text == "ended"
    assert not browser.logged_in()
    assert not other.logged_in()
