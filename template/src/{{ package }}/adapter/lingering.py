# Owned by the template: extend, do not edit.
"""What follows a response that was sent before its request had arrived.

Closing a connection on which the client still sends resets it: the response is lost, and a proxy
that was still passing the body on answers 502 in its place (RFC 9112 section 9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from ..security.context import RequestHead

_PAUSE = 1
"""Seconds to wait for the next piece: who stalls is not waited for."""


def has_body(head: RequestHead) -> bool:
    """Tell whether a body was announced."""
    return bool(head.header("content-length") or head.header("transfer-encoding"))


async def linger(receive: Callable[[], Awaitable[MutableMapping[str, Any]]], seconds: int) -> None:
    """Read what is left of a body, `seconds` at most, and drop it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            more = True
            while more:
                async with asyncio.timeout(_PAUSE):
                    message = await receive()
                more = message["type"] == "http.request" and message.get("more_body", False)
