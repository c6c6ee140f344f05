# Owned by the template: extend, do not edit.
"""SQLAlchemy's connections to a SQLite file are given up when another file is in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from ..security.database_file import DatabaseFile, FileGoneError, Identity, MarkedConnection
from ..security.stores import StoreError

_OPENED = "file"


def follow_file(engine: Engine, path: Path) -> None:
    """Create the file at the first use, for its owner alone, and notice what becomes of it (DAT-4).

    Call it once all that prepares a connection listens. Connecting raises `StoreError` while the
    file is missing.
    """
    file = DatabaseFile(path)

    def before(_dialect: Any, record: Any, _arguments: Any, _options: Any) -> None:
        record.info[_OPENED] = _identity(file.settle)

    def after(connection: Any, record: Any) -> None:
        if isinstance(connection, MarkedConnection):
            connection.file = file
        file.opened(record.info[_OPENED])

    def taken(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info[_OPENED] != _identity(file.current):
            raise DisconnectionError("another file is in its place")

    event.listen(engine, "do_connect", before)
    event.listen(engine, "connect", after)
    event.listen(engine, "checkout", taken)


def _identity(ask: Callable[[], Identity]) -> Identity:
    try:
        return ask()
    except FileGoneError as error:
        raise StoreError(f"database: {error}") from error
