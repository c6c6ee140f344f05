# Owned by the template: extend, do not edit.
"""Where sessions and login counters live: one small interface, two engines.

Both are exact with many threads and processes: every method is one transaction (SQLite) or one
script (Redis, Valkey), so nobody reads, decides and writes in three steps. Times are whole seconds
since the epoch and always come from the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

PING_SECONDS = 10
RESERVED_SECONDS = 60
"""How long an attempt may take to be decided. After that its process is taken for dead, and what it
had reserved is free again; a failure that comes later still counts."""
OTHERS_FIRST = -1
"""What `reserve` returns while nothing but other attempts is in the way."""


class StoreError(Exception):
    """Raised if the store cannot answer: server down, disk full, file locked for too long."""


@dataclass(slots=True)
class SessionRow:
    """One session as the store keeps it: never its id, only the id's SHA-256 (ASVS 7.2)."""

    id_hash: str
    """Lower-case hex SHA-256 of the session id."""
    user: str
    """Id of the signed-in user, or "" for a visitor."""
    created: int
    """Start of the absolute timeout. Survives a change of id."""
    seen: int
    """Last use; start of the idle timeout."""
    client: str
    """From where and by what it was begun, as `agents` reads it for the account page."""
    data: str
    """JSON object with the session's content; "{}" where the cookie carries the content."""


class Outcome(StrEnum):
    """How an attempt has ended."""

    FAILED = "failed"
    PASSED = "passed"
    WITHDRAWN = "withdrawn"
    """No password was looked at: nothing is cleared."""
    FORGIVEN = "forgiven"
    """It had failed, and somebody else than the password says that it was right."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One login counter and the limit it is judged by; `throttle` tells which an attempt has."""

    key: str
    limit: int
    """Failures until the key is blocked."""
    window: int
    """Seconds after which the count is forgotten: from the first failure on or, with `block`, from
    the end of the last failure or block on."""
    block: int = 0
    """0: blocked until the window ends. Else seconds of the first block; each further `limit`
    failures double it."""
    max_block: int = 0
    """Longest block in seconds, where `block` is set."""
    label: str = ""
    """What is counted, for an operator."""
    judges: bool = True
    """False: failures count, but nothing is refused by it."""

    def length(self, count: int) -> int:
        """Return the seconds of the last block that `count` failures have brought."""
        blocks = count // self.limit
        # As far as a shift makes sense: a huge number of failures is no huge number of bits.
        return min(self.block << min(blocks - 1, 32), self.max_block) if blocks else 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What a store has counted under one key."""

    key: str
    label: str
    count: int
    until: int
    expires: int


class Store(Protocol):
    """What an engine must do. Every method raises `StoreError` and nothing else when it cannot."""

    local: bool
    """True if a read is so short that an event loop may wait for it: no network."""

    def get(self, id_hash: str) -> SessionRow | None:
        """Return the row, perhaps an expired one not yet swept: the caller judges the times."""

    def put(
        self, row: SessionRow, expires: int, replaces: str = "", epoch: int | None = None
    ) -> bool:
        """Insert a new session, first used at `row.seen`; delete the row `replaces` with it.

        False, and nothing is changed, if that row is gone or the user's epoch is another one: what
        was ended meanwhile stays ended (SES-10). A row that is there already was put by the same
        call, repeated. `expires` only says when the row may be swept.
        """

    def epoch(self, user: str) -> int:
        """Return how often all sessions of the user were ended."""

    def update(self, id_hash: str, *, seen: int, data: str | None) -> bool:
        """Set `seen` and, unless None, `data`. False if the row is gone: ended stays ended."""

    def delete(self, id_hash: str) -> bool:
        """Delete one session; False if there was none."""

    def of_user(self, user: str) -> list[SessionRow]:
        """Return all rows of a user, most recently used first."""

    def delete_of_user(self, user: str, keep: str = "") -> int:
        """Delete all rows of a user except the one with hash `keep`; return how many.

        The user's epoch goes up: who began to log in before that does not come in.
        """

    def reserve(self, counters: Sequence[Counter], attempt: str, now: int) -> int:
        """Reserve an attempt on every counter, or on none if any that judges has no room.

        Returns 0 if the attempt may go on, the seconds until the longest block ends, or
        `OTHERS_FIRST`. This is the one atomic step of a login attempt (ASVS 6.3.1), taken before
        the password is looked at. `attempt` names it; repeating the call changes nothing.
        """

    def settle(self, counters: Sequence[Counter], attempt: str, outcome: Outcome, now: int) -> None:
        """Note how an attempt has ended; a failure counts also if nothing is reserved any more.

        Success sets counters with `block` back to zero and leaves the others as they were before.
        """

    def counted(self, now: int) -> Iterator[Counted]:
        """Return all that is counted and not over, in no order."""

    def forget(self, keys: Sequence[str]) -> None:
        """Delete counters, by their keys."""

    def ping(self) -> None:
        """Return if the store can read and write.

        Everybody may ask `/readyz`, so it writes only where the last write that it made is
        `PING_SECONDS` old.
        """

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""


def open_store(url: str, *, create: bool = True) -> Store:
    """Return the store at `url`; nothing is opened before its first use.

    Without `create` a file that is missing is a `StoreError` then, and is not made.
    Raises `ValueError` for anything but `sqlite:///path`, `redis[s]://...` and `valkey[s]://...`.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite" and rest.startswith("///") and rest != "///":
        from .sqlite import SqliteStore

        return SqliteStore(rest[3:], create=create)
    if scheme in {"redis", "rediss", "valkey", "valkeys"}:
        # Imported here: the client costs 13 MiB of memory in each worker that does not use it.
        from .redis import RedisStore

        return RedisStore(url)
    # Not the URL itself: it may hold a password.
    raise ValueError(
        "APP_STORE_URL: use sqlite:///path, redis://host:port/number or valkey://host:port/number"
        f" (with TLS rediss://, valkeys://), not {scheme}:..."
    )
