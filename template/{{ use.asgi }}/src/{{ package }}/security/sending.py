# Owned by the template: extend, do not edit.
"""Sends a body as long as its headers say (BND-4), a stream of events while its session lives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .context import RequestContext
from .event_streams import EventStream

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
InThread = Callable[[Callable[[], bool]], Awaitable[bool]]
"""Calls what may have to wait for the store."""


def following(context: RequestContext, first: Message, send: Send, in_thread: InThread) -> Send:
    """Return what sends the pieces after the first of a body.

    Raises `ValueError` for a first one that its headers do not say: before they are sent, so that
    our page stands in its place.
    """
    _count(context, first)
    if context.events:
        return _while_it_lives(context.events, send, in_thread)
    if context.length is None or not first.get("more_body", False):
        return send

    def call(message: Message) -> Awaitable[None]:
        _count(context, message)
        return send(message)

    return call


def _count(context: RequestContext, message: Message) -> None:
    if message["type"] == "http.response.body":
        context.count(len(message.get("body", b"")), more=message.get("more_body", False))


def _while_it_lives(events: EventStream, send: Send, in_thread: InThread) -> Send:
    """Return what sends as `send` does, and ends the stream once its session has ended (SES-10)."""

    async def call(message: Message) -> None:
        if not events.ended and events.is_due and not await in_thread(events.goes_on):
            await send({"type": "http.response.body", "body": b""})
        if events.ended:
            # As servers say it to an application where nobody is there any more.
            raise OSError("the session of a stream of events has ended")
        await send(message)

    return call
