"""Users in the database."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ..adapter import Account
from .database import Database
from .models import User


class Users:
    """What the login needs to know; see `Accounts` of the adapter."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    def find(self, name: str) -> Account | None:
        """Return the account of a normalised user name."""
        with self._database.session() as session:
            user = session.scalar(select(User).where(User.name == name))
            return Account(user.id, user.name, user.password_hash) if user else None

    def set_password(self, account_id: str, password_hash: str, *, expected: str) -> bool:
        """Store a new hash if the present one is `expected`."""
        mine = update(User).where(User.id == account_id, User.password_hash == expected)
        change = mine.values(password_hash=password_hash).returning(User.id)
        with self._database.session() as session:
            return session.scalar(change) is not None

    def add(self, name: str, password_hash: str) -> None:
        """Store a new user. Raises `ValueError` if the name is taken."""
        try:
            with self._database.session() as session:
                session.add(User(name=name, password_hash=password_hash))
        except IntegrityError:
            raise ValueError(f"there is a user {name!r} already") from None


def open_users(url: str) -> Users:
    """Return the users of the database at `url`, for the command line."""
    return Users(Database(url))
