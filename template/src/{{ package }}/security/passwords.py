# Owned by the template: extend, do not edit.
"""Passwords (ASVS 6.2, 11.4.2; OWASP Password Storage Cheat Sheet)."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from .policy import PasswordPolicy

_MOST_JOINED = 4
"""Characters that become one at most when what is typed alike is made alike (NFC)."""


class Busy(Exception):
    """Raised if too many passwords are being checked at once."""


class Passwords:
    """Hashes, verifies and judges passwords.

    Hashing is slow on purpose, and so is judging, so both are bounded: a flood of logins fills its
    own queue and leaves the threads that serve the other pages alone.
    """

    def __init__(self, policy: PasswordPolicy) -> None:
        """Take the rules and the cost. Computes one hash."""
        self._policy = policy
        self._hasher = PasswordHasher(
            time_cost=policy.time_cost,
            memory_cost=policy.memory_kib,
            parallelism=policy.parallelism,
        )
        self._slots = threading.BoundedSemaphore(policy.concurrent)
        self._room = threading.BoundedSemaphore(policy.concurrent + policy.waiting)
        self._others_first = threading.BoundedSemaphore(max(1, policy.waiting * 3 // 4))
        self._held = threading.local()
        self._dummy = self._hasher.hash("nobody has this password")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue for several steps of one thread. Raises `Busy`."""
        if getattr(self._held, "place", False):
            yield
            return
        if not self._room.acquire(blocking=False):
            raise Busy
        self._held.place = True
        try:
            yield
        finally:
            self._held.place = False
            self._room.release()

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Hold a place while other attempts are to be decided first. Raises `Busy`.

        Not all places: a flood of guesses at one name must not keep out whose turn it is.
        """
        if not self._others_first.acquire(blocking=False):
            raise Busy
        try:
            with self.place():
                yield
        finally:
            self._others_first.release()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        with self.place(), self._slots:
            yield

    def hash(self, password: str) -> str:
        """Return the argon2id hash. Raises `Busy`."""
        with self._slot():
            return self._hasher.hash(_normal(password))

    def verify(self, hashed: str | None, password: str) -> bool:
        """Tell whether the password fits. Raises `Busy`.

        None stands for a user who does not exist, and what is no hash for one without a password:
        it takes the same time and never fits, so that the time does not tell which names exist
        (ASVS 6.3.8).
        """
        if self._is_too_long(password):
            # Nobody has it, and making it alike takes minutes for a million of accents.
            hashed, password = None, ""
        with self._slot():
            for tried in (hashed or self._dummy, self._dummy):
                try:
                    self._hasher.verify(tried, _normal(password))
                except VerifyMismatchError:
                    return False
                except (VerificationError, InvalidHashError):
                    # Nothing was computed: the application let in by other means whoever this is.
                    continue
                return tried == hashed
            return False

    def outdated(self, hashed: str) -> bool:
        """Tell whether a hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def objection(self, password: str, user: str) -> str:
        """Return why `user` may not choose this password, or "" (ASVS 6.2.1 to 6.2.9).

        Raises `Busy`.
        """
        password = _normal(password[: self._policy.max_length * _MOST_JOINED + 1])
        if len(password) < self._policy.min_length:
            return f"Use at least {self._policy.min_length} characters."
        if len(password) > self._policy.max_length:
            return f"Use at most {self._policy.max_length} characters."
        if user and user.casefold() in password.casefold():
            return "Do not use your user name in it."
        with self._slot():
            # Imported here: its word lists cost memory, and few workers ever set a password.
            from .strength import guesses_log10

            if guesses_log10(password, user) < self._policy.min_guesses_log10:
                return "This password is common or easy to guess."
        return ""

    def _is_too_long(self, password: str) -> bool:
        return len(password) > self._policy.max_length * _MOST_JOINED


def _normal(password: str) -> str:
    """Return one form for what looks and is typed the same (NIST SP 800-63B section 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)
