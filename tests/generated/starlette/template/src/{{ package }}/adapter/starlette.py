# Owned by the template: extend, do not edit.
"""Starlette and the boundary: our face for what Starlette answers by itself, and closed routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from traceback import walk_tb
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from ..config import Settings
from ..security import responses
from ..security.accounts import Accounts
from ..security.boundary import Boundary
from ..security.errors import Problem, allow_header
from ..security.stores import StoreError
from . import templates
from .asgi import App, BoundaryMiddleware
from .asgi_io import Receive, Scope, Send
from .authorship import author_wrote
from .compose import KEY, Exchange, compose

ENVIRONMENT = templates.environment()
"""Renders the pages and the application's own error page."""
_WRONG_METHOD = 405


def install(
    app: Starlette,
    settings: Settings,
    accounts: Accounts,
    ready: Iterable[Callable[[], object]],
    clock: Callable[[], float],
) -> Starlette:
    """Put the policy around the application; see `adapter.secure`."""
    boundary = compose(settings, accounts, ready=ready, clock=clock)
    build = app.build_middleware_stack

    def build_middleware_stack() -> Any:
        # As late as possible, when all is mounted; outside of what the application adds.
        for part in (app, *_mounted(app.routes)):
            _Face(app, boundary).take_over(part)
        _close(app.routes, boundary)
        return BoundaryMiddleware(build(), boundary, _is_public)

    # Starlette calls it at the first request. A middleware would be inside those added later.
    setattr(app, "build_middleware_stack", build_middleware_stack)  # noqa: B010 - a method
    templates.use_error_page(
        boundary, lambda shared: ENVIRONMENT.get_template(templates.ERROR_PAGE).render(shared)
    )
    return app


def _is_public(scope: Scope) -> bool:
    return getattr(scope.get("endpoint"), "login_required", True) is False


def _mounted(routes: Iterable[BaseRoute]) -> Iterator[Starlette]:
    """Return the applications of this kind that are mounted, however deep."""
    for route in routes:
        part = getattr(route, "app", None)
        if isinstance(part, Starlette):
            yield part
        yield from _mounted(getattr(route, "routes", None) or ())


def _close(routes: Sequence[BaseRoute], boundary: Boundary) -> None:
    """Ask for a login before a view or a raw application begins (RTE-2).

    What is added later is closed by the boundary before its answer leaves.
    """
    for route in routes:
        inner = getattr(route, "app", None)
        if below := getattr(route, "routes", None):
            _close(below, boundary)
        elif inner is not None and not isinstance(inner, Starlette | _Closed):
            setattr(route, "app", _Closed(inner, boundary))  # noqa: B010 - of several kinds


class _Closed:
    """A route whose access is decided before it begins."""

    def __init__(self, app: App, boundary: Boundary) -> None:
        self._app = app
        self._boundary = boundary

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            self._boundary.allow(scope[KEY].context, public=_is_public(scope))
        await self._app(scope, receive, send)


class _Face:
    """Our error pages and problem documents in the place of the framework's."""

    def __init__(self, main: Starlette, boundary: Boundary) -> None:
        self._main = main
        self._boundary = boundary

    def take_over(self, app: Starlette) -> None:
        """Register what answers the framework's own errors, unless the application has its own."""
        app.router.redirect_slashes = False
        app.debug = not self._boundary.production
        for kind, handler in (
            (Problem, self._problem),
            (StoreError, self._store_error),
            (HTTPException, self._http_exception),
            (json.JSONDecodeError, self._json_error),
        ):
            app.exception_handlers.setdefault(kind, handler)

    def _answer(self, request: Request, problem: Problem) -> Response:
        exchange: Exchange = request.scope[KEY]
        if request.app is not self._main and not exchange.context.access_decided:
            # What is not there in a closed part is not told either.
            try:
                self._boundary.allow(exchange.context, public=_is_public(request.scope))
            except Problem as closed:
                problem = closed
        return _starlette(self._boundary.error_response(exchange.context, problem))

    async def _problem(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, Problem):
            raise error
        return self._answer(request, error)

    async def _store_error(self, request: Request, error: Exception) -> Response:
        exchange: Exchange = request.scope[KEY]
        return _starlette(self._boundary.crash(exchange.context, error))

    async def _json_error(self, request: Request, error: Exception) -> Response:
        # Of the request's own body: what else is not JSON is a fault of the service.
        codes = [frame.f_code for frame, _ in walk_tb(error.__traceback__)]
        if Request.json.__code__ not in codes:
            raise error
        return self._answer(request, Problem(400, reason="the body is not JSON"))

    async def _http_exception(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        headers = [(name.lower(), value) for name, value in (error.headers or {}).items()]
        if error.status_code == _WRONG_METHOD:
            headers = [("allow", allow_header(_methods(request, dict(headers))))]
        words = error.detail if author_wrote(error, error.detail, "starlette") else ""
        return self._answer(request, Problem(error.status_code, detail=words, headers=headers))


def _methods(request: Request, headers: dict[str, str]) -> list[str]:
    """Return the methods of all routes with this path; Starlette names those of the first."""
    named = [each for each in headers.get("allow", "").split(",") if each]
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            named += route.methods or ()
    return named


def _starlette(response: responses.Response) -> Response:
    made = Response(response.body, response.status)
    made.raw_headers = response.headers
    return made
