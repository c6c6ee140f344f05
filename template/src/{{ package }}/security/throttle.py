# Owned by the template: extend, do not edit.
"""Login throttle (guide: Prevent brute-force attacks; ASVS 6.3.1; OWASP device cookies).

Each attempt reserves a place at three counters in one atomic step before the password is looked at,
and says afterwards how it has ended:

* pair: consecutive failures of one name from one address, blocked for longer and longer;
* address: failures from one address in a day, against guessing through many names;
* account: failures of one name in a day, against guessing from many addresses.

A browser that has logged in to the account before carries a signed device cookie and has counters
of its own, so that neither a botnet nor somebody else at the same address locks the owner out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from .clock import is_within
from .keys import Keys
from .policy import BlockingLimitPolicy, LimitPolicy, ThrottlePolicy
from .proxy import bucket
from .stores import OTHERS_FIRST, Counter, Outcome, Store

_PATIENCE_SECONDS = 5.0
"""How long an attempt waits for others that are being decided; that takes milliseconds."""
_PAUSE_SECONDS = 0.05
"""How long until it looks again, in case those are in another process."""
MOST_SHOWN = 100
"""Characters of a name or address that an operator is shown."""


class Blocked(Exception):
    """Raised if an attempt is refused."""

    def __init__(self, seconds: int, *, others: bool = False) -> None:
        """Take the seconds to wait; `others` if nothing but other attempts was in the way."""
        super().__init__(f"blocked for {seconds} s")
        self.seconds = seconds
        self.others = others


class Throttle:
    """Decides who may try a password."""

    def __init__(self, policy: ThrottlePolicy, store: Store) -> None:
        """Take the limits and the store that all workers share."""
        self._policy = policy
        self._store = store
        self._settled = threading.Condition()

    def counters(self, user: str, client: str, device: str) -> tuple[Counter, ...]:
        """Return what an attempt is counted by; `device` is "" for an unknown browser."""
        policy = self._policy
        address = bucket(client, policy.ipv6_prefix)
        known = bool(device)
        here = (
            _counter(policy.pair, "pair", user, address, judges=not known),
            _counter(policy.address, "address", "", address, judges=not known),
        )
        if not known:
            return (*here, _counter(policy.account, "account", user, ""))
        return (
            *here,
            _counter(policy.pair, "device pair", user, device),
            _counter(policy.account, "device", user, device),
        )

    def guesses(self, what: str, client: str) -> tuple[Counter, ...]:
        """Return what a guess at a secret of no user is counted by, like a password (THR-10)."""
        address = bucket(client, self._policy.ipv6_prefix)
        return (
            _counter(self._policy.pair, f"{what} pair", "", address),
            _counter(self._policy.address, "address", "", address),
        )

    def elsewhere(self, user: str, client: str) -> tuple[Counter, ...]:
        """Return what a guess at a secret is counted by that the application keeps itself.

        Apart from the users of the service: who has an account there under somebody's name here
        must not clear what was counted here.
        """
        policy = self._policy
        address = bucket(client, policy.ipv6_prefix)
        return (
            _counter(policy.pair, "elsewhere pair", user, address),
            _counter(policy.address, "address", "", address),
            _counter(policy.account, "elsewhere account", user, ""),
        )

    def choices(self, client: str) -> tuple[Counter, ...]:
        """Return what a password is counted by that a visitor chooses: it is work, right or wrong.

        Apart from guesses: who signs up in vain is not kept from logging in (THR-8).
        """
        address = bucket(client, self._policy.ipv6_prefix)
        return (_counter(self._policy.address, "choice address", "", address),)

    def mails(self, to: str, client: str) -> tuple[Counter, ...]:
        """Return what a request for a mail is counted by: to whom it goes, and who asks."""
        address = bucket(client, self._policy.ipv6_prefix)
        return (
            _counter(self._policy.pair, "mail pair", to, ""),
            _counter(self._policy.address, "mail address", "", address),
        )

    def reserve(
        self,
        counters: tuple[Counter, ...],
        now: int,
        queue: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> str:
        """Reserve an attempt and return its name; raise `Blocked`.

        Right passwords that are tried at once would refuse each other: who finds nothing but other
        attempts in the way waits, in the `queue`, until they are decided.
        """
        attempt = secrets.token_hex(8)
        wait = self._store.reserve(counters, attempt, now)
        if wait == OTHERS_FIRST:
            with queue():
                wait = self._after_others(counters, attempt, now)
        if wait:
            raise Blocked(wait)
        return attempt

    def _after_others(self, counters: tuple[Counter, ...], attempt: str, now: int) -> int:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (wait := self._store.reserve(counters, attempt, now)) == OTHERS_FIRST:
            if time.monotonic() >= deadline:
                raise Blocked(1, others=True)
            with self._settled:
                self._settled.wait(_PAUSE_SECONDS)
        return wait

    def settle(
        self, counters: tuple[Counter, ...], attempt: str, outcome: Outcome, now: int
    ) -> None:
        """Note how an attempt has ended."""
        try:
            self._store.settle(counters, attempt, outcome, now)
        finally:
            with self._settled:
                self._settled.notify_all()

    def forgive(self, counters: tuple[Counter, ...], now: int) -> None:
        """Give back an attempt that had failed."""
        self.settle(counters, "", Outcome.FORGIVEN, now)


class Devices:
    """Signed cookies that say: this browser has logged in to that account before."""

    def __init__(self, keys: Keys, lifetime: int) -> None:
        """Sign with the newest key, accept any; a device is known for `lifetime` seconds."""
        self._keys = keys.derive("device cookie")
        self._lifetime = lifetime

    def issue(self, user: str, now: int) -> str:
        """Return a cookie value for a browser that has just logged in as `user`."""
        text = f"{secrets.token_hex(16)}.{now}"
        return f"{text}.{_sign(self._keys[0], text, user).decode()}"

    def read(self, value: str, user: str, now: int) -> str:
        """Return the device's name if the cookie is ours, for `user`, and young enough, or ""."""
        text, _, signature = value.rpartition(".")
        device, _, issued = text.partition(".")
        if not any(
            hmac.compare_digest(_sign(key, text, user), signature.encode()) for key in self._keys
        ):
            return ""
        return device if is_within(int(issued), self._lifetime, now) else ""


def _counter(
    limit: LimitPolicy, kind: str, user: str, where: str, *, judges: bool = True
) -> Counter:
    # One length for all: what a client sends is no key.
    key = hashlib.sha256(f"{kind}\0{user}\0{where}".encode()).hexdigest()
    label = json.dumps([kind, user[:MOST_SHOWN], where[:MOST_SHOWN]])
    block, max_block = (
        (limit.block, limit.max_block) if isinstance(limit, BlockingLimitPolicy) else (0, 0)
    )
    return Counter(key, limit.limit, limit.window, block, max_block, label, judges)


def _sign(key: bytes, text: str, user: str) -> bytes:
    return hmac.digest(key, f"{text}\0{user}".encode(), "sha256").hex().encode()
