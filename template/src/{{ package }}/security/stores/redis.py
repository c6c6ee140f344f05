# Owned by the template: extend, do not edit.
"""Sessions and login counters in Redis or Valkey, for workers on several machines.

Every change is one run of `sessions.lua` or `counters.lua`. Rows carry a time to live, so nothing
needs sweeping. The server must not evict (`maxmemory-policy noeviction`) and should persist
(`appendonly yes`), else sessions and counters are forgotten early. No cluster mode: one script
touches keys that may live on several nodes.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as TooLate
from redis.retry import Retry

from . import PING_SECONDS, RESERVED_SECONDS, Counted, Counter, Outcome, SessionRow, StoreError
from .breaker import Breaker, OpenError

CONNECT_SECONDS = 0.4
READ_SECONDS = 0.4
_LOST = (ConnectionLost, TooLate, OSError)
_UNREADABLE = (
    "APP_STORE_URL: its port, its number or an option cannot be read; write"
    " redis://:password@host:port/number, and what means something in an address as %XX"
)
EPOCH_SECONDS = 86400
"""How long a user's epoch is remembered: longer than any request takes."""

# The package's name: services that share a server do not see each other's users.
_PREFIX = __name__.partition(".")[0] + ":"
FIELDS = ("user", "created", "seen", "client", "data")

T = TypeVar("T")


