# Owned by the template: extend, do not edit.
"""Login throttle (guide: Prevent brute-force attacks; ASVS 6.3.1; OWASP device cookies).

Each attempt touches three counters in one atomic step before the password is looked at:

* pair: consecutive failures of one name from one address, blocked for longer and longer;
* address: failures from one address in a day, against guessing through many names;
* account: failures of one name in a day, against guessing from many addresses. A browser that has
  logged in to the account before carries a signed device cookie and has a counter of its own, so
  that a botnet cannot lock the owner out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import replace

from .keys import Keys
from .policy import BlockingLimitPolicy, LimitPolicy, ThrottlePolicy
from .proxy import bucket
from .stores import Counter, Store


class Throttle:
    """Decides who may try a password."""

    def __init__(self, policy: ThrottlePolicy, store: Store) -> None:
        """Take the limits and the store that all workers share."""
        self._policy = policy
        self._store = store

    def counters(self, user: str, client: str, device: str) -> tuple[Counter, ...]:
        """Return what an attempt is counted by; `device` is "" for an unknown browser."""
        address = bucket(client, self._policy.ipv6_prefix)
        account = ("device", user, device) if device else ("account", user)
        return (
            _counter(self._policy.pair, "pair", user, address),
            _counter(self._policy.address, "address", address),
            _counter(self._policy.account, *account),
        )

    def reserve(self, counters: tuple[Counter, ...], now: int) -> int:
        """Count an attempt; return 0, or the seconds to wait if it is refused."""
        return self._store.reserve(counters, now)

    def succeed(self, counters: tuple[Counter, ...], now: int) -> None:
        """Give the attempt back: the password was right."""
        self._store.release(counters, now)

    def withdraw(self, counters: tuple[Counter, ...], now: int) -> None:
        """Give the attempt back without clearing anything: no password was looked at."""
        self._store.release([replace(counter, block=0) for counter in counters], now)


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
        return device if now - int(issued) < self._lifetime else ""


def _counter(limit: LimitPolicy, *parts: str) -> Counter:
    # Hashed: the store shall not tell who tried to log in from where.
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    if isinstance(limit, BlockingLimitPolicy):
        return Counter(key, limit.limit, limit.window, limit.block, limit.max_block)
    return Counter(key, limit.limit, limit.window)


def _sign(key: bytes, text: str, user: str) -> bytes:
    return hmac.digest(key, f"{text}\0{user}".encode(), "sha256").hex().encode()
