# Owned by the template: extend, do not edit.
"""A SQLite file that was renamed, deleted or replaced under a running service is noticed.

A connection goes on with the file that it opened, wherever that went: each worker, and each
connection of it, would have a truth of its own. So who uses a connection compares first, which
costs one stat().

A file that is written over in place, as `cp` does it, keeps its inode. SQLite goes on with what it
has in memory and in its log, and mixes the two: such a file is not used any more. Once a second the
header is read past SQLite: what it counts never goes back, unless another file is there. Whoever
writes counts up `application_id` in it, once a second, too: with a log, SQLite's own count of
changes stands still.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import secrets
import sqlite3
import struct
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from .lock_file import give

T = TypeVar("T")


class Identity(NamedTuple):
    """Which file it is, whatever its name."""

    device: int = 0
    inode: int = 0


class Header(NamedTuple):
    """What the first page of a SQLite file says (its file format, section 1.3)."""

    changes: int = 0
    mark: int = 0
    """`application_id`, which `mark` counts up from a random number."""


LOOK_SECONDS = 1.0
"""How often the header is read, and counted up by who writes."""
_NONE, _NOTHING = Identity(), Header()
_SECONDS, _PAUSE = 5.0, 0.005
_KNOWN = struct.Struct("4Q")
_SEEN = struct.Struct("2Q?")
_OVERWRITTEN = _KNOWN.size + _SEEN.size - 1
"""Place of the last that `_SEEN` says, which each use asks for."""
_HEADER = struct.Struct(">24xI40xI")
_MOST_MARKS = 1 << 20
"""More than are made between two looks; of two files that begin at random, few are so near."""
_BASE = 1 << 30
_descriptors: dict[Identity, int] = {}
_users: Counter[Identity] = Counter()


class MarkedConnection(sqlite3.Connection):
    """A connection of the application: what it writes counts up in the header of its file."""

    file: DatabaseFile | None = None
    _counted = 0
    """The `total_changes` that were committed or given up."""

    def commit(self) -> None:
        """Commit, with the mark if something was written."""
        # What was read is not made a write by it, which others would have to wait for.
        if self.file and self.in_transaction and self.total_changes != self._counted:
            self._mark(self.file)
        super().commit()
        self._counted = self.total_changes

    def rollback(self) -> None:
        """Give up what was written."""
        super().rollback()
        self._counted = self.total_changes

    def committed(self) -> None:
        """Mark what a statement outside of transactions has written."""
        if self.file and not self.in_transaction and self.total_changes != self._counted:
            self._mark(self.file)
            self._counted = self.total_changes

    def _mark(self, file: DatabaseFile) -> None:
        inside = self.in_transaction
        try:
            file.mark(self)
        except sqlite3.OperationalError:
            # Another writes just now, and marks. But if SQLite has given up what was written, as
            # on a full disk, a commit would seem to succeed.
            if inside and not self.in_transaction:
                raise


class FileGoneError(OSError):
    """Raised if the file is not there, and must not be made."""


class FileOverwrittenError(FileGoneError):
    """Raised if what is in the file is not what its connections have read."""


class DatabaseFile:
    """The file at `path`, as this process and those that are forked later know it."""

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        """Take the path; without `create` a file that is missing stays missing."""
        self.path = Path(path).absolute()
        self._name = str(self.path)
        self._create = create
        # Shared with forked workers: a new one knows what the others have opened.
        self._shared = mmap.mmap(-1, _KNOWN.size + _SEEN.size)
        self._looked = self._marked = -math.inf
        self._seen = _NONE
        self._held: list[Identity] = []
        weakref.finalize(self, _let_go, self._held)

    def current(self) -> Identity:
        """Return which file is there. Raises `FileGoneError` if none is."""
        try:
            found = os.stat(self._name)  # noqa: PTH116 - at each use, and in a third of the time
        except FileNotFoundError:
            raise FileGoneError(
                f"{self.path} is gone: put it back, or restart the service, which then begins with"
                " an empty one"
            ) from None
        identity = self._seen
        if identity != (found.st_dev, found.st_ino):
            identity = self._seen = Identity(found.st_dev, found.st_ino)
        device, inode, _, _ = _KNOWN.unpack_from(self._shared)
        is_known = identity == (device, inode)
        if is_known and self._is_overwritten(identity):
            raise FileOverwrittenError(
                f"{self.path} was written over while it was in use: stop the service, put the file"
                " there once more, without a -wal and a -shm beside it, start the service"
            )
        return identity

    def _is_overwritten(self, identity: Identity) -> bool:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            # What another process has seen counts at once.
            return bool(self._shared[_OVERWRITTEN])
        changes, mark, overwritten = _SEEN.unpack_from(self._shared, _KNOWN.size)
        if overwritten:
            return True
        self._looked = now
        if identity not in self._held:
            _let_go(self._held)
            _hold(self.path, identity)
            self._held.append(identity)
        header = _read(_descriptors[identity])
        overwritten = header.changes < changes or (
            mark > 0 and not 0 <= header.mark - mark <= _MOST_MARKS
        )
        self._shared[_KNOWN.size :] = _SEEN.pack(*header, overwritten)
        return overwritten

    def mark(self, db: sqlite3.Connection) -> None:
        """Count up in the header, as part of a transaction: a copy of before is known by it."""
        now = time.monotonic()
        if now - self._marked < LOOK_SECONDS:
            return
        self._marked = now
        (mark,) = db.execute("PRAGMA application_id").fetchone()
        new = mark + 1 if mark > 0 else 1 + secrets.randbelow(_BASE)
        db.execute(f"PRAGMA application_id = {new}")

    def settle(self) -> Identity:
        """Return which file is there, ready to be opened; at the first use it is created.

        Raises `FileGoneError` or another `OSError`.
        """
        known, _ = self._known()
        if known == _NONE:
            self._make()
            return self.current()
        if self.current() == known:
            return known
        with self._alone():
            known, log = self._known()
            current = self.current()
            if current != known:
                # The log of the file that was there before: SQLite would play it into the new one.
                # The old file's connections do not need its name.
                if log == _of(self._beside("-wal")):
                    for each in ("-wal", "-shm"):
                        self._beside(each).unlink(missing_ok=True)
                self._remember(current, _NONE)
            return current

    def opened(self, identity: Identity) -> bool:
        """Remember what a connection has opened; False if it was replaced meanwhile."""
        if self.current() != identity:
            return False
        both = (identity, _of(self._beside("-wal")))
        if both != self._known():
            self._remember(*both)
        return True

    def _make(self) -> None:
        if self.path.exists():
            return
        if not self._create:
            raise FileGoneError(f"{self.path} is not there: the service has not run with it yet")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite would let others read it; its log files copy the mode. Not while another thread has
        # it open: closing any handle drops all locks of the process on a file.
        descriptor = os.open(self.path, os.O_CREAT, 0o600)
        try:
            give(descriptor, self.path.parent)
        finally:
            os.close(descriptor)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}{suffix}")

    def _known(self) -> tuple[Identity, Identity]:
        """Return which file was opened last, and which log was beside it."""
        device, inode, of_log, log = _KNOWN.unpack_from(self._shared)
        return Identity(device, inode), Identity(of_log, log)

    def _remember(self, file: Identity, log: Identity) -> None:
        if self._known()[0] != file:
            self._shared[_KNOWN.size :] = _SEEN.pack(*_NOTHING, False)
        self._shared[: _KNOWN.size] = _KNOWN.pack(*file, *log)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process settles. The file itself has locks that belong to SQLite."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            deadline = time.monotonic() + _SECONDS
            while not _locked(folder):
                if time.monotonic() > deadline:
                    raise OSError("another process holds its folder")
                time.sleep(0.01)
            yield
        finally:
            os.close(folder)


def while_busy(action: Callable[[], T], seconds: float = _SECONDS) -> T:
    """Repeat what fails as another holds the file, at most for `seconds`; return what it returns.

    SQLite waits for all locks by itself, but for that of `PRAGMA journal_mode = WAL` on a new file:
    of processes that start at once, all but one would fail. Raises what `action` raises.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)


def write_ahead(db: sqlite3.Connection) -> None:
    """Write to a log beside the file, so that who reads and who writes do not wait for each other.

    Raises `sqlite3.OperationalError`.
    """
    while_busy(lambda: db.execute("PRAGMA journal_mode = WAL"))
    db.execute("PRAGMA synchronous = NORMAL")


def _hold(path: Path, identity: Identity) -> None:
    """Open a file to read its header; once in a process, as closing drops all its locks (POSIX)."""
    _users[identity] += 1
    if identity not in _descriptors:
        _descriptors[identity] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _let_go(held: list[Identity]) -> None:
    """Close what nobody here uses any more."""
    while held:
        identity = held.pop()
        _users[identity] -= 1
        if not _users[identity]:
            del _users[identity]
            os.close(_descriptors.pop(identity))


def _read(descriptor: int) -> Header:
    page = os.pread(descriptor, _HEADER.size, 0)
    return Header(*_HEADER.unpack(page)) if len(page) == _HEADER.size else _NOTHING


def _locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _of(path: Path) -> Identity:
    try:
        found = path.stat()
    except OSError:
        return _NONE
    return Identity(found.st_dev, found.st_ino)
