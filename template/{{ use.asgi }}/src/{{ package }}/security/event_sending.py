# Owned by the template: extend, do not edit.
"""Sends a stream of events as long as its session lives (SES-10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .event_streams import EventStream

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Ask = Callable[[Callable[[], bool]], Awaitable[bool]]
"""Calls what may have to wait for the store."""


class StreamEnded(OSError):
    """Says to an application that nobody is there any more, as a server says it."""


def while_it_lives(events: EventStream, send: Send, ask: Ask) -> Send:
    """Return what sends as `send` does, and once the session has ended, ends the stream."""

    async def call(message: MutableMapping[str, Any]) -> None:
        if not events.ended and events.is_due and not await ask(events.goes_on):
            await send({"type": "http.response.body", "body": b""})
        if events.ended:
            raise StreamEnded("the session of a stream of events has ended")
        await send(message)

    return call
