# Owned by the template: extend, do not edit.
"""Django's database by its URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from psycopg.conninfo import conninfo_to_dict

from ..security.database_errors import is_database_away
from ..security.stores import StoreError

ERRORS = (InterfaceError, DatabaseError)
"""What Django raises for a database: while it is away, and for mistakes of a program."""
_SECONDS = 60


def entry(url: str) -> dict[str, Any]:
    """Return the entry in DATABASES for `sqlite:///path` or `postgresql://user@host/name`."""
    # Connections are kept, and looked at before they are used again.
    common = {"CONN_MAX_AGE": _SECONDS, "CONN_HEALTH_CHECKS": True}
    if url.startswith("sqlite:///"):
        # A transaction that first reads and then writes would fail if another wrote meanwhile.
        options = {"transaction_mode": "IMMEDIATE"}
        engine = f"{__package__}.sqlite"
        return {**common, "ENGINE": engine, "NAME": url[len("sqlite:///") :], "OPTIONS": options}
    parts: dict[str, Any] = dict(conninfo_to_dict(url))
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    known = {name: parts.pop(part, "") for name, part in {**names, "PORT": "port"}.items()}
    return {**common, **known, "ENGINE": "django.db.backends.postgresql", "OPTIONS": parts}


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
