# Owned by the template: extend, do not edit.
"""FastAPI and the boundary: our face for what FastAPI answers by itself, also in mounted parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from decimal import Decimal
from inspect import isawaitable, iscoroutinefunction, signature
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.encoders import ENCODERS_BY_TYPE, decimal_encoder
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError, ValidationException
from fastapi.routing import iter_route_contexts
from pydantic_core import SchemaSerializer, core_schema
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import RedirectResponse
from starlette.routing import Match

from ..config import Settings
from ..security import responses
from ..security.accounts import Accounts
from ..security.boundary import Boundary
from ..security.errors import Problem, allow_header
from ..security.events import note
from ..security.sessions import Session
from ..security.stores import StoreError
from ..security.validation import invalid_fields
from . import openapi, templates
from .asgi import App, BoundaryMiddleware, finds_ours, view_begins
from .asgi_io import Message, Receive, Scope, Send
from .authorship import author_wrote
from .compose import KEY, Exchange, compose
from .inventory import layers

ENVIRONMENT = templates.environment()
"""Renders the pages and the application's own error page."""
_SESSIONS = "starlette.middleware.sessions.SessionMiddleware"
_ERROR, _UNPROCESSABLE, _WRONG_METHOD = 400, 422, 405
_STOCK = frozenset(
    {
        (413, b"Content Too Large"),
        (400, b"Malformed range header."),
        (400, b"Only support bytes range"),
        (400, b"Range header: range must be requested"),
        (400, b"Range header: start must be less than end"),
    }
)
"""What `max_body_size` and `FileResponse` answer, which no handler of errors sees."""
_KNOWN = (HTTPException, WebSocketException, ValidationException, Problem, StoreError)
"""Exceptions that are an answer, or that the boundary logs."""
_DIGITS = 4300
"""Python writes down no longer integer."""


class _Session(Session):
    """Starlette's is a dictionary, which a view may return whatever it says that it returns."""

    __pydantic_serializer__ = SchemaSerializer(
        core_schema.any_schema(serialization=core_schema.plain_serializer_function_ser_schema(dict))
    )


def install(
    app: FastAPI,
    settings: Settings,
    accounts: Accounts,
    ready: Iterable[Callable[[], object]],
    clock: Callable[[], float],
) -> FastAPI:
    """Put the policy around the application; see `adapter.secure`."""
    boundary = compose(settings, accounts, ready=ready, debug=app.debug, clock=clock)
    app.title = boundary.policy.service.name
    app.description = boundary.policy.service.description
    app.state.boundary = boundary
    boundary.session_class = _Session
    boundary.stock = _STOCK
    _raise_limits(app, boundary)
    _Face(app, boundary).take_over(app)
    build = app.build_middleware_stack

    def build_middleware_stack() -> Any:
        # As late as possible, when all is mounted; outside of what the application adds.
        for part in _mounted(app):
            _Face(app, boundary).take_over(part)
            _leave_out_sessions(part)
            _remember_crashes(part)
            _close(part, boundary)
        _leave_out_sessions(app)
        _remember_crashes(app)
        _close(app, boundary)
        return BoundaryMiddleware(
            build(),
            boundary,
            _is_public,
            propagate=_is_test_client,
            finds_ours=finds_ours,
        )

    # Starlette calls it at the first request. A middleware would be inside those added later.
    setattr(app, "build_middleware_stack", build_middleware_stack)  # noqa: B010 - a method
    templates.use_error_page(
        boundary, lambda shared: ENVIRONMENT.get_template(templates.ERROR_PAGE).render(shared)
    )
    return app


def _raise_limits(app: FastAPI, boundary: Boundary) -> None:
    """Let a fact allow more fields or a longer text than FastAPI by itself; the boundary counts."""
    policy = boundary.policy
    fields = max([policy.input.max_form_fields, *(fact.max_fields or 0 for fact in policy.routes)])
    size = max([policy.input.max_body, *(fact.max_body or 0 for fact in policy.routes)])
    limits: dict[str, Any] = {"max_fields": fields, "max_files": fields, "max_part_size": size}
    # Where it says nothing, FastAPI need not look at each request for what it says.
    known = signature(Request.form).parameters
    raised = {name: most for name, most in limits.items() if most > known[name].default}
    setattr(app.router, "form_limits", {**raised, **app.router.form_limits})  # noqa: B010 - typed


def _is_test_client(scope: Scope) -> bool:
    """Tell whether Starlette's test client asks, which raises what a view raises.

    Of a WebSocket it says not even which ASGI it speaks, as each server does.
    """
    if scope["type"] == "websocket":
        return "asgi" not in scope
    return "http.response.debug" in scope.get("extensions", ())


