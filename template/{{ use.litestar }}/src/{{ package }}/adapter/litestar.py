# Owned by the template: extend, do not edit.
"""Litestar and the boundary: our face for what Litestar answers by itself, mounted or not."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Any, cast

import jinja2
import litestar
import msgspec
from litestar import Litestar, Response, Router
from litestar._parsers import parse_url_encoded_form_data
from litestar.app import DEFAULT_OPENAPI_CONFIG
from litestar.concurrency import get_asyncio_executor, set_asyncio_executor
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.exceptions.responses import create_debug_response, create_exception_response
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.plugins.pydantic import PydanticInitPlugin, PydanticPlugin
from litestar.routes import ASGIRoute, BaseRoute
from litestar.serialization import default_serializer
from litestar.template import TemplateConfig
from litestar.types import Empty

from ..config import Settings
from ..security import events, responses
from ..security.accounts import Accounts
from ..security.auth import Auth, User
from ..security.body import FORM, MULTIPART
from ..security.errors import Problem, allow_header
from ..security.stores import StoreError
from ..security.validation import invalid_fields
from . import templates
from .asgi import App, BoundaryMiddleware, Message, Receive, Scope, Send
from .authorship import author_wrote, raised_in
from .compose import KEY, Exchange, compose

ENVIRONMENT = templates.environment()
"""Renders the pages and the application's own error page."""
_PACKAGE = "litestar"
_PUBLIC = "exclude_from_auth"
"""The key in a handler's `opt` by which Litestar's own authentication leaves it open."""
_LIMIT = 10_000_000
"""Bytes of a body that Litestar takes where nobody said anything else."""
_THREADS = 40
"""For handlers, apart from the event loop's own few: logins that wait must not fill them all."""
_UNPROCESSABLE, _WRONG_METHOD, _CRASH = 422, 405, 500

Connection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = litestar.Request[Any, Any, Any]


def exchange(connection: Connection) -> Exchange:
    """Return what the boundary knows of a request."""
    found: Exchange = _scope(connection)[KEY]
    return found


def _scope(connection: Connection) -> dict[str, Any]:
    # Litestar writes down more narrowly what a scope is.
    return cast("dict[str, Any]", connection.scope)


class SecurityPlugin(InitPlugin, ReceiveRoutePlugin):
    """Sets up what the policy needs of Litestar; `secure` puts the policy around it.

    The log is the policy's, too: `logging_config` does not count.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        *,
        ready: Iterable[Callable[[], object]] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the settings and the users for the login.

        `ready` is what `/readyz` calls, each raises while it is not ready; `clock` gives seconds.
        Raises `ConfigError` and `PolicyError`.
        """
        self.boundary = compose(settings, accounts, ready=ready, clock=clock)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Register the policy's side of everything, unless the application has its own."""
        config, policy = app_config, self.boundary.policy
        config.openapi_config = self._documentation(config.openapi_config)
        config.logging_config = None
        config.guards.insert(0, _login_required)
        config.after_exception.insert(0, _nothing_found)
        config.dependencies = {
            "auth": Provide(_auth, sync_to_thread=False),
            "user": Provide(_user, sync_to_thread=False),
            **config.dependencies,
        }
        _take_over(config.exception_handlers)
        config.request_class = config.request_class or Request
        config.template_config = config.template_config or TemplateConfig(
            instance=JinjaTemplateEngine.from_environment(ENVIRONMENT)
        )
        limits = [route.max_fields or 0 for route in policy.routes]
        limits += [config.multipart_form_part_limit, policy.input.max_form_fields]
        config.multipart_form_part_limit = max(limits)
        for plugin in config.plugins:
            if isinstance(plugin, PydanticPlugin | PydanticInitPlugin):
                # False, the default, overrides a model that says that it is strict.
                setattr(plugin, "validate_strict", plugin.validate_strict or None)  # noqa: B010
        return config

    def receive_route(self, route: BaseRoute) -> None:
        """Give an application that is mounted our face, too."""
        app = route.route_handler.fn if isinstance(route, ASGIRoute) else None
        if not isinstance(app, Litestar):
            return
        _take_over(app.exception_handlers)
        _set_debug(app, production=self.boundary.production)
        # It has set up a log of its own when it was made.
        log = logging.getLogger(_PACKAGE)
        log.handlers, log.propagate = [], True
        events.configure(production=self.boundary.production)
        if self.boundary.production and app.openapi_config:
            app.asgi_handler = cast("Any", _without_documentation(app, app.openapi_config))

    def _documentation(self, config: OpenAPIConfig | None) -> OpenAPIConfig | None:
        """Keep schema and documentation pages to development (FPR-4)."""
        if config is None or self.boundary.production:
            return None
        if config is DEFAULT_OPENAPI_CONFIG:
            service = self.boundary.policy.service
            # Litestar's pages would load scripts from elsewhere, which the policy forbids.
            pages = [JsonRenderPlugin()]
            config = OpenAPIConfig(
                service.name, "0.1.0", description=service.description, render_plugins=pages
            )
        if config.openapi_router or config.openapi_controller:
            return config
        config = copy(config)
        config.openapi_router = Router(
            config.path or "/schema",
            route_handlers=[],
            include_in_schema=False,
            dto=None,
            return_dto=None,
            opt={_PUBLIC: True},
        )
        return config


