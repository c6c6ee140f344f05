# Owned by the template: extend, do not edit.
"""SQLAlchemy's connections to a SQLite file are given up when another file is in its place."""

from __future__ import annotations

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
        try:
            record.info[_OPENED] = file.settle()
        except FileGoneError as error:
            raise StoreError(f"database: {error}") from error

    def after(connection: Any, record: Any) -> None:
        if isinstance(connection, MarkedConnection):
            connection.file = file
        file.opened(record.info[_OPENED])

    def taken(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info[_OPENED] != _current():
            raise DisconnectionError("another file is in its place")

    def _current() -> Identity:
        try:
            return file.current()
        except FileGoneError as error:
            raise StoreError(f"database: {error}") from error

    event.listen(engine, "do_connect", before)
    event.listen(engine, "connect", after)
    event.listen(engine, "checkout", taken)
