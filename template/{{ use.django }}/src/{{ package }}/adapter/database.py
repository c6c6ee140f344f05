# Owned by the template: extend, do not edit.
"""Django's database by its URL, and its tables."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, close_old_connections, connection, connections
from psycopg.conninfo import conninfo_to_dict

from ..security.database_errors import is_database_away
from ..security.stores import StoreError

ERRORS = (InterfaceError, DatabaseError)
"""What Django raises for a database: while it is away, and for mistakes of a program."""
_LOCK = 0x6D69677261746573
_SECONDS = 60


def entry(url: str) -> dict[str, Any]:
    """Return the entry in DATABASES for `sqlite:///path` or `postgresql://user@host/name`."""
    # Connections are kept, and looked at before they are used again.
    common = {"CONN_MAX_AGE": _SECONDS, "CONN_HEALTH_CHECKS": True}
    if url.startswith("sqlite:///"):
        options = {
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
            # A transaction that first reads and then writes would fail if another wrote meanwhile.
            "transaction_mode": "IMMEDIATE",
        }
        engine = f"{__package__}.sqlite"
        return {**common, "ENGINE": engine, "NAME": url[len("sqlite:///") :], "OPTIONS": options}
    parts: dict[str, Any] = dict(conninfo_to_dict(url))
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    known = {name: parts.pop(part, "") for name, part in {**names, "PORT": "port"}.items()}
    return {**common, **known, "ENGINE": "django.db.backends.postgresql", "OPTIONS": parts}


def prepare() -> None:
    """Create and change tables as the migrations say; several processes may start at once.

    Raises `StoreError` if the database does not answer.
    """
    try:
        with _alone():
            call_command("migrate", interactive=False, verbosity=0)
    except ERRORS as error:
        if not is_database_away(error):
            raise
        raise StoreError(
            f"APP_DATABASE_URL: cannot connect: {error}; start the database or correct it"
        ) from None
    finally:
        # Before workers are forked: two processes must not share a connection.
        connections.close_all()


def ping() -> None:
    """Return if the database answers."""
    close_old_connections()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@contextmanager
def answering() -> Iterator[None]:
    """Turn Django's errors of a database that is away into `StoreError`, which becomes 503."""
    try:
        yield
    except ERRORS as error:
        if not is_database_away(error):
            raise
        raise StoreError(f"database: {error}") from error


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process changes tables."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            # Given back with the connection.
            yield
        return
    connection.ensure_connection()
    folder = os.open(Path(connection.settings_dict["NAME"]).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
