# Owned by the template: extend, do not edit.
"""Where Django looks for an engine."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import Any, cast

from django.db.backends.sqlite3 import base

from ...security.database_file import (
    DatabaseFile,
    FileGoneError,
    Identity,
    MarkedConnection,
    write_ahead,
)


@cache
def _file(path: Path) -> DatabaseFile:
    return DatabaseFile(path)


class _Cursor(base.SQLiteCursorWrapper):
    """Django's cursor; outside of `atomic` each statement is committed by itself."""

    def execute(self, *arguments: Any) -> Any:
        result = super().execute(*arguments)
        cast(MarkedConnection, self.connection).committed()
        return result

    def executemany(self, *arguments: Any) -> Any:
        result = super().executemany(*arguments)
        cast(MarkedConnection, self.connection).committed()
        return result


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite that makes the file's folder, and the file with mode 0600, before it is opened.

    A connection is given up when another file is in the place of the one that it opened (DAT-4).
    """

    _opened = Identity()
    _path = Path()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        name = str(conn_params["database"])
        # Tests of Django's run in memory, at an address that is no path.
        if name.startswith((":memory:", "file:")):
            return super().get_new_connection(conn_params)
        self._path = Path(name).absolute()
        file = _file(self._path)
        try:
            self._opened = file.settle()
        except FileGoneError as error:
            away = sqlite3.OperationalError(str(error))
            away.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise away from error
        connection = super().get_new_connection({"factory": MarkedConnection, **conn_params})
        if isinstance(connection, MarkedConnection):
            connection.file = file
        write_ahead(connection)
        file.opened(self._opened)
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        if isinstance(self.connection, MarkedConnection):
            return self.connection.cursor(factory=_Cursor)
        return super().create_cursor(name)

    def is_usable(self) -> bool:
        """Look which file is there: Django asks before the first use in each request."""
        if self._opened == Identity():
            return super().is_usable()
        try:
            return _file(self._path).current() == self._opened
        except FileGoneError:
            return False
