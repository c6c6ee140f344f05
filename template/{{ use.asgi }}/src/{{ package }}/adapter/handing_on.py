# Owned by the template: extend, do not edit.
"""What Starlette's `BaseHTTPMiddleware` hands on must break off as it does (BND-4).

It is used around applications of other frameworks too: any ASGI application takes it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from copy import copy
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MODULE = "starlette.middleware.base"
_KEPT = "_handed_on"


def hand_on_what_breaks() -> None:
    """See to it where Starlette is in use: a middleware of its kind has imported it by now."""
    middleware = getattr(sys.modules.get(_MODULE), "BaseHTTPMiddleware", None)
    if middleware is not None and not hasattr(middleware, _KEPT):
        setattr(middleware, _KEPT, middleware.__call__)
        middleware.__call__ = _hand_on


async def _hand_on(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Call a middleware that must not end what breaks off as if it were whole.

    It hands on what comes, then an end, and raises only after it what the view has raised.
    """
    app, begun, broken = self.app, False, None

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal broken

        def started(message: Message) -> Awaitable[None]:
            nonlocal begun
            begun = True
            return send(message)

        try:
            await app(scope, receive, started)
        except Exception as error:
            broken = error if begun else None
            raise

    def judge(message: Message) -> Awaitable[None]:
        # Not of an answer of its own in the place of what broke off, which comes in one piece.
        if broken and not (message.get("body") or message.get("more_body", True)):
            raise broken
        return send(message)

    once = copy(self)
    once.app = inside
    await once._handed_on(scope, receive, judge)
