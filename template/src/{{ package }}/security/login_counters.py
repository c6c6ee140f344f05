# Owned by the template: extend, do not edit.
"""What the login throttle counts against whom, for an operator (THR-9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from .accounts import normalise
from .policy import ThrottlePolicy
from .proxy import bucket
from .stores import Counted, Store
from .throttle import MOST_SHOWN


@dataclass(frozen=True, slots=True)
class LoginCounter:
    """One counter of the throttle."""

    key: str
    kind: str
    """pair, address, account; "device pair" and "device" for browsers that have logged in."""
    name: str
    """User name as it was tried, "" where all count."""
    where: str
    """Address, IPv6 network or name of the device, "" where all count."""
    failures: int
    blocked_until: int
    """End of the block in seconds since the epoch, 0 for none."""
    forgotten: int
    """When the failures are forgotten."""


class LoginCounters:
    """Reads and lifts what the throttle has counted."""

    def __init__(self, policy: ThrottlePolicy, store: Store) -> None:
        """Take the limits and the store of the service."""
        self._policy = policy
        self._store = store

    def all(self, now: int) -> Iterator[LoginCounter]:
        """Return every counter with a failure, in no order."""
        for counted in self._store.counted(now):
            if counted.count and counted.label:
                yield self._read(counted, now)

    def of(self, subject: str, now: int) -> Iterator[LoginCounter]:
        """Return those of a user name, or of a client's address."""
        name = normalise(subject)[:MOST_SHOWN]
        where = bucket(subject, self._policy.ipv6_prefix)
        for counter in self.all(now):
            if counter.name == name or counter.where == where:
                yield counter

    def lift(self, counters: list[LoginCounter]) -> None:
        """Forget these failures, and end the blocks."""
        self._store.forget([counter.key for counter in counters])

    def _read(self, counted: Counted, now: int) -> LoginCounter:
        kind, name, where = json.loads(counted.label)
        rule = self._policy.address if kind.endswith("address") else self._policy.account
        until = counted.expires if counted.count >= rule.limit else 0
        if kind.endswith("pair"):
            until = counted.until
        blocked = until if until > now else 0
        return LoginCounter(counted.key, kind, name, where, counted.count, blocked, counted.expires)