def _is_public(scope: Scope) -> bool | None:
    """Tell whether the view that Starlette has found is public.

    A middleware may read the body before it has looked for one: False where that will be closed,
    else None, since whatever answers in its place is for nobody.
    """
    endpoint = scope.get("endpoint")
    app = application_in(endpoint or scope.get("app"))
    if app is None or _is_open(endpoint):
        return _is_open(endpoint)
    view = _view_at(app, scope)
    return None if view is None or _is_open(view) else False


def _view_at(app: Starlette, scope: Scope) -> object:
    """Return what answers an address, also in what is mounted there; None where nothing does."""
    for found in iter_route_contexts(app.routes):
        match, more = found.matches(scope)
        if match is Match.FULL:
            view: object = more.get("endpoint")
            part = application_in(view)
            return _view_at(part, {**scope, **more}) if part else view
    return None


def _is_open(endpoint: object) -> bool:
    return getattr(endpoint, "login_required", True) is False


def _leave_out_sessions(app: Starlette) -> None:
    """Keep the policy's session, which `request.session` is without a middleware (SES-12).

    Starlette's would put another one in its place, readable and alive after logout.
    """
    kept = [each for each in app.user_middleware if not _makes_sessions(each.cls)]
    if len(kept) < len(app.user_middleware):
        app.user_middleware = kept
        note("middleware_left_out", middleware=_SESSIONS, reason="request.session is the policy's")


def _makes_sessions(made: Any) -> bool:
    # By name: its module needs a package that is there for those who use it.
    bases = getattr(made, "__mro__", ())
    return any(f"{base.__module__}.{base.__qualname__}" == _SESSIONS for base in bases)


def _remember_crashes(app: Starlette) -> None:
    """Let the boundary log what a handler of one kind of exception answers with 500.

    Starlette does not say so: only what answers all of them is asked in its place.
    """

    def remembering(handler: Any) -> Any:
        async def call(request: Request, error: Exception) -> Any:
            request.scope[KEY].context.handled = error
            if iscoroutinefunction(handler):
                return await handler(request, error)
            answer = await run_in_threadpool(handler, request, error)
            # An object may be called as a coroutine function.
            return await answer if isawaitable(answer) else answer

        return call

    for kind, handler in app.exception_handlers.items():
        known = not isinstance(kind, type) or issubclass(kind, _KNOWN) or kind is Exception
        if not known:
            app.exception_handlers[kind] = remembering(handler)


def _close(app: Starlette, boundary: Boundary) -> None:
    """Ask for a login before a view, a mount or a raw application begins (RTE-2).

    Not by a dependency: that runs after the body is read, and not for what is mounted. What is
    added later is closed by the boundary before its answer leaves.
    """
    for found in iter_route_contexts(app.routes):
        # What handles a request is private in FastAPI; where it is called otherwise, see above.
        route = getattr(found, "_effective_route", None)
        inner = getattr(route, "app", None)
        if inner is not None and not (isinstance(inner, _Closed) or application_in(inner)):
            closed = _Closed(inner, boundary, public=_is_open(found.endpoint or inner))
            setattr(route, "app", closed)  # noqa: B010 - of several kinds of routes


class _Closed:
    """A route whose access is decided before it begins."""

    def __init__(self, app: App, boundary: Boundary, *, public: bool) -> None:
        self._app = app
        self._boundary = boundary
        self._public = public

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] in {"http", "websocket"}:
            self._boundary.allow(scope[KEY].context, public=self._public)
            view_begins(scope)
        return self._app(scope, receive, send)


class _SlashAdded:
    """Leads on to an address that lacks but its slash; the other way each page has one address."""

    def __init__(self, app: Starlette, boundary: Boundary, *, mounted: bool) -> None:
        self._mounted = mounted
        self._adds = app.router.redirect_slashes
        self._nothing = app.router.default
        self._routes = app.router.routes
        self._boundary = boundary

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._nothing
        if self._adds and scope["type"] == "http" and not scope["path"].endswith("/"):
            longer = {**scope, "path": f"{scope['path']}/"}
            if any(route.matches(longer)[0] is not Match.NONE for route in self._routes):
                # As with Flask and Django: a slash too few is no secret.
                self._boundary.allow(scope[KEY].context, public=True)
                answer = RedirectResponse(str(URL(scope=longer)))
        if scope["type"] == "http" and not self._mounted:
            self._boundary.find_absent(scope[KEY].context)
        await answer(scope, receive, send)


