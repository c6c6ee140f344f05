# Owned by the template: extend, do not edit.
"""A SQLite file that was renamed, deleted or replaced under a running service is noticed.

A connection goes on with the file that it opened, wherever that went: each worker, and each
connection of it, would have a truth of its own. So who uses a connection compares first, which
costs one stat().
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Identity(NamedTuple):
    """Which file it is, whatever its name."""

    device: int = 0
    inode: int = 0


_NONE = Identity()
_SECONDS = 5
_KNOWN = struct.Struct("4Q")


class FileGoneError(OSError):
    """Raised if the file is not there, and must not be made."""


class DatabaseFile:
    """The file at `path`, as this process and those that are forked later know it."""

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        """Take the path; without `create` a file that is missing stays missing."""
        self.path = Path(path).absolute()
        self._create = create
        # Shared with forked workers: a new one knows what the others have opened.
        self._shared = mmap.mmap(-1, _KNOWN.size)

    def current(self) -> Identity:
        """Return which file is there. Raises `FileGoneError` if none is."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise FileGoneError(
                f"{self.path} is gone: put it back, or restart the service, which then begins with"
                " an empty one"
            ) from None
        return Identity(found.st_dev, found.st_ino)

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
        os.close(os.open(self.path, os.O_CREAT, 0o600))

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}{suffix}")

    def _known(self) -> tuple[Identity, Identity]:
        """Return which file was opened last, and which log was beside it."""
        numbers = _KNOWN.unpack(self._shared[:])
        return Identity(*numbers[:2]), Identity(*numbers[2:])

    def _remember(self, file: Identity, log: Identity) -> None:
        self._shared[:] = _KNOWN.pack(*file, *log)

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
