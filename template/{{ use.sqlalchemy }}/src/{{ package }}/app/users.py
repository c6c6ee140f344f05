"""Users in the database."""

from __future__ import annotations

from ..adapter import SqlUsers
from .database import Database
from .models import User


class Users(SqlUsers):
    """What the login and the command line need to know: the place to change it."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        super().__init__(database.session, User)


def open_users(url: str) -> Users:
    """Return the users of the database at `url`, for the command line."""
    return Users(Database(url))
