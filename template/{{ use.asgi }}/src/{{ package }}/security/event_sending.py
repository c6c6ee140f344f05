# Owned by the template: extend, do not edit.
"""Sends an answer as long as its headers say (BND-4), a stream while its session lives (SES-10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .context import RequestContext
from .event_streams import EventStream

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Ask = Callable[[Callable[[], bool]], Awaitable[bool]]
"""Calls what may have to wait for the store."""


class StreamEnded(OSError):
    """Says to an application that nobody is there any more, as a server says it."""


def following(
    context: RequestContext, first: MutableMapping[str, Any], send: Send, ask: Ask
) -> Send:
    """Return what sends the pieces after the first of a body.

    Raises `ValueError` for a first one that its headers do not say: before they are sent, so that
    our page stands in its place.
    """
    _count(context, first)
    if context.events:
        return while_it_lives(context.events, send, ask)
    if context.length is None or not first.get("more_body", False):
        return send

    def call(message: MutableMapping[str, Any]) -> Awaitable[None]:
        _count(context, message)
        return send(message)

    return call


def _count(context: RequestContext, message: MutableMapping[str, Any]) -> None:
    if message["type"] == "http.response.body":
        context.count(len(message.get("body", b"")), more=message.get("more_body", False))


def while_it_lives(events: EventStream, send: Send, ask: Ask) -> Send:
    """Return what sends as `send` does, and once the session has ended, ends the stream."""

    async def call(message: MutableMapping[str, Any]) -> None:
        if not events.ended and events.is_due and not await ask(events.goes_on):
            await send({"type": "http.response.body", "body": b""})
        if events.ended:
            raise StreamEnded("the session of a stream of events has ended")
        await send(message)

    return call
