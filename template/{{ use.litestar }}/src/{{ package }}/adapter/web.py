# Owned by the template: extend, do not edit.
"""Litestar and the policy: what controllers use, and the translation of Litestar's own errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

import litestar
from litestar import Litestar, Response
from litestar.concurrency import get_asyncio_executor, set_asyncio_executor
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.plugins.pydantic import PydanticPlugin
from litestar.response import Template
from litestar.template import TemplateConfig
from litestar.types import ASGIApp, Receive, Scope, Send

from ..security.errors import Problem
from ..security.guard import Guard
from ..security.limits import invalid_fields
from ..security.stores import StoreError
from ..security.visit import Visit
from .asgi import App, Guarded
from .pages import context, environment

_THREADS = 40
"""For handlers, apart from the event loop's own few: logins that wait must not fill them all."""

AnyRequest = litestar.Request[Any, Any, Any]


def _visit(scope: Mapping[str, Any]) -> Visit:
    visit: Visit = scope["visit"]
    return visit


class Request(litestar.Request[str, Visit, State]):
    """A request, with what the policy knows of it."""

    @property
    def visit(self) -> Visit:
        """The request on its way through the policy."""
        return _visit(self.scope)

    @property
    def user(self) -> str:
        """Id of the signed-in user; without one, raises `Problem` 401."""
        return self.visit.user()

    @property
    def content_length(self) -> int | None:
        """Bytes announced; the policy has refused what is no number, and empty means none."""
        announced = self.headers.get("content-length")
        return int(announced) if announced else None

    async def json(self) -> Any:
        """Parse the body as the policy did when it checked it, not with another parser."""
        return json.loads(await self.body())


async def login_required(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """Guard of what only signed-in users reach; others get `Problem` 401."""
    _visit(connection.scope).user()


def page(request: Request, name: str, status: int = 200, **variables: Any) -> Template:
    """Render a template; an error status stays as it is."""
    request.visit.final = True
    return Template(name, context={**context(request.visit), **variables}, status_code=status)


def redirect(request: Request, target: str, *, default: str = "") -> Response[bytes]:
    """Send the client to `target` if the policy allows it: see `Visit.redirect`."""
    request.visit.redirect(target, default=default)
    return Response(b"", status_code=303)


class PolicyPlugin(PydanticPlugin):
    """Sets up what the policy needs of Litestar; a model's own strictness is kept."""

    def __init__(self) -> None:
        # The default is False, which overrides a model that says that it is strict.
        super().__init__(validate_strict=True)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        config = super().on_app_init(app_config)
        # Also from the environment: LITESTAR_DEBUG shows the inside of the service to everybody.
        config.debug = config.pdb_on_exception = False
        config.logging_config = None
        config.request_class = Request
        engine = JinjaTemplateEngine.from_environment(environment())
        config.template_config = TemplateConfig(instance=engine)
        config.exception_handlers.update(
            {
                Problem: _fail,
                StoreError: _fail,
                ValidationException: _invalid,
                Exception: _other,
            }
        )
        return config


def protect(app: Litestar, guard: Guard) -> Guarded:
    """Put the policy around the application."""
    if get_asyncio_executor() is None:
        # Refused while a loop runs, as in an asynchronous test; then the loop's own threads serve.
        with suppress(RuntimeError):
            set_asyncio_executor(ThreadPoolExecutor(_THREADS))
    app.asgi_handler = _exact(app.asgi_handler)
    # Litestar writes down more narrowly what a scope is.
    return Guarded(cast(App, app), guard)


def _exact(app: ASGIApp) -> ASGIApp:
    """Keep Litestar from answering /login/ as /login: each page has one address."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/") and scope["path"] != "/":
            raise Problem(404)
        await app(scope, receive, send)

    return call


def _fail(request: AnyRequest, error: Exception) -> Response[bytes]:
    return Response(b"", status_code=_visit(request.scope).fail(error))


def _invalid(request: AnyRequest, error: ValidationException) -> Response[bytes]:
    errors = getattr(error.__cause__, "errors", [{"loc": (), "type": "missing"}])
    return _fail(request, Problem(422, fields=invalid_fields(errors)))


def _other(_: AnyRequest, error: Exception) -> Response[bytes]:
    """Leave what went wrong on our side to `Guarded`, which logs it and answers."""
    if not isinstance(error, HTTPException) or error.status_code >= 500:  # noqa: PLR2004 - RFC 9110
        raise error
    return Response(b"", status_code=error.status_code, headers=error.headers)
