"""Users in the database."""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ..security.accounts import Account, normalise
from ..security.events import emit
from ..security.passwords import Passwords
from ..security.policy import Passwords as PasswordPolicy
from .database import Database
from .models import User
from .schemas import LoginForm


class Users:
    """What the login needs to know; see `security.accounts.Accounts`."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    def find(self, name: str) -> Account | None:
        """Return the account of a normalised user name."""
        with self._database.session() as session:
            user = session.scalar(select(User).where(User.name == name))
            return Account(user.id, user.name, user.password_hash) if user else None

    def set_password(self, account_id: str, password_hash: str) -> None:
        """Store a new hash."""
        with self._database.session() as session:
            session.execute(
                update(User).where(User.id == account_id).values(password_hash=password_hash)
            )

    def add(self, name: str, password_hash: str) -> None:
        """Create a user. Raises `ValueError` if the name is taken."""
        try:
            with self._database.session() as session:
                session.add(User(name=name, password_hash=password_hash))
        except IntegrityError:
            raise ValueError(f"there is a user {name!r} already") from None


def open_users(url: str) -> Users:
    """Return the users of the database at `url`."""
    return Users(Database(url))


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
    open_users(url).add(name, passwords.hash(password))
    emit("user_created", user=name)
