# Owned by the template: extend, do not edit.
"""SQLAlchemy's engine for the database of the service."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, make_url
from sqlalchemy import create_engine as _create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from ..security.database_errors import cannot_connect
from ..security.database_file import MarkedConnection, write_ahead
from .sqlite_file import follow_file


def create_engine(url: str, **options: Any) -> Engine:
    """Return the engine for `sqlite:///var/app.db` or `postgresql://user@host/name`.

    `options` are SQLAlchemy's. A file that is missing is made, for its owner alone, and noticed
    when it is replaced. Raises `StoreError` if it cannot be opened.
    """
    parsed = make_url(url)
    # Without parameters in errors: they are password hashes and what users wrote.
    options.setdefault("hide_parameters", True)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return _create_engine(parsed, pool_pre_ping=True, **options)
    is_file = parsed.drivername == "sqlite" and bool(parsed.database)
    if is_file:
        given = options.get("connect_args") or {}
        options["connect_args"] = {"factory": MarkedConnection, **given}
    engine = _create_engine(parsed, **options)
    if is_file:
        event.listen(engine, "connect", _prepare_sqlite)
        follow_file(engine, Path(str(parsed.database)))
        try:
            # Now, so that workers which are forked later know which file it is; they must not
            # share the connection.
            engine.connect().close()
        except OperationalError as error:
            raise cannot_connect(error.orig) from None
        engine.dispose()
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    write_ahead(connection)
    connection.execute("PRAGMA foreign_keys = ON")