def _mounted(app: Starlette) -> Iterator[Starlette]:
    """Return the applications of this kind that are mounted, however deep."""
    for found in iter_route_contexts(app.routes):
        if part := application_in(getattr(found.original_route, "app", None)):
            yield part
            yield from _mounted(part)


def application_in(app: object) -> Starlette | None:
    """Return the application of this kind that a mount leads to, whatever is around it."""
    return next((layer for layer in layers(app) if isinstance(layer, Starlette)), None)


def _documented(app: App) -> App:
    """Let a page of FastAPI's about the API load what it is made of."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *openapi.PAGE_HEADERS]}
            await send(message)

        await app(scope, receive, opened)

    return call


def _name_problems(app: FastAPI) -> None:
    """Say in the schema what errors look like, as FastAPI's "Extending OpenAPI" has it."""
    own = app.openapi
    setattr(app, "openapi", lambda: openapi.describe(own()))  # noqa: B010 - a method


class _Face:
    """Our error pages and problem documents in the place of the framework's."""

    def __init__(self, main: FastAPI, boundary: Boundary) -> None:
        self._main = main
        self._boundary = boundary

    def take_over(self, app: Starlette) -> None:
        """Register what answers the framework's own errors, unless the application has its own."""
        app.router.default = _SlashAdded(app, self._boundary, mounted=app is not self._main)
        app.router.redirect_slashes = False
        if isinstance(app, FastAPI):
            self._limit_documentation(app)
            _name_problems(app)
        default = {HTTPException, RequestValidationError}
        untouched = FastAPI().exception_handlers
        for kind, handler in (
            (Problem, self._problem),
            (StoreError, self._store_error),
            (HTTPException, self._http_exception),
            (RequestValidationError, self._invalid),
        ):
            own = app.exception_handlers.get(kind)
            if own is None or (kind in default and own is untouched.get(kind)):
                app.add_exception_handler(kind, handler)
        app.debug = not self._boundary.production

    def _limit_documentation(self, app: FastAPI) -> None:
        """Keep schema and documentation pages to development (FPR-4)."""
        paths = {app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url}
        kept = []
        for route in app.router.routes:
            if getattr(route, "path", None) not in paths:
                kept.append(route)
            elif not self._boundary.production:
                route.endpoint.login_required = False  # type: ignore[attr-defined] # it has one
                setattr(route, "app", _documented(route.app))  # type: ignore[attr-defined]  # noqa: B010 - as above
                kept.append(route)
        app.router.routes[:] = kept

    def _answer(self, request: Request, problem: Problem) -> Response:
        exchange: Exchange = request.scope[KEY]
        if request.app is not self._main and not exchange.context.access_decided:
            # What is not there in a closed part is not told either.
            try:
                self._boundary.allow(exchange.context, public=bool(_is_public(request.scope)))
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

    async def _invalid(self, request: Request, error: Exception) -> Response:
        errors = error.errors() if isinstance(error, RequestValidationError) else []
        return self._answer(request, Problem(_UNPROCESSABLE, fields=invalid_fields(errors)))

    async def _http_exception(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        detail: object = error.detail
        if not isinstance(detail, str) or error.status_code < _ERROR:
            # A document that the author gave, or a redirect, leaves as FastAPI writes it.
            return await http_exception_handler(request, error)
        headers = [(name.lower(), value) for name, value in (error.headers or {}).items()]
        if error.status_code == _WRONG_METHOD:
            methods = self._methods(request)
            if not methods or request.method in methods:
                # A class of handlers, a view, or what is mounted says by itself what it takes.
                methods = dict(headers).get("allow", ",".join(methods)).split(",")
            headers = [("allow", allow_header(methods))]
        words = detail if author_wrote(error, detail, "starlette", "fastapi") else ""
        return self._answer(request, Problem(error.status_code, detail=words, headers=headers))

    def _methods(self, request: Request) -> list[str]:
        """Return the methods of all routes with this path; Starlette names those of the first."""
        return [
            method
            for method in self._boundary.policy.input.methods
            if any(
                route.matches({**request.scope, "method": method})[0] is Match.FULL
                for route in request.app.routes
            )
        ]


def _starlette(response: responses.Response) -> Response:
    made = Response(response.body, response.status)
    made.raw_headers = response.headers
    return made


def _number(value: Decimal) -> int | float | str:
    """Return what stands for a number in JSON.

    FastAPI makes an integer of all that has no places, and of 1e999999 for half a minute, in which
    the worker answers nobody, to find that it cannot be written down.
    """
    return decimal_encoder(value) if value.adjusted() < _DIGITS else str(value)


if ENCODERS_BY_TYPE[Decimal] is decimal_encoder:
    ENCODERS_BY_TYPE[Decimal] = _number
