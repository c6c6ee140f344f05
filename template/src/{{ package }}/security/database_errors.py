# Owned by the template: extend, do not edit.
"""Whether a database was away, or a program is wrong (DAT-3). Both are an `OperationalError`."""

from __future__ import annotations

import sqlite3

from .stores import StoreError

_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""The file cannot be reached or is held by another program; a missing table is SQLITE_ERROR."""
RIGHTS = "the service's user must be able to write the file and its folder"
REMEDIES = {
    sqlite3.SQLITE_BUSY: "end the program that holds it, for example a backup or a shell",
    sqlite3.SQLITE_FULL: "free space on the disk",
    sqlite3.SQLITE_IOERR: "check the disk's free space and health",
    sqlite3.SQLITE_READONLY: RIGHTS,
    sqlite3.SQLITE_CANTOPEN: RIGHTS,
}
"""What to do about a file, by SQLite's code."""
_CLASSES = ("08", "53", "57P")
"""How PostgreSQL's codes begin where it cannot serve: the connection failed, it lacks memory, disk
or connections, it is being stopped or started."""
_TIMEOUTS = frozenset({"57014", "55P03"})
"""It ended a statement that took too long, or that waited too long for a lock."""


def is_database_away(error: BaseException | None) -> bool:
    """Tell whether an error of a database's driver, or what wraps it, means that it is away.

    Drivers are known by the names of PEP 249: `sqlstate` is psycopg's, None where no server spoke.
    """
    while error is not None:
        if (code := getattr(error, "sqlite_errorcode", None)) is not None:
            return code & 0xFF in _SQLITE
        if hasattr(error, "sqlstate"):
            state = error.sqlstate
            if state:
                return state.startswith(_CLASSES) or state in _TIMEOUTS
            return _is(error, "OperationalError") or _names_connection(error)
        cause = getattr(error, "orig", None) or error.__cause__
        if cause is None and not isinstance(error, sqlite3.Error):
            # The framework's own, or of some other driver, which says no more.
            return _is(error, "OperationalError") or _names_connection(error)
        error = cause
    return False


def file_remedy(error: object) -> str:
    """Return what to do about the SQLite file of an error, or of its causes; "" if unknown."""
    while isinstance(error, BaseException):
        if (code := getattr(error, "sqlite_errorcode", None)) is not None:
            return REMEDIES.get(code & 0xFF, "")
        error = getattr(error, "orig", None) or error.__cause__
    return ""


def cannot_connect(error: object) -> StoreError:
    """Return what to say of a database that does not answer."""
    remedy = file_remedy(error) or "start the database or correct it"
    return StoreError(f"APP_DATABASE_URL: cannot connect: {error}; {remedy}")


def _is(error: BaseException, name: str) -> bool:
    return any(each.__name__ == name for each in type(error).__mro__)


def _names_connection(error: BaseException) -> bool:
    """Tell whether an `InterfaceError` is one of a connection that is closed, not of a cursor."""
    return _is(error, "InterfaceError") and "connection" in str(error)
