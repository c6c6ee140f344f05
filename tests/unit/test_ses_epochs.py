"""Logins that are on their way while a password changes (SES-10)."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import pytest

from my_service.security.stores.sqlite import SqliteStore

from ..conftest import Make


@pytest.mark.contract("SES-10")
def test_login_with_the_old_password_that_was_read_before_its_change(make: Make) -> None:
    real = SqliteStore.epoch
    meanwhile: list[Callable[[], object]] = []

    def epoch(self: SqliteStore, user: str) -> int:
        if meanwhile:
            meanwhile.pop()()
        return real(self, user)

    with mock.patch.object(SqliteStore, "epoch", epoch):
        inside = make()
        user = inside.add_user()
        owner, thief = inside.login(user), inside.visitor()
        fields = {"current_password": user.password, "new_password": "Ein neues Passwort 1"}
        meanwhile.append(lambda: owner.post("/account/password", **fields))
        thief.login(user.name, user.password)
        assert not meanwhile
    assert owner.logged_in()
    assert not thief.logged_in()
