# Owned by the template: extend, do not edit.
"""What Litestar's middleware for the log keeps to itself in production (LOG-1)."""

from __future__ import annotations

from litestar.handlers import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.middleware.logging import LoggingMiddlewareConfig

from ..security.events import note

_FIELDS = frozenset({"body", "cookies"})
"""Where passwords, sessions and tokens are."""
_HEADERS = frozenset({"cookie", "set-cookie", "x-csrftoken"})


def keep_secrets(handler: BaseRouteHandler) -> None:
    """Take bodies and cookies from the lines of each middleware in a handler's layers."""
    for layer in handler.ownership_layers:
        for each in getattr(layer, "middleware", None) or ():
            config = each.kwargs.get("config") if isinstance(each, DefineMiddleware) else None
            if not isinstance(config, LoggingMiddlewareConfig):
                continue
            told = [*config.request_log_fields, *config.response_log_fields]
            hidden = config.request_headers_to_obfuscate
            if _FIELDS.isdisjoint(told) and _HEADERS.issubset(hidden):
                continue
            for name in ("request_log_fields", "response_log_fields"):
                kept = [field for field in getattr(config, name) if field not in _FIELDS]
                setattr(config, name, kept)
            config.request_headers_to_obfuscate |= _HEADERS
            config.response_headers_to_obfuscate |= _HEADERS
            note("log_shortened", reason="bodies and cookies, which hold passwords and sessions")
