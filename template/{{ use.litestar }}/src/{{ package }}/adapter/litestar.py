# Owned by the template: extend, do not edit.
"""Litestar and the boundary: what the policy sets up, and who may see a handler."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Any, cast

import jinja2
import litestar
import structlog
from litestar import Litestar, Router
from litestar._asgi.asgi_router import ASGIRouter
from litestar._parsers import parse_url_encoded_form_data
from litestar.app import DEFAULT_OPENAPI_CONFIG
from litestar.concurrency import get_asyncio_executor, set_asyncio_executor
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException, LitestarException, WebSocketException
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler, HTTPRouteHandler
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.plugins.pydantic import PydanticInitPlugin, PydanticPlugin
from litestar.plugins.structlog import StructlogPlugin
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute
from litestar.template import TemplateConfig
from litestar.types import Scope as LitestarScope
from litestar.utils import normalize_path
from litestar.utils.sync import AsyncIteratorWrapper

from ..config import ConfigError, Settings
from ..security import events
from ..security.accounts import Accounts
from ..security.auth import Auth, User
from ..security.errors import Problem, title
from ..security.routes import at_or_below
from ..security.sessions import Session
from ..security.sockets import OF_HTTP
from . import openapi, templates
from .asgi import App, BoundaryMiddleware, finds_ours, view_begins
from .asgi_io import Message, Receive, Scope, Send
from .authorship import unreadable
from .compose import DEBUG_PROBLEM, KEY, Exchange, compose
from .errors import ends_with_slash, reason_of, status_of, take_over
from .inventory import layers
from .requests import (
    PUBLIC,
    Connection,
    Request,
    content_of,
    exchange,
    is_public,
    policy_request,
    scope_of,
)
from .secrets_in_log import keep_secrets
from .session_backend import keep_by_session, offer_sessions, take_over_sessions

ENVIRONMENT = templates.environment()
"""Renders the pages and the application's own error page."""
_LIMIT = 10_000_000
"""Bytes of a body that Litestar takes where nobody said anything else."""
_ERROR = "security.error"
"""In a scope: what ended a WebSocket."""
_THREADS = 40
"""For handlers, apart from the event loop's own few: logins that wait must not fill them all."""


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
        """Register the policy's side of everything, unless the application has its own.

        Raises `ConfigError` where debug mode is on in production.
        """
        config, policy = app_config, self.boundary.policy
        if self.boundary.production and (config.debug or config.pdb_on_exception):
            raise ConfigError(DEBUG_PROBLEM)
        config.openapi_config = self._documentation(config.openapi_config)
        config.logging_config = None
        config.guards.insert(0, _login_required)
        config.after_exception.insert(0, _nothing_found)
        config.dependencies = {
            "auth": Provide(_auth, sync_to_thread=False),
            "user": Provide(_user, sync_to_thread=False),
            **config.dependencies,
        }
        take_over(config.exception_handlers)
        offer_sessions(config)
        # As their documentation shows it, a handler may return it.
        config.type_encoders = {Session: dict, **(config.type_encoders or {})}
        config.template_config = config.template_config or TemplateConfig(
            instance=JinjaTemplateEngine.from_environment(ENVIRONMENT)
        )
        limits = [route.max_fields or 0 for route in policy.routes]
        limits += [config.multipart_form_part_limit, policy.input.max_form_fields]
        config.multipart_form_part_limit = max(limits)
        for plugin in config.plugins:
            if isinstance(plugin, PydanticPlugin | PydanticInitPlugin):
                # False, the default, overrides a model that says that it is strict.
                setattr(plugin, "validate_strict", plugin.validate_strict or None)  # noqa: B010 - typed
        # Litestar calls what is added meanwhile, too.
        config.plugins.append(_Last())
        return config

    def receive_route(self, route: BaseRoute) -> None:
        """Give an application that is mounted our face, too; sessions are the policy's."""
        for handler in handlers_of(route):
            take_over_sessions(handler)
            if self.boundary.production:
                keep_secrets(handler)
            _spare_guard(handler)
            if isinstance(handler, HTTPRouteHandler):
                _name_problems(route, handler)
        production = self.boundary.production
        if (app := mounted_in(route)) is None:
            if production and isinstance(route, ASGIRoute):
                _drop_documentation(route.route_handler.fn)
            return
        take_over(app.exception_handlers)
        app.after_exception.insert(0, _keep_error)
        keep_by_session(app.response_cache_config)
        _set_debug(app, production=production)
        _take_over_log(production=production)
        if production and app.openapi_config:
            app.asgi_handler = cast("Any", _without_documentation(app, app.openapi_config))
        # For handlers that it gets later; those of now have resolved theirs.
        app.guards = [_check_access, *app.guards]
        for inner in app.routes:
            for handler in handlers_of(inner):
                handler.resolve_guards().insert(0, _check_access)
            self.receive_route(inner)

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
            opt={PUBLIC: True},
            response_headers={
                name.decode(): value.decode() for name, value in openapi.PAGE_HEADERS
            },
        )
        return config


