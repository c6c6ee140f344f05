"""The database: SQLite to begin with, PostgreSQL by APP_DATABASE_URL."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from ..adapter import StoreError, follow_file, is_database_away
from .models import Base

_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(1)"}
"""Begins a transaction that waits for others like it."""


class Database:
    """Connections to one database. Tables that are missing are created."""

    def __init__(self, url: str) -> None:
        """Connect to `url`, such as `sqlite:///var/app.db` or `postgresql://user@host/name`.

        Raises `StoreError` if that fails.
        """
        self.engine = _engine(url)
        try:
            with self.engine.begin() as connection:
                # Machines that start together would all find the same table missing.
                connection.execute(text(_ALONE[self.engine.dialect.name]))
                Base.metadata.create_all(connection)
        except DBAPIError as error:
            if not is_database_away(error):
                raise
            raise StoreError(
                f"APP_DATABASE_URL: cannot connect: {error.orig}; start the database or correct it"
            ) from None
        # Before workers are forked: two processes must not share a connection.
        self.engine.dispose()
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


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    # Without parameters in errors: they are password hashes and what users wrote.
    engine = create_engine(parsed, hide_parameters=True)
    if parsed.drivername == "sqlite" and parsed.database:
        event.listen(engine, "connect", _prepare_sqlite)
        follow_file(engine, Path(parsed.database))
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
