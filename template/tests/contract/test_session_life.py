# Owned by the template: extend, do not edit.
"""How long sessions live, and that nothing about them can be guessed."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from .conftest import Make
from .driver import DEVICE, FORM, SESSION, Inside, new_user


@pytest.mark.contract("SES-1")
@pytest.mark.contract("SES-3")
def test_no_part_of_a_cookie_repeats(inside: Inside) -> None:
    user = inside.add_user()
    values = [inside.login(user).session for _ in range(8)]
    # An id of 256 bits as text; in an encrypted cookie, the GCM nonce and more.
    assert min(map(len, values)) >= 43
    assert all(len({value[at] for value in values}) > 1 for at in range(42))


@pytest.mark.contract("SES-2")
def test_cookies_keep_their_prefix_where_no_proxy_speaks_of_https(inside: Inside) -> None:
    user = inside.add_user()
    answer = inside.visitor().send(
        "POST",
        "/login",
        (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin")),
        urlencode({"username": user.name, "password": user.password}).encode(),
        scheme="http",
    )
    assert answer.status_code == 303
    lines = answer.headers.get_list("set-cookie")
    assert {line.partition("=")[0] for line in lines} == {SESSION, DEVICE}
    assert all("; Secure" in line for line in lines)


@pytest.mark.contract("SES-5")
@pytest.mark.contract("SES-8")
def test_limits_of_the_contract(inside: Inside) -> None:
    times = inside.policy.sessions
    # Not more; an organisation's policy may well be stricter.
    assert times.idle_timeout <= 1800
    assert times.absolute_timeout <= 43200
    assert times.touch_interval <= 60
    assert inside.policy.cookies.max_bytes <= 4093


@pytest.mark.contract("SES-5")
def test_change_of_password_does_not_prolong_a_session(make: Make) -> None:
    inside = make(exceptions={"sessions.idle-timeout": 43200})
    user = inside.add_user()
    member = inside.login(user)
    inside.clock.advance(6 * 3600)
    answer = member.post(
        "/account/password", current_password=user.password, new_password=new_user().password
    )
    assert answer.status_code == 303
    inside.clock.advance(6 * 3600 - 1)
    assert member.logged_in()
    inside.clock.advance(1)
    assert not member.logged_in()


@pytest.mark.contract("SES-7")
def test_account_does_not_list_what_has_expired(make: Make) -> None:
    inside = make()
    step = inside.policy.sessions.idle_timeout * 0.6
    user = inside.add_user()
    inside.login(user)
    inside.clock.advance(step)
    member = inside.login(user)
    assert len(member.sessions()) == 1
    inside.clock.advance(step)
    assert not member.sessions()