class _Last(InitPlugin):
    """Sets what plugins have set that come after the policy's."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Let requests be the policy's, whatever class of them was chosen."""
        chosen = app_config.request_class or Request
        app_config.request_class = policy_request(chosen)
        app_config.logging_config = None
        keep_by_session(app_config.response_cache_config)
        return app_config


def install(app: Litestar) -> Litestar:
    """Put the policy around the application; see `adapter.secure`."""
    boundary = app.plugins.get(SecurityPlugin).boundary
    _set_debug(app, production=boundary.production)
    app.get_logger = _loggers(app, production=boundary.production)
    app.logger = app.get_logger("litestar")
    if app.request_max_body_size == _LIMIT:
        # A [[route]] says how much it takes.
        app.request_max_body_size = None
    if get_asyncio_executor() is None:
        # Refused while a loop runs, as in an asynchronous test; then the loop's own threads serve.
        with suppress(RuntimeError):
            set_asyncio_executor(ThreadPoolExecutor(_THREADS))
    templates.use_error_page(
        boundary, lambda shared: ENVIRONMENT.get_template(templates.ERROR_PAGE).render(shared)
    )
    session_content = partial(content_of, app)
    around = BoundaryMiddleware(
        _inside(app), boundary, is_public, content_of=session_content, finds_ours=_finds_ours
    )
    app.asgi_handler = cast("Any", around)
    return app


def _loggers(app: Litestar, *, production: bool) -> Any:
    """Return what makes loggers, of the kind that the application has chosen."""
    if not any(isinstance(each, StructlogPlugin) for each in app.plugins):
        return logging.getLogger
    _take_over_log(production=production)
    return structlog.get_logger


def _take_over_log(*, production: bool) -> None:
    """Send to the policy's log what a plugin or another application has set up of its own."""
    log = logging.getLogger("litestar")
    log.handlers, log.propagate = [], True
    events.configure(production=production)


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
        if ends_with_slash(scope["path"]):
            _refuse_slash(app, scope)
        if scope["type"] == "websocket":
            send = _telling(scope, send)
        try:
            await handler(scope, receive, _hooked(hooks, scope, send) if hooks else send)
        except (LitestarException, ExceptionGroup) as error:
            broken = _unwrapped(error)
            raise broken from broken.__cause__
        finally:
            if scope[KEY].context.body:
                # Litestar keeps the last 1,024 forms, with passwords and as large as bodies may be.
                parse_url_encoded_form_data.cache_clear()

    return call


def _hooked(hooks: Sequence[Any], scope: Scope, send: Send) -> Send:
    async def call(message: Message) -> None:
        for hook in hooks:
            await hook(message, scope)
        await send(message)

    return call


def _telling(scope: Scope, send: Send) -> Send:
    """Say why a WebSocket ends: Litestar calls all that is raised a 500, and logs nothing."""

    def call(message: Message) -> Awaitable[None]:
        if message["type"] == "websocket.close" and (error := scope.get(_ERROR)) is not None:
            status = status_of(error)
            if status is None or unreadable(error):
                # Whose fault it is, is decided where it ends.
                raise error
            message = {**message, "code": OF_HTTP + status, "reason": reason_of(error)}
        return send(message)

    return call


def _refuse_slash(app: Litestar, scope: Scope) -> None:
    """Raise `Problem` 404 for an address that is one of ours but for a slash at its end."""
    try:
        path = normalize_path(scope["path"].removeprefix(scope.get("root_path", "")))
        _, handler, *_ = app.asgi_router.handle_routing(path=path, method=scope.get("method"))
    except HTTPException:
        # Litestar says so itself.
        return
    if not _is_folder(handler):
        # There is nothing, so nothing that would be closed.
        boundary, context = scope[KEY]
        boundary.allow(context, public=True)
        raise Problem(404)


def _unwrapped(error: Exception) -> Exception:
    """Return what broke off an answer: Litestar wraps it, once for each layer."""
    while True:
        if type(error) is LitestarException and isinstance(error.__cause__, Exception):
            error = error.__cause__
        elif isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        else:
            return error


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


def _drop_documentation(app: Any) -> None:
    """Take schema and documentation pages from an application of FastAPI's (FPR-4)."""
    names = ("openapi_url", "docs_url", "redoc_url", "swagger_ui_oauth2_redirect_url")
    for layer in layers(app):
        paths = {getattr(layer, name, None) for name in names} - {None}
        if paths:
            routes = layer.router.routes
            routes[:] = [each for each in routes if getattr(each, "path", None) not in paths]


def handlers_of(route: BaseRoute) -> Sequence[BaseRouteHandler]:
    """Return the handlers of a route."""
    if isinstance(route, HTTPRoute):
        return list(route.route_handlers)
    handler: BaseRouteHandler = route.route_handler  # type: ignore[attr-defined] # all others have one
    return [handler]


