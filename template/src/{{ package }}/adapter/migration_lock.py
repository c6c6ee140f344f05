# Owned by the template: extend, do not edit.
"""One process at a time changes the tables, also when several machines start together."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..security.database_errors import cannot_connect
from ..security.lock_file import open_lock

LOCK = 0x6D69677261746573
"""Key of PostgreSQL's advisory lock; it is one of the database's own, not of the server's."""
_FILE = ".upgrading"
_PAUSE_SECONDS = 0.2


@contextmanager
def migration_lock(url: str) -> Iterator[None]:
    """Hold the lock of the database at `url`; wait as long as another process has it.

    Raises `StoreError` if the database does not answer.
    """
    if url.startswith("sqlite:///"):
        with _file_lock(Path(url.removeprefix("sqlite:///"))):
            yield
        return
    # Not above: it takes 5 MiB of each worker, and SQLite needs none of it.
    import psycopg

    try:
        connection = psycopg.connect(url, autocommit=True)
    except psycopg.OperationalError as error:
        raise cannot_connect(error) from None
    with connection:
        # Asked for again and again: a connection that waits inside of one query has a snapshot,
        # for whose end a CREATE INDEX CONCURRENTLY of the migrations would wait.
        while connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() != (True,):
            time.sleep(_PAUSE_SECONDS)
        # Given back with the connection, also by a process that dies.
        yield


@contextmanager
def _file_lock(database: Path) -> Iterator[None]:
    # Not the folder: who finds another file in it locks that, and a migration may take long.
    lock = open_lock(database.parent, _FILE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