class _Script:
    def __init__(self, name: str) -> None:
        self.text = Path(__file__).with_name(name).read_text("utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_SESSIONS, _COUNTERS = _Script("sessions.lua"), _Script("counters.lua")


class RedisStore:
    """The store at `url`, connected at the first use. Raises `ValueError` for a malformed URL."""

    local = False

    def __init__(self, url: str, prefix: str = _PREFIX) -> None:
        # The client does not retry: it would do so after a timeout too, and for release().
        try:
            number = urlsplit(url).path.strip("/")
            if number and not number.isdecimal():
                # The client would take number 0, which may be another service's.
                raise ValueError(number)
            self._client = Redis.from_url(
                url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
                decode_responses=True,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=READ_SECONDS,
            )
        except ValueError:
            # Without its words: of a password with a slash, they show a part.
            raise ValueError(_UNREADABLE) from None
        pool = self._client.connection_pool
        options = pool.connection_kwargs
        try:
            pool.connection_class(**options)
        except (TypeError, RedisError) as error:
            raise ValueError(
                f"APP_STORE_URL: {error}; leave out what its query has too much"
            ) from error
        self._where = f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
        self._session, self._user, self._counter = (prefix + kind for kind in ("s:", "u:", "c:"))
        self._epoch = prefix + "e:"
        self._ping = prefix + "ping"
        self._pinged = -math.inf
        self._breaker = Breaker()

    def get(self, id_hash: str) -> SessionRow | None:
        key = self._session + id_hash
        row: list[Any] = self._run(lambda: self._client.hmget(key, FIELDS))
        return self._row(key, row) if row[0] is not None else None

    def put(
        self, row: SessionRow, expires: int, replaces: str = "", epoch: int | None = None
    ) -> bool:
        keys = (
            self._session + row.id_hash,
            self._session + replaces if replaces else "",
            self._user + row.user,
            self._epoch + row.user,
        )
        # Seconds to live, not a time: the server's clock need not agree with ours.
        ttl = max(1, expires - row.seen)
        fields = [part for name in FIELDS for part in (name, getattr(row, name))]
        wanted = "" if epoch is None else epoch
        return bool(self._call(_SESSIONS, "put", keys, (self._user, ttl, expires, wanted, *fields)))

    def epoch(self, user: str) -> int:
        return int(self._run(lambda: self._client.get(self._epoch + user)) or 0)

    def update(self, id_hash: str, *, seen: int, data: str | None) -> bool:
        fields = ("seen", seen) if data is None else ("seen", seen, "data", data)
        return bool(self._call(_SESSIONS, "update", (self._session + id_hash,), fields))

    def delete(self, id_hash: str) -> bool:
        return bool(self._call(_SESSIONS, "delete", (self._session + id_hash,), (self._user,)))

    def of_user(self, user: str) -> list[SessionRow]:
        found = self._call(_SESSIONS, "of_user", (self._user + user,), FIELDS)
        rows = [self._row(key, row) for key, row in found]
        return sorted(rows, key=lambda row: (-row.seen, row.id_hash))

    def delete_of_user(self, user: str, keep: str = "") -> int:
        keys = (self._user + user, self._session + keep, self._epoch + user)
        return int(self._call(_SESSIONS, "delete_of_user", keys, (EPOCH_SECONDS,)))

    def reserve(self, counters: Sequence[Counter], attempt: str, now: int) -> int:
        judges = [counter for counter in counters if counter.judges]
        return int(self._count(f"reserve {now}", judges, attempt)) if judges else 0

    def settle(self, counters: Sequence[Counter], attempt: str, outcome: Outcome, now: int) -> None:
        if counters:
            # Each may be repeated, but to take back twice what one attempt had added.
            again = outcome is not Outcome.FORGIVEN
            self._count(f"settle {now}", counters, attempt, outcome, again=again)

    def _count(
        self,
        function: str,
        counters: Sequence[Counter],
        attempt: str,
        outcome: str = "",
        *,
        again: bool = True,
    ) -> Any:
        keys = [self._counter + counter.key for counter in counters]
        rules = [
            f"{c.judges:d} {c.limit} {c.window} {c.block} {c.max_block} {c.label}" for c in counters
        ]
        # In one piece: the client takes longer for each argument than the script for all.
        function = f"{function} {RESERVED_SECONDS} {outcome}"
        return self._call(_COUNTERS, function, keys, (attempt, *rules), again)

    def counted(self, now: int) -> Iterator[Counted]:
        cursor, more = 0, True
        while more:
            cursor, keys = self._run(partial(self._scan, cursor))
            rows: list[Any] = self._run(partial(self._client.mget, keys)) if keys else []
            for key, text in zip(keys, rows, strict=True):
                # Between the two it may have run out.
                if text is not None:
                    *numbers, label = text.partition("\n")[0].split(" ", 3)
                    counted = Counted(key.removeprefix(self._counter), label, *map(int, numbers))
                    if counted.expires > now:
                        yield counted
            more = bool(cursor)

    def _scan(self, cursor: int) -> tuple[int, list[str]]:
        found: Any = self._client.scan(cursor, match=f"{self._counter}*", count=1000)
        return int(found[0]), found[1]

    def forget(self, keys: Sequence[str]) -> None:
        names = [self._counter + key for key in keys]
        if names:
            self._run(lambda: self._client.delete(*names))

    def ping(self) -> None:
        now = time.monotonic()
        if now - self._pinged < PING_SECONDS:
            self._run(self._client.ping)
            return
        self._run(lambda: self._client.set(self._ping, 1, ex=1))
        self._pinged = now

    def close(self) -> None:
        self._client.close()

    def _row(self, key: str, row: Sequence[str]) -> SessionRow:
        user, created, seen, client, data = row
        id_hash = key.removeprefix(self._session)
        return SessionRow(id_hash, user, int(created), int(seen), client, data)

    def _call(
        self,
        script: _Script,
        function: str,
        keys: Sequence[str],
        args: Sequence[str | int] = (),
        again: bool = True,
    ) -> Any:
        rest = (*keys, function, *args)

        def command() -> Any:
            try:
                return self._client.evalsha(script.sha, len(keys), *rest)
            except NoScriptError:  # first use, or the server was restarted
                return self._client.eval(script.text, len(keys), *rest)

        return self._run(command, again)

    def _run(self, command: Callable[[], T], again: bool = True) -> T:
        """Run `command`; `again` on a new connection if the first broke on the way.

        It may have been carried out all the same.
        """
        try:
            with self._breaker.call(_LOST):
                try:
                    return command()
                except ConnectionLost:
                    if not again:
                        raise
                    return command()
        except (RedisError, OSError, OpenError) as error:
            if isinstance(error, ReadOnlyError):
                # The primary became a replica; only a new connection looks its name up again.
                self._client.connection_pool.disconnect(inuse_connections=False)
            raise StoreError(f"store at {self._where}: {error}") from error
