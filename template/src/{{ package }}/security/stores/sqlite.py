# Owned by the template: extend, do not edit.
"""Sessions and login counters in one SQLite file, for all workers of one machine.

`synchronous = NORMAL` with a write-ahead log: a crash of the service loses nothing, and a power cut
never damages the file, but it may take back what the system had not flushed yet (on Linux, about
30 s): failures counted then are forgotten, and a session ended then lives until it times out.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from ..database_errors import REMEDIES, RIGHTS
from ..database_file import DatabaseFile, FileGoneError, Identity, while_busy
from . import OTHERS_FIRST, PING_SECONDS, Counted, Counter, Outcome, SessionRow, StoreError
from .counting import Tally

BUSY_SECONDS = 5.0
"""Longest wait for another writer."""
SWEEP_EVERY, SWEEP_ROWS = 16, 64
"""Every 16th insert deletes up to 64 expired rows per table, more than 16 inserts can add."""
VERSION = 3

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS store_session (id_hash TEXT PRIMARY KEY, user TEXT NOT NULL,
  created INT NOT NULL, seen INT NOT NULL, client TEXT NOT NULL, data TEXT NOT NULL,
  expires INT NOT NULL);
CREATE INDEX IF NOT EXISTS store_session_user ON store_session (user);
CREATE INDEX IF NOT EXISTS store_session_expires ON store_session (expires);
CREATE TABLE IF NOT EXISTS store_counter (key TEXT PRIMARY KEY, count INT NOT NULL,
  until INT NOT NULL, expires INT NOT NULL, attempts TEXT NOT NULL DEFAULT '',
  label TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS store_counter_expires ON store_counter (expires);
CREATE TABLE IF NOT EXISTS store_epoch (user TEXT PRIMARY KEY, epoch INT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {VERSION}
""".split(";")
_NEWER = (
    "ALTER TABLE store_counter ADD COLUMN attempts TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE store_counter ADD COLUMN label TEXT NOT NULL DEFAULT ''",
)
"""What version 3 has added to a table of version 1 or 2."""
_ROW = "SELECT id_hash, user, created, seen, client, data FROM store_session"
_SESSION = "SELECT user, created, seen, client, data FROM store_session WHERE id_hash = ?"
_COUNTER = "SELECT key, count, until, expires, attempts FROM store_counter"
_OLD_SESSIONS = """DELETE FROM store_session WHERE id_hash IN
  (SELECT id_hash FROM store_session WHERE expires <= ? LIMIT ?)"""
_OLD_COUNTERS = """DELETE FROM store_counter WHERE key IN
  (SELECT key FROM store_counter WHERE expires <= ? LIMIT ?)"""
_NEXT_EPOCH = """INSERT INTO store_epoch VALUES (?, 1)
  ON CONFLICT (user) DO UPDATE SET epoch = epoch + 1"""
_AWAY = "stop the service, move the file away with its -wal and -shm, start the service"
_REMEDIES = {
    **REMEDIES,
    sqlite3.SQLITE_CORRUPT: f"{_AWAY}: it begins empty, and everybody logs in again",
    sqlite3.SQLITE_NOTADB: f"correct APP_STORE_URL, or {_AWAY}",
}

# One writer at a time in this process; SQLite itself would wait by sleeping, ever longer.
_WRITER = threading.RLock()
_STORES: weakref.WeakSet[SqliteStore] = weakref.WeakSet()

T = TypeVar("T")

_Idle = list[tuple[Identity, sqlite3.Connection]]
"""Each with the file that it has opened."""


def _close(connections: _Idle) -> None:
    with suppress(IndexError):
        while True:
            connections.pop()[1].close()


def _before_fork() -> None:
    """Close all connections, even those the child would never touch.

    SQLite keeps the process's file locks in memory. A child that inherits this list believes to
    hold locks that only its parent holds, even on connections of its own: the last close in the
    parent deletes the log that the child goes on writing to.
    """
    _WRITER.acquire()
    for store in list(_STORES):
        store.close()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_WRITER.release, after_in_child=_WRITER.release
    )


@cache
def _among(keys: int) -> str:
    return f"{_COUNTER} WHERE key IN ({', '.join('?' * keys)})"


