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
        fields = {"user": user, "created": created, "seen": seen, "client": client, "data": data}
        yield Held("sessions", id_hash, _texts(fields), expires)
    counters = db.execute(
        "SELECT key, count, until, expires, attempts, label FROM store_counter WHERE expires > ?",
        (now,),
    )
    for key, count, until, expires, attempts, label in counters:
        fields = {"label": label, "count": count, "till": until, "expires": expires}
        begun = {f"a:{name}": began for name, began in json.loads(attempts or "{}").items()}
        yield Held("counters", key, _texts({**fields, **begun}), expires)
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
        return bool(set(self._keys()) - {f"{self._counter}ping"})

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
        if row.kind == "epochs":
            return bool(self._run(lambda: self._client.get(name)) != row.fields[""])
        return bool(self._run(lambda: self._client.hgetall(name)) != row.fields)

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
                    name, seconds = self._name(row), max(1, row.expires - now)
                    if row.kind == "epochs":
                        pipeline.set(name, row.fields[""], ex=seconds)
                    elif row.kind == "counters":
                        pipeline.delete(name)
                        pipeline.hset(name, mapping=row.fields)  # type: ignore[arg-type] # a dict of texts is one
                        pipeline.expire(name, seconds)
                pipeline.execute()

        self._run(others)


def _texts(fields: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items()}
