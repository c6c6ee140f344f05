# Owned by the template: extend, do not edit.
"""How many WebSockets a client may have, and what it may send on one (RTE-6; ASVS 4.4)."""

from __future__ import annotations

import time
from asyncio import Future
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .cookies import is_token
from .errors import Problem
from .policy import WebSocketPolicy
from .proxy import bucket

POLICY, TOO_BIG = 1008, 1009
"""Close codes (RFC 6455 section 7.4)."""
OF_HTTP = 4000
"""With this and HTTP's status frameworks close a handshake, and the policy what is open."""
_LETTER = 4
"""Bytes of a letter in UTF-8 at most."""


class Connections:
    """The open connections of this process, by client."""

    def __init__(self, limits: WebSocketPolicy, ipv6_prefix: int) -> None:
        """Take the limits, and how many bits of an IPv6 address are one client's."""
        self._limits = limits
        self._prefix = ipv6_prefix
        self._open: Counter[str] = Counter()

    def problem(self, address: str) -> Problem | None:
        """Return why one more is refused, None if it is not."""
        limits = self._limits
        if self._open[bucket(address, self._prefix)] >= limits.connections_per_client:
            return Problem(429, reason="websocket.connections-per-client")
        if self._open.total() >= limits.connections:
            return Problem(503, reason="websocket.connections")
        return None

    @contextmanager
    def counted(self, address: str) -> Iterator[None]:
        """Count one as long as it is open."""
        client = bucket(address, self._prefix)
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class Messages:
    """What came on one connection."""

    def __init__(self, limits: WebSocketPolicy) -> None:
        """Take the limits, looked up once: what follows is asked of each message."""
        self._largest = limits.max_message
        self._rate = self._allowance = float(limits.messages_per_second)
        """Messages that may come in a second, and that may still come at once."""
        self._counted = self.last = time.monotonic()
        """When one was counted, and when one came or was sent."""
        self.used = False
        """The client has sent something since this was set back."""

    def judge(self, message: Mapping[str, Any]) -> tuple[int, str] | None:
        """Return the code to close with, and why, for a message that is one too many or too big."""
        now = time.monotonic()
        # A token bucket: a second's worth at once, and the rate on average.
        rate = self._rate
        allowance = min(rate, self._allowance + (now - self._counted) * rate)
        self._counted = self.last = now
        self.used = True
        self._allowance = allowance - 1
        if allowance < 1:
            return POLICY, "websocket.messages-per-second"
        text = message.get("text")
        if text is None:
            size = len(message.get("bytes") or b"")
        elif len(text) * _LETTER <= self._largest:
            return None
        else:
            size = len(text.encode("utf-8", "surrogatepass"))
        if size > self._largest:
            return TOO_BIG, f"{size} bytes: websocket.max-message"
        return None


def may_name(subprotocol: object) -> bool:
    """Tell whether an application may accept with that: a token, or None for none.

    The server puts it into a header, and its process ends where it cannot, with all that it serves.
    """
    return subprotocol is None or (isinstance(subprotocol, str) and is_token(subprotocol))


class SocketClosed(OSError):
    """Says to an application that the WebSocket it speaks into is closed."""


def raised_by(app: Future[None]) -> BaseException | None:
    """Return what an application that serves a WebSocket has raised, None of one that goes on."""
    return app.exception() if app.done() and not app.cancelled() else None


def late(app: Future[None], known: BaseException | None) -> BaseException | None:
    """Return what it has raised beside what is `known`, when there was more to say than that."""
    error = raised_by(app)
    return error if error and error is not known and not says_closed(error) else None


def says_closed(error: BaseException) -> bool:
    """Tell whether something raised says no more than that the WebSocket is closed."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(says_closed, error.exceptions))
    # So frameworks call it, the second who has been told and goes on.
    names = {"WebSocketDisconnect", "WebSocketDisconnected"}
    return isinstance(error, SocketClosed) or type(error).__name__ in names
