"""What is on its way while a password changes (SES-10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from my_service.security.stores.sqlite import SqliteStore

from ..conftest import Make
from ..driver import User


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


@pytest.mark.contract("SES-4")
@pytest.mark.contract("SES-10")
@pytest.mark.parametrize("at", ["put", "delete_of_user"])
def test_a_copy_of_the_cookie_gets_no_new_id_out_of_a_change_of_password(
    make: Make, at: str
) -> None:
    """Before the change has its new id, or after it has ended the others and before it is done."""
    real = getattr(SqliteStore, at)
    meanwhile: list[Callable[[], object]] = []

    def call(*arguments: Any, **options: Any) -> Any:
        act = meanwhile.pop() if meanwhile else None
        if act and at == "put":
            act()
        done = real(*arguments, **options)
        if act and at != "put":
            act()
        return done

    inside = make()
    user = inside.add_user()
    owner = inside.login(user)
    thief = owner.copy()
    fields = {"current_password": user.password, "new_password": "Ein neues Passwort 1"}
    with mock.patch.object(SqliteStore, at, call):
        # What a passkey answers, right or wrong, changes the id.
        meanwhile.append(lambda: thief.post("/account/confirm", credential="x"))
        assert owner.post("/account/password", **fields).status_code == 303
        assert not meanwhile
    assert not thief.logged_in()
    assert inside.login(User(user.name, fields["new_password"])).logged_in()
