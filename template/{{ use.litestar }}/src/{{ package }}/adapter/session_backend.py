# Owned by the template: extend, do not edit.
"""Litestar's ways to sessions lead to the policy's, which is there without them (SES-12).

Litestar's own would go on beside it: ids that a client may choose, alive after logout.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from litestar.config.app import AppConfig
from litestar.config.response_cache import ResponseCacheConfig, default_cache_key_builder
from litestar.handlers import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.middleware.session import SessionMiddleware
from litestar.middleware.session.base import BaseSessionBackend
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.plugins.flash import FlashPlugin
from litestar.security.session_auth.middleware import MiddlewareWrapper

from ..security.events import note
from .requests import AnyRequest, Connection, exchange


class PolicyBackend(BaseSessionBackend[Any]):
    """Hands over the session that the boundary has read and will store."""

    async def load_from_connection(self, connection: Connection) -> Any:
        """Return the policy's session."""
        return exchange(connection).context.session

    async def store_in_message(
        self, scope_session: object, message: object, connection: Connection
    ) -> None:
        """Leave it to the boundary."""

    def get_session_id(self, connection: Connection) -> str | None:
        """Return the cookie's value that came, None where none did; asked of every request."""
        return exchange(connection).context.session.cookie or None


@dataclass
class PolicySessions(ServerSideSessionConfig):
    """Stands where Litestar wants the configuration of sessions."""

    _backend_class = PolicyBackend  # type: ignore[assignment] # with another config


def offer_sessions(config: AppConfig) -> None:
    """Let a plugin that insists on a middleware for sessions find one."""
    if any(isinstance(plugin, FlashPlugin) for plugin in config.plugins):
        config.middleware.insert(0, PolicySessions().middleware)


def keep_by_session(config: ResponseCacheConfig | None) -> None:
    """Let the cache of responses hand nobody what was made for another session (HDR-4).

    A key that the application makes itself stays.
    """
    if config and config.key_builder is default_cache_key_builder:
        config.key_builder = _cache_key


def _cache_key(request: AnyRequest) -> str:
    key = default_cache_key_builder(request)
    cookie = exchange(request).context.session.cookie
    # By a hash, since the cache is no place for what logs somebody in.
    return f"{key} {hashlib.sha256(cookie.encode()).hexdigest()}" if cookie else key


def take_over_sessions(handler: BaseRouteHandler) -> None:
    """Put the policy's session into each middleware for sessions of a handler's layers."""
    for layer in handler.ownership_layers:
        for each in getattr(layer, "middleware", None) or ():
            if not isinstance(each, DefineMiddleware):
                continue
            if each.middleware is MiddlewareWrapper:
                each.kwargs["config"].session_backend_config = PolicySessions()
            elif isinstance(each.middleware, type) and issubclass(
                each.middleware, SessionMiddleware
            ):
                if isinstance(each.kwargs.get("backend"), PolicyBackend):
                    continue
                each.kwargs["backend"] = PolicyBackend(PolicySessions())
            else:
                continue
            note("session_backend_replaced", reason="request.session is the policy's session")
