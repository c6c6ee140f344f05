"""Users, as the command line adds and finds them. Django is set up when it is needed."""

from __future__ import annotations

import os

import django
from pydantic import ValidationError

from ..adapter import database
from ..security.accounts import Accounts, normalise
from ..security.events import emit
from ..security.passwords import Passwords
from ..security.policy import Passwords as PasswordPolicy
from .schemas import LoginForm


def open_users(url: str) -> Accounts:  # noqa: ARG001 - Django's settings hold it already
    """Return the users of the service."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{__package__}.settings")
    django.setup()
    database.prepare()
    from ..adapter.auth import Users

    return Users()


def add_user(url: str, policy: PasswordPolicy, name: str, password: str) -> None:
    """Create a user; raises `ValueError` for a name or password that will not do."""
    name = normalise(name)
    try:
        LoginForm(username=name, password="-")  # noqa: S106 - only the name is checked here
    except ValidationError:
        raise ValueError("a user name has 1 to 100 characters and no control characters") from None
    passwords = Passwords(policy)
    if objection := passwords.objection(password, name):
        raise ValueError(objection)
    open_users(url)
    from django.db import IntegrityError

    from .models import User

    try:
        User(username=name, password=f"argon2{passwords.hash(password)}").save(force_insert=True)
    except IntegrityError:
        raise ValueError(f"there is a user {name!r} already") from None
    emit("user_created", user=name)
