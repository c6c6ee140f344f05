"""Logins that are turned away because too many passwords are being checked."""

from __future__ import annotations

from unittest import mock

import pytest
from argon2 import PasswordHasher

from my_service.security.passwords import Busy, Passwords
from my_service.security.stores import OTHERS_FIRST
from my_service.security.stores.sqlite import SqliteStore

from .. import expect
from ..driver import Inside


@pytest.mark.contract("THR-8")
def test_full_pool_does_not_clear_failures(inside: Inside) -> None:
    user = inside.add_user()
    browser = inside.visitor()
    for _ in range(inside.policy.throttle.pair.limit - 2):
        assert browser.login(user.name, "a wrong password").status_code == 401
    with mock.patch.object(PasswordHasher, "verify", side_effect=Busy):
        answer = browser.login(user.name, user.password)
    expect.error(answer, 503)
    assert expect.once(answer, "retry-after") == "1"
    for _ in range(2):
        assert browser.login(user.name, "a wrong password").status_code == 401
    assert browser.login(user.name, user.password).status_code == 429


@pytest.mark.contract("THR-6")
def test_full_queue_of_waiting_attempts_answers_as_a_block_does(inside: Inside) -> None:
    user = inside.add_user()
    with (
        mock.patch.object(SqliteStore, "reserve", return_value=OTHERS_FIRST),
        mock.patch.object(Passwords, "place", side_effect=Busy),
    ):
        answer = inside.visitor().login(user.name, user.password)
    expect.error(answer, 429)
    assert expect.once(answer, "retry-after") == "1"
