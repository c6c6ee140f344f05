# Owned by the template: extend, do not edit.
"""All that a store in SQLite holds, put into Redis or Valkey (DAT-5): no worker needs it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from . import StoreError
from .redis import EPOCH_SECONDS, FIELDS, RedisStore

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Held:
    """One key, as the store in Redis or Valkey has it."""

    kind: str
    """sessions, counters or epochs."""
    key: str
    fields: dict[str, str]
    """Of a session; of what is one text, that under ""."""
    expires: int
    """When it is over, in seconds since the epoch."""


def held(db: sqlite3.Connection, now: int) -> Iterator[Held]:
    """Return all that is in the file and not over."""
    sessions = db.execute(
        "SELECT id_hash, user, created, seen, client, data, expires FROM store_session"
        " WHERE expires > ?",
        (now,),
    )
    for id_hash, user, created, seen, client, data, expires in sessions:
        values = (user, created, seen, client, data)
        fields = dict(zip(FIELDS, map(str, values), strict=True))
        yield Held("sessions", id_hash, fields, expires)
    counters = db.execute(
        "SELECT key, count, until, expires, attempts, label FROM store_counter WHERE expires > ?",
        (now,),
    )
    for key, count, until, expires, attempts, label in counters:
        # As counters.lua writes it.
        lines = [f"\n{began} {name}" for name, began in json.loads(attempts or "{}").items()]
        text = f"{count} {until} {expires} {label}{''.join(lines)}"
        yield Held("counters", key, {"": text}, expires)
    for user, epoch in db.execute("SELECT user, epoch FROM store_epoch"):
        yield Held("epochs", user, {"": str(epoch)}, now + EPOCH_SECONDS)


class MovingStore(RedisStore):
    """The store that takes all of another one."""

    def origin(self) -> str | None:
        """Return what an unfinished move came from, None if there is none."""
        found: Any = self._run(lambda: self._client.get(self._note))
        return None if found is None else str(found)

    def used(self) -> bool:
        """Tell whether there is anything of this service."""
        return bool(self._keys())

    def begin(self, origin: str) -> None:
        """Note that a move from `origin` is under way; what an earlier run has put there goes.

        A session that has ended here since must not be left there.
        """
        self._run(lambda: self._client.set(self._note, origin))
        for key in self._keys():
            self._remove(key)

    def fill(self, rows: Iterable[Held], now: int) -> None:
        """Put rows there; doing so again changes nothing."""
        left = iter(rows)
        while batch := list(islice(left, _BATCH)):
            self._fill(batch, now)

    def differs(self, row: Held) -> bool:
        """Tell whether what is there is not this row."""
        name = self._name(row)
        if row.kind == "sessions":
            return bool(self._run(lambda: self._client.hgetall(name)) != row.fields)
        return bool(self._run(lambda: self._client.get(name)) != row.fields[""])

    def finish(self) -> None:
        """Delete the note: the move is over."""
        self._remove(self._note)

    def advice(self) -> list[str]:
        """Return what is wrong with the server's settings, as far as it tells."""
        try:
            memory: Any = self._run(lambda: self._client.info("memory"))
            disk: Any = self._run(lambda: self._client.info("persistence"))
        except StoreError:
            return []
        found = []
        if memory.get("maxmemory_policy") not in {None, "noeviction"}:
            found.append("it may throw sessions away: set maxmemory-policy noeviction")
        if not disk.get("aof_enabled"):
            found.append("it forgets the last sessions when it is restarted: set appendonly yes")
        return found

    @property
    def _note(self) -> str:
        return self._epoch.removesuffix("e:") + "moving"

    def _name(self, row: Held) -> str:
        prefixes = {"sessions": self._session, "counters": self._counter, "epochs": self._epoch}
        return prefixes[row.kind] + row.key

    def _keys(self) -> list[str]:
        kinds = (self._session, self._user, self._counter, self._epoch)
        return [key for kind in kinds for key in self._run(partial(self._of_kind, kind))]

    def _of_kind(self, prefix: str) -> list[str]:
        return list(self._client.scan_iter(match=f"{prefix}*", count=1000))

    def _remove(self, key: str) -> None:
        self._run(lambda: self._client.delete(key))

    def _fill(self, rows: list[Held], now: int) -> None:
        for row in rows:
            if row.kind == "sessions":
                self.put(self._row(row.key, [row.fields[name] for name in FIELDS]), row.expires)

        def others() -> None:
            with self._client.pipeline(transaction=True) as pipeline:
                for row in rows:
                    if row.kind != "sessions":
                        seconds = max(1, row.expires - now)
                        pipeline.set(self._name(row), row.fields[""], ex=seconds)
                pipeline.execute()

        self._run(others)