def _tallies(
    db: sqlite3.Connection, counters: Sequence[Counter], now: int
) -> list[tuple[Counter, Tally]]:
    keys = [counter.key for counter in counters]
    rows = db.execute(_among(len(keys)), keys)
    found = {
        key: Tally(count, until, expires, json.loads(attempts or "{}"))
        for key, count, until, expires, attempts in rows
    }
    pairs = [(counter, found.get(counter.key) or Tally()) for counter in counters]
    for counter, tally in pairs:
        tally.age(counter, now)
    return pairs


def _store(db: sqlite3.Connection, pairs: Sequence[tuple[Counter, Tally]], now: int) -> None:
    kept, gone = [], []
    for counter, tally in pairs:
        if tally.expires > now:
            numbers = (tally.count, tally.until, tally.expires)
            kept.append((counter.key, *numbers, json.dumps(tally.attempts), counter.label))
        else:
            gone.append((counter.key,))
    db.executemany("REPLACE INTO store_counter VALUES (?, ?, ?, ?, ?, ?)", kept)
    db.executemany("DELETE FROM store_counter WHERE key = ?", gone)


def _epoch(db: sqlite3.Connection, user: str) -> int:
    row = db.execute("SELECT epoch FROM store_epoch WHERE user = ?", (user,)).fetchone()
    return int(row[0]) if row else 0