def install(app: Litestar) -> Litestar:
    """Put the policy around the application; see `adapter.secure`."""
    boundary = app.plugins.get(SecurityPlugin).boundary
    _set_debug(app, production=boundary.production)
    app.get_logger = logging.getLogger
    if app.request_max_body_size == _LIMIT:
        # A [[route]] says how much it takes.
        app.request_max_body_size = None
    if get_asyncio_executor() is None:
        # Refused while a loop runs, as in an asynchronous test; then the loop's own threads serve.
        with suppress(RuntimeError):
            set_asyncio_executor(ThreadPoolExecutor(_THREADS))
    if templates.has_error_page():

        def render_error(context: Any, problem: Problem) -> str:
            found = Exchange(boundary, context)
            shared = templates.variables(found) | templates.error_variables(found, problem)
            return ENVIRONMENT.get_template(templates.ERROR_PAGE).render(shared)

        boundary.render_error = render_error
    content_of = partial(_content_of, app)
    around = BoundaryMiddleware(_inside(app), boundary, _is_public, content_of=content_of)
    app.asgi_handler = cast("Any", around)
    return app


def _set_debug(app: Litestar, *, production: bool) -> None:
    """Let no switch show the inside of the service to everybody."""
    app.debug = not production
    app.pdb_on_exception = app.pdb_on_exception and not production


def _inside(app: Litestar) -> App:
    """Return what is inside of the boundary: the application with its hooks."""
    handler = cast("App", app.asgi_handler)
    # Litestar would call them with what the boundary has judged: what they add would escape it.
    hooks, app.before_send = app.before_send, []

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def hooked(message: Message) -> None:
            for hook in hooks:
                await hook(cast("Any", message), cast("Any", scope))
            await send(message)

        try:
            await handler(scope, receive, hooked if hooks else send)
        finally:
            # Litestar keeps the last 1,024 forms, with passwords and as large as bodies may be.
            parse_url_encoded_form_data.cache_clear()

    return call


def _without_documentation(app: Litestar, config: OpenAPIConfig) -> App:
    """Return a mounted application without its schema and documentation pages (FPR-4)."""
    handler = cast("App", app.asgi_handler)
    own = config.openapi_router or config.openapi_controller
    prefix = own.path if own else config.path or "/schema"

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if f"{scope['path']}/".startswith(f"{prefix}/"):
            raise Problem(404)
        await handler(scope, receive, send)

    return call


# Requests ---------------------------------------------------------------------------------------


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


def _content_of(app: Litestar, session: Any) -> dict[str, Any] | None:
    """Return the content of what `set_session` was given: a dictionary or a model of any kind."""
    if session is None or session is Empty:
        return None
    serialize = partial(default_serializer, type_encoders=app.type_encoders)
    content: dict[str, Any] = msgspec.to_builtins(session, enc_hook=serialize)
    return content


# Access -----------------------------------------------------------------------------------------


def _is_public(scope: Scope) -> bool:
    handler = scope.get("route_handler")
    return handler is not None and bool(handler.opt.get(_PUBLIC))