def _name_problems(route: BaseRoute, handler: HTTPRouteHandler) -> None:
    """Say in the schema what errors look like; what a handler says of its own stays."""
    body = "data" in handler.parsed_fn_signature.parameters
    own = {
        status: ResponseSpec(
            openapi.Problem,
            generate_examples=False,
            description=title(status),
            media_type=openapi.KIND,
        )
        for method in handler.http_methods
        for status in openapi.statuses(
            method,
            body=body,
            # Litestar says 400 of all of these.
            parameters=len(handler.parsed_fn_signature.parameters) > 0,
            place=bool(route.path_parameters),
        )
    }
    handler.responses = {**own, **(handler.responses or {})}


def mounted_in(route: BaseRoute) -> Litestar | None:
    """Return the application of this kind that a route mounts."""
    app = route.route_handler.fn if isinstance(route, ASGIRoute) else None
    return app if isinstance(app, Litestar) else None


def _spare_guard(handler: BaseRouteHandler) -> None:
    """Leave out the guard where everybody is let in: for each guard Litestar copies the handler.

    The boundary knows by `is_public` then. Not below a middleware, which may keep sessions of its
    own: the guard sees which session the handler finds.
    """
    if _is_spared(handler) and _login_required in (guards := handler.resolve_guards()):
        guards.remove(_login_required)


def _is_spared(handler: object) -> bool:
    return (
        isinstance(handler, HTTPRouteHandler)
        and bool(handler.opt.get(PUBLIC))
        and not handler.resolve_middleware()
    )


def _finds_ours(scope: Scope) -> bool:
    """Tell whether the handler has found our session where Litestar has the session."""
    return finds_ours(scope, default=_is_spared(scope.get("route_handler")))


async def _login_required(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard of everything: before the body is read, and of mounts, too."""
    await _check_access(connection, handler)


async def _check_access(connection: Connection, handler: BaseRouteHandler) -> None:
    """Ask for a login unless the handler says otherwise (RTE-2)."""
    found = exchange(connection)
    boundary, context = found
    if not isinstance(handler, ASGIRouteHandler):
        view_begins(scope_of(connection))
    if isinstance(handler.fn, Litestar) and not handler.opt.get(PUBLIC):
        # What is mounted has the same guard, and its handlers may say more.
        return
    if not context.access_decided:
        boundary.allow(context, public=bool(handler.opt.get(PUBLIC)))
    if context.session.accessed and context.known_user:
        scope = scope_of(connection)
        scope.setdefault("user", found.auth.user)
        scope.setdefault("auth", found.auth)


async def _keep_error(error: Exception, scope: Any) -> None:
    """Remember what ends a WebSocket, and what a handler of the application's may answer."""
    if scope["type"] != "websocket":
        scope[KEY].context.handled = error if status_of(error) is None else None
    elif not isinstance(error, WebSocketException):
        scope[_ERROR] = error


async def _nothing_found(error: Exception, scope: Any) -> None:
    """Let everybody see the application's own page for what no handler answers."""
    await _keep_error(error, scope)
    if "route_handler" not in scope:
        boundary, context = scope[KEY]
        boundary.allow(context, public=True)


def _is_folder(handler: BaseRouteHandler) -> bool:
    """Tell whether a handler stands for all that is below it."""
    return (
        isinstance(handler, ASGIRouteHandler)
        or any(path.endswith(":path}") for path in handler.paths)
        or str(handler.fn.__module__).startswith("litestar.static_files")
    )


def _auth(scope: LitestarScope) -> Auth:
    found: Exchange = cast("Scope", scope)[KEY]
    return found.auth


def _user(scope: LitestarScope) -> User:
    return _auth(scope).require_user()


class _Template(jinja2.Template):
    """Gives what answers a request the variables of base.html."""

    def new_context(
        self,
        vars: dict[str, Any] | None = None,  # noqa: A002 - Jinja's names
        shared: bool = False,
        locals: Any = None,  # noqa: A002 - as above
    ) -> jinja2.runtime.Context:
        given = vars or {}
        request = None if shared else given.get("request")
        if isinstance(request, litestar.Request):
            given = {**templates.variables(exchange(request)), **given}
        return super().new_context(given, shared, locals)


def _next_of(wrapper: AsyncIteratorWrapper[Any]) -> Any:
    """Return the next piece; by a `ValueError` Litestar says that there is none.

    One of the view's own would end the answer as if it were whole (BND-4).
    """
    try:
        return next(wrapper.iterator)
    except StopIteration as end:
        raise ValueError from end
    except ValueError as error:
        raise RuntimeError("what an answer is made of broke off") from error


def _construct(router: Any, construct: Any = ASGIRouter.construct_routing_trie) -> None:
    """Let a mount answer for what is below it: to Litestar alone, /adminx is below /admin."""
    construct(router)
    router._mount_paths_regex = at_or_below(router._mount_routes)


ENVIRONMENT.template_class = _Template
setattr(ASGIRouter, "construct_routing_trie", _construct)  # noqa: B010 - a method
setattr(AsyncIteratorWrapper, "_call_next", _next_of)  # noqa: B010 - it is generic
