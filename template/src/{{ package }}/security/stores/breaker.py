# Owned by the template: extend, do not edit.
"""Not waiting again and again for a server that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FAILURES = 3
"""In a row, after which nobody waits any more."""
SLOW_SECONDS = 0.1
"""A failure that is quicker costs nothing: a server that is down refuses at once."""
PAUSE_SECONDS = 1.0
"""How long calls then fail at once; after that one at a time tries whether it is back."""


class OpenError(Exception):
    """Raised instead of a call: the server has not answered the last ones."""


class Breaker:
    """Knows whether a server has answered of late; for all threads of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds that is never set."""
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next = 0.0
        """When the next call may try, while too many have failed."""

    @contextmanager
    def call(self, lost: tuple[type[BaseException], ...]) -> Iterator[None]:
        """Watch over one call; `lost` are the errors of a server that cannot be reached.

        Raises `OpenError` instead of letting it begin.
        """
        begun = self._enter()
        try:
            yield
        except lost:
            if self._clock() - begun >= SLOW_SECONDS:
                self._count()
            raise
        except BaseException:
            self._reset()
            raise
        self._reset()

    def _enter(self) -> float:
        now = self._clock()
        if self._failures < FAILURES:
            return now
        with self._lock:
            if self._failures >= FAILURES:
                if now < self._next:
                    raise OpenError("it has not answered the last calls")
                # For this one call; whoever comes while it waits fails at once.
                self._next = now + PAUSE_SECONDS
        return now

    def _count(self) -> None:
        with self._lock:
            self._failures += 1
            self._next = self._clock() + PAUSE_SECONDS

    def _reset(self) -> None:
        if self._failures:
            with self._lock:
                self._failures = 0
