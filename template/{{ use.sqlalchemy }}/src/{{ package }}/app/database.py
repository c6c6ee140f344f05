"""The database: SQLite to begin with, PostgreSQL by APP_DATABASE_URL."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import Session, sessionmaker

from ..adapter import StoreError, create_engine, is_database_away


class Database:
    """Connections to one database. Its tables are made by the migrations."""

    def __init__(self, url: str) -> None:
        """Take the URL, such as `sqlite:///var/app.db` or `postgresql://user@host/name`."""
        self.engine = create_engine(url)
        # SQLite's connections do not close by themselves.
        weakref.finalize(self, self.engine.dispose)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session that commits at the end, or rolls back if an exception passes.

        Raises `StoreError`, which becomes 503, while the database is away.
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except DBAPIError as error:
            if not is_database_away(error):
                raise
            raise StoreError(f"database: {error.orig}") from error
        except NoConnection as error:
            raise StoreError(f"database: {error}") from error

    def ping(self) -> None:
        """Return if the database answers."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
