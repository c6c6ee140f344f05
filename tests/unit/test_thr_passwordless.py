"""Users without a password, whom the application lets in by other means (THR-7)."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from my_service.app.users import open_users
from my_service.security.people import People

from .. import expect
from ..driver import Inside, User
from ..process import scope

DUMMY = "nobody has this password"
"""What stands in for the password of a user who does not exist."""
PASSWORDLESS = ["", "!", "!aV3ryL0ngRandomMarkOfDjangosOwn", "none", "$argon2id$v=19$broken"]
"""What applications keep in the place of a hash."""


def passwordless(inside: Inside, kept: str) -> User:
    user, url = inside.add_user(), inside.files.settings().database_url
    with scope(url):
        people = open_users(url)
        assert isinstance(people, People)
        person = people.get(user.name)
        assert person is not None
        people.replace_password(person.id, kept)
    return user


@pytest.mark.contract("THR-7")
@pytest.mark.parametrize("kept", PASSWORDLESS)
def test_no_password_lets_in_who_has_none(inside: Inside, kept: str) -> None:
    user = passwordless(inside, kept)
    wrong = expect.masked(inside.visitor().login("x" * len(user.name), DUMMY))
    for password in (DUMMY, kept, user.password):
        answer = inside.visitor().login(user.name, password or " ")
        face = expect.masked(answer)
        assert (face.status, face.headers) == (wrong.status, wrong.headers) == (401, wrong.headers)


@pytest.mark.contract("THR-7")
@pytest.mark.parametrize("kept", PASSWORDLESS)
def test_who_has_no_password_takes_as_long_as_others(inside: Inside, kept: str) -> None:
    user = passwordless(inside, kept)
    real, computed = PasswordHasher.verify, 0

    def verify(self: PasswordHasher, *arguments: Any) -> bool:
        nonlocal computed
        try:
            right: bool = real(self, *arguments)
        except VerifyMismatchError:
            computed += 1
            raise
        computed += 1
        return right

    with mock.patch.object(PasswordHasher, "verify", verify):
        assert inside.visitor().login(user.name, "certainly not it").status_code == 401
    assert computed == 1
