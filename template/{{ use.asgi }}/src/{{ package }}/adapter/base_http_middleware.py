# Owned by the template: extend, do not edit.
"""Starlette's `BaseHTTPMiddleware` ends an answer that broke off as if it were whole (BND-4).

It is used around applications of other frameworks too: any ASGI application takes it.
"""

from __future__ import annotations

import sys
from copy import copy
from typing import Any


def patch_base_http_middleware() -> None:
    """Mend it where Starlette is in use: a middleware of its kind has imported it by now."""
    middleware = getattr(sys.modules.get("starlette.middleware.base"), "BaseHTTPMiddleware", None)
    if middleware is not None and not hasattr(middleware, "handed_on"):
        middleware.handed_on = middleware.__call__
        middleware.__call__ = _hand_on


async def _hand_on(self: Any, scope: Any, receive: Any, send: Any) -> None:
    """Call a middleware that must not end what breaks off as if it were whole.

    It hands on what comes, then an end, and raises only after it what the view has raised.
    """
    app, unfinished, broken = self.app, False, None

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        nonlocal broken

        def started(message: Any) -> Any:
            nonlocal unfinished
            unfinished = message["type"] != "http.response.body" or message.get("more_body", False)
            return send(message)

        try:
            await app(scope, receive, started)
        except Exception as error:
            broken = error if unfinished else None
            raise

    def judge(message: Any) -> Any:
        # Not of an answer of its own in the place of what broke off, which comes in one piece.
        if broken and not (message.get("body") or message.get("more_body", True)):
            raise broken
        return send(message)

    once = copy(self)
    once.app = inside
    await once.handed_on(scope, receive, judge)
