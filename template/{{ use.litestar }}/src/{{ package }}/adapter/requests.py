# Owned by the template: extend, do not edit.
"""A request of Litestar, and what the boundary knows of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any, cast

import litestar
import msgspec
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.exceptions import SerializationException
from litestar.serialization import default_serializer
from litestar.types import Empty
from multipart import ParserError  # type: ignore[import-untyped] # it brings no types

from ..security.auth import Auth, User
from ..security.body import FORM, MULTIPART
from ..security.errors import Problem
from .compose import KEY, Exchange

PUBLIC = "exclude_from_auth"
"""The key in a handler's `opt` by which Litestar's own authentication leaves it open."""

Connection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = litestar.Request[Any, Any, Any]


def exchange(connection: Connection) -> Exchange:
    """Return what the boundary knows of a request."""
    found: Exchange = scope_of(connection)[KEY]
    return found


def scope_of(connection: Connection) -> dict[str, Any]:
    """Return a scope as what it is: Litestar writes that down more narrowly."""
    return cast("dict[str, Any]", connection.scope)


def is_public(scope: Mapping[str, Any]) -> bool:
    """Tell whether the handler that was found, if any, is for everybody."""
    handler = scope.get("route_handler")
    return handler is not None and bool(handler.opt.get(PUBLIC))


class Request(litestar.Request[User, Auth, Any]):
    """Parses JSON as the policy did when it checked it."""

    @property
    def content_length(self) -> int | None:
        """Bytes announced; the policy has refused what is no number, and empty means none."""
        announced = self.headers.get("content-length")
        return int(announced) if announced else None

    async def json(self) -> Any:
        """Parse the body; what says that it is a form is no JSON, whatever it contains."""
        if self.content_type[0] in {FORM, MULTIPART}:
            raise Problem(415, reason="a form where JSON is taken")
        try:
            return json.loads(await self.body() or b"null")
        except (ValueError, RecursionError) as error:
            raise SerializationException(str(error)) from error

    async def stream(self) -> AsyncGenerator[bytes]:
        """Hand the body on in pieces; a form that breaks off is one that is malformed.

        That is what Litestar closes the files of a form for. The boundary remembers the reason.
        """
        try:
            async for piece in super().stream():
                yield piece
        except Problem as problem:
            if self.content_type[0] == MULTIPART:
                raise ParserError(str(problem)) from problem
            raise


def policy_request(chosen: type[AnyRequest]) -> type[AnyRequest]:
    """Return a class of requests with what the policy's does where the chosen one says nothing."""
    if issubclass(chosen, Request):
        return chosen
    return type(chosen.__name__, (chosen, Request), {"__module__": chosen.__module__})


def content_of(app: Litestar, session: Any) -> dict[str, Any] | None:
    """Return the content of what `set_session` was given: a dictionary or a model of any kind."""
    if session is None or session is Empty:
        return None
    serialize = partial(default_serializer, type_encoders=app.type_encoders)
    content: dict[str, Any] = msgspec.to_builtins(session, enc_hook=serialize)
    return content