async def _login_required(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard of everything: before the body is read, and of mounts, too."""
    found = exchange(connection)
    boundary, context = found
    if _ends_with_slash(context.path) and not _is_folder(handler):
        raise Problem(404)
    if not context.access_decided:
        boundary.allow(context, public=bool(handler.opt.get(_PUBLIC)))
    if context.session.accessed and context.known_user:
        scope = _scope(connection)
        scope.setdefault("user", found.auth.user)
        scope.setdefault("auth", found.auth)


async def _nothing_found(_: Exception, scope: Any) -> None:
    """Let everybody see the application's own page for what no handler answers."""
    if "route_handler" not in scope:
        boundary, context = scope[KEY]
        boundary.allow(context, public=True)


def _ends_with_slash(path: str) -> bool:
    """Litestar would answer /login/ as /login; but each page has one address."""
    return path.endswith("/") and path != "/"


def _is_folder(handler: BaseRouteHandler) -> bool:
    """Tell whether a handler stands for all that is below it."""
    return (
        isinstance(handler, ASGIRouteHandler)
        or any(path.endswith(":path}") for path in handler.paths)
        or str(handler.fn.__module__).startswith("litestar.static_files")
    )


def _auth(request: AnyRequest) -> Auth:
    return exchange(request).auth


def _user(request: AnyRequest) -> User:
    return exchange(request).auth.require_user()


# Errors -----------------------------------------------------------------------------------------


def _take_over(handlers: Any) -> None:
    """Register what answers the framework's own errors, unless the application has its own."""
    handlers.setdefault(Problem, _problem)
    handlers.setdefault(StoreError, _crash)
    # One for all others: what a controller registers for any of them is found before it.
    handlers.setdefault(Exception, _error)


def _answer(request: AnyRequest, problem: Problem) -> Response[bytes]:
    boundary, context = exchange(request)
    return _response(boundary.error_response(context, problem))


def _problem(request: AnyRequest, error: Problem) -> Response[bytes]:
    return _answer(request, error)


def _error(request: AnyRequest, error: Exception) -> Response[Any]:
    if not isinstance(error, HTTPException):
        return _crash(request, error)
    if raised_in(error, _PACKAGE):
        return _framework_error(request, error)
    if error.extra is not None or not isinstance(error.detail, str):
        # A document that the author gave leaves as Litestar writes it.
        return create_exception_response(request, error)
    detail = error.detail if author_wrote(error, error.detail, _PACKAGE) else ""
    return _answer(request, Problem(error.status_code, detail=detail, headers=_headers(error)))


def _framework_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if isinstance(error, ValidationException):
        return _answer(request, Problem(_UNPROCESSABLE, fields=_invalid_fields(error)))
    if error.status_code >= _CRASH:
        return _crash(request, error)
    headers = _headers(error)
    if error.status_code == _WRONG_METHOD:
        if _ends_with_slash(exchange(request).context.path):
            return _answer(request, Problem(404))
        headers = [("allow", allow_header(dict(headers).get("allow", "").split(",")))]
    return _answer(request, Problem(error.status_code, headers=headers))


def _headers(error: HTTPException) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in (error.headers or {}).items()]


def _invalid_fields(error: ValidationException) -> list[str]:
    """Return the names of the fields, whoever validated them: pydantic or Litestar."""
    cause = error.__cause__
    if isinstance(cause, KeyError):
        return [str(cause.args[0])]
    if errors := getattr(cause, "errors", None):
        return invalid_fields(errors)
    messages: Any = error.extra or [{}]
    names = {str(each.get("key", "data")) for each in messages}
    return sorted("body" if name == "data" else name for name in names)


def _crash(request: AnyRequest, error: Exception) -> Response[Any]:
    boundary, context = exchange(request)
    response = boundary.crash(context, error)
    handler = _scope(request).get("route_handler")
    layers = handler.resolve_exception_handlers() if handler else request.app.exception_handlers
    if response.status == _CRASH and (own := layers.get(_CRASH)):
        page: Response[Any] = own(request, error)
        return page
    if boundary.shows_debug_page(context, response):
        debug = create_debug_response(request, error).to_asgi_response(None, request)
        response = boundary.debug_page(debug.encode_headers(), debug.body)
    return _response(response)


def _response(made: responses.Response) -> Response[bytes]:
    headers = {name.decode(): value.decode("latin-1") for name, value in made.headers}
    return Response(made.body or b"", status_code=made.status, headers=headers)


# Templates --------------------------------------------------------------------------------------


class _Template(jinja2.Template):
    """Gives what answers a request the variables of base.html."""

    def new_context(
        self,
        vars: dict[str, Any] | None = None,  # noqa: A002 - Jinja's names
        shared: bool = False,
        locals: Any = None,  # noqa: A002
    ) -> jinja2.runtime.Context:
        given = vars or {}
        request = None if shared else given.get("request")
        if isinstance(request, litestar.Request):
            given = {**templates.variables(exchange(request)), **given}
        return super().new_context(given, shared, locals)


ENVIRONMENT.template_class = _Template