class SqliteStore:
    """The store in the file `path`, which is created, for its owner alone, at the first use."""

    local = True

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self._file = DatabaseFile(path, create=create)
        self.path = self._file.path
        self._idle: _Idle = []
        self._inserts = 0
        self._pinged = -math.inf
        _STORES.add(self)
        # Not `__del__`: in a cycle the collector may come to the connections first, and complain.
        weakref.finalize(self, _close, self._idle)

    def get(self, id_hash: str) -> SessionRow | None:
        row = self._run(lambda db: db.execute(_SESSION, (id_hash,)).fetchone())
        return SessionRow(id_hash, *row) if row else None

    def put(
        self, row: SessionRow, expires: int, replaces: str = "", epoch: int | None = None
    ) -> bool:
        values = (row.id_hash, row.user, row.created, row.seen, row.client, row.data, expires)
        delete = "DELETE FROM store_session WHERE id_hash = ?"

        def work(db: sqlite3.Connection) -> bool:
            if not db.execute(delete, (row.id_hash,)).rowcount:
                if epoch is not None and _epoch(db, row.user) != epoch:
                    return False
                if replaces and not db.execute(delete, (replaces,)).rowcount:
                    return False
            db.execute("INSERT INTO store_session VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            self._sweep(db, row.seen)
            return True

        return self._write(work)

    def epoch(self, user: str) -> int:
        return self._run(lambda db: _epoch(db, user))

    def update(self, id_hash: str, *, seen: int, data: str | None) -> bool:
        sql = "UPDATE store_session SET seen = ?, data = coalesce(?, data) WHERE id_hash = ?"
        return self._write(lambda db: db.execute(sql, (seen, data, id_hash)).rowcount) > 0

    def delete(self, id_hash: str) -> bool:
        sql = "DELETE FROM store_session WHERE id_hash = ?"
        return self._write(lambda db: db.execute(sql, (id_hash,)).rowcount) > 0

    def of_user(self, user: str) -> list[SessionRow]:
        sql = f"{_ROW} WHERE user = ? ORDER BY seen DESC, id_hash"
        rows = self._run(lambda db: db.execute(sql, (user,)).fetchall())
        return [SessionRow(*row) for row in rows]

    def delete_of_user(self, user: str, keep: str = "") -> int:
        sql = "DELETE FROM store_session WHERE user = ? AND id_hash != ?"

        def work(db: sqlite3.Connection) -> int:
            db.execute(_NEXT_EPOCH, (user,))
            return db.execute(sql, (user, keep)).rowcount

        return self._write(work)

    def reserve(self, counters: Sequence[Counter], attempt: str, now: int) -> int:
        judges = [counter for counter in counters if counter.judges]

        def work(db: sqlite3.Connection) -> int:
            pairs = _tallies(db, judges, now)
            if wait := max(tally.wait(counter, now) for counter, tally in pairs):
                # A clock that was set back has made it shorter, once.
                _store(db, pairs, now)
                return wait
            if any(tally.is_full(counter, attempt) for counter, tally in pairs):
                return OTHERS_FIRST
            for _, tally in pairs:
                tally.reserve(attempt, now)
            _store(db, pairs, now)
            self._sweep(db, now)
            return 0

        return self._write(work) if judges else 0

    def settle(self, counters: Sequence[Counter], attempt: str, outcome: Outcome, now: int) -> None:
        def work(db: sqlite3.Connection) -> None:
            pairs = _tallies(db, counters, now)
            for counter, tally in pairs:
                if counter.judges or outcome in {Outcome.FAILED, Outcome.FORGIVEN}:
                    tally.settle(counter, attempt, outcome, now)
            _store(db, pairs, now)

        if counters:
            self._write(work)

    def counted(self, now: int) -> Iterator[Counted]:
        sql = "SELECT key, label, count, until, expires FROM store_counter WHERE expires > ?"
        rows = self._run(lambda db: db.execute(sql, (now,)).fetchall())
        yield from (Counted(*row) for row in rows)

    def forget(self, keys: Sequence[str]) -> None:
        rows = [(key,) for key in keys]
        self._write(lambda db: db.executemany("DELETE FROM store_counter WHERE key = ?", rows))

    def ping(self) -> None:
        now = time.monotonic()
        if now - self._pinged < PING_SECONDS:
            self._run(lambda db: db.execute("SELECT 1 FROM store_epoch").fetchone())
            return
        # Really writes: a transaction can begin on a full disk.
        self._write(lambda db: db.execute(f"PRAGMA user_version = {VERSION}"))
        self._pinged = now

    def close(self) -> None:
        _close(self._idle)

    def _sweep(self, db: sqlite3.Connection, now: int) -> None:
        self._inserts += 1
        if self._inserts % SWEEP_EVERY == 0:
            db.execute(_OLD_SESSIONS, (now, SWEEP_ROWS))
            db.execute(_OLD_COUNTERS, (now, SWEEP_ROWS))

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction, with no other writer from its first read on."""

        def transaction(db: sqlite3.Connection) -> T:
            db.execute("BEGIN IMMEDIATE")
            result = work(db)
            self._file.mark(db)
            db.execute("COMMIT")
            return result

        if not _WRITER.acquire(timeout=BUSY_SECONDS):
            raise StoreError(f"{self.path}: busy: {_REMEDIES[sqlite3.SQLITE_BUSY]}")
        try:
            return self._run(transaction)
        finally:
            _WRITER.release()

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on a connection that no other thread has. One that failed is given up."""
        db: sqlite3.Connection | None = None
        try:
            opened, db = self._connection()
            result = work(db)
        except BaseException as error:
            if db:
                db.close()
            if isinstance(error, FileGoneError):
                raise StoreError(str(error)) from error
            if isinstance(error, sqlite3.Error | OSError):
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                raise StoreError(f"{self.path}: {error}: {_REMEDIES.get(code, RIGHTS)}") from error
            raise
        self._idle.append((opened, db))
        return result

    def _connection(self) -> tuple[Identity, sqlite3.Connection]:
        """Return a connection to the file that is there now (DAT-4), and which file that is."""
        while self._idle:
            # Else what is done on it would go to a file that nobody finds any more.
            current = self._file.current()
            try:
                opened, db = self._idle.pop()
            except IndexError:
                break
            if opened == current:
                return opened, db
            db.close()
        return self._open()

    def _open(self) -> tuple[Identity, sqlite3.Connection]:
        with _WRITER:
            while True:
                identity = self._file.settle()
                db = sqlite3.connect(
                    f"file:{quote(str(self.path))}?mode=rw",
                    uri=True,
                    timeout=BUSY_SECONDS,
                    isolation_level=None,
                    check_same_thread=False,
                )
                try:
                    self._prepare(db)
                    if self._file.opened(identity):
                        return identity, db
                except BaseException:
                    db.close()
                    raise
                db.close()

    def _prepare(self, db: sqlite3.Connection) -> None:
        def switch() -> str:
            if not db.execute("PRAGMA page_count").fetchone()[0]:
                # Now, while it goes to the file itself and not to a log.
                self._file.mark(db)
            mode: str = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            return mode

        if while_busy(switch, BUSY_SECONDS) != "wal":
            raise StoreError(f"{self.path}: no write-ahead log here: use a local disk")
        db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            db.execute("BEGIN IMMEDIATE")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise StoreError(f"{self.path}: written by a newer release: update the service")
            if version < VERSION:
                for statement in (*(_NEWER if version else ()), *_SCHEMA):
                    db.execute(statement)
            db.execute("COMMIT")
