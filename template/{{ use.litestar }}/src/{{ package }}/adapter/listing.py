# Owned by the template: extend, do not edit.
"""The routes of a Litestar application, mounted ones too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from litestar import Litestar
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.routes import ASGIRoute, BaseRoute, WebSocketRoute

from .inventory import REST, Endpoint, beside, methods_of, name_of, path_of
from .litestar import handlers_of, mounted_in
from .requests import PUBLIC


def endpoints(build: Callable[[], Any]) -> list[Endpoint]:
    """Return the routes of what `build` makes, and what may answer beside them."""
    app = build()
    called = [getattr(each, "middleware", each) for each in app.middleware]
    called += [app.exception_handlers.get(kind) for kind in (404, NotFoundException, HTTPException)]
    return [*_walk(app, ""), *beside(filter(None, called), "litestar.")]


def _walk(app: Litestar, prefix: str) -> Iterator[Endpoint]:
    for route in app.routes:
        path = prefix + path_of(route.path_format)
        if mounted := mounted_in(route):
            yield from _walk(mounted, path.rstrip("/"))
            continue
        for handler in handlers_of(route):
            yield from _endpoint(route, handler, path)


def _endpoint(route: BaseRoute, handler: BaseRouteHandler, path: str) -> Iterator[Endpoint]:
    methods = methods_of(getattr(handler, "http_methods", ()))
    if isinstance(route, ASGIRoute) and getattr(handler, "is_mount", False):
        path = path.rstrip("/") + REST
    named = PUBLIC in handler.opt
    asks = "user" in handler.parsed_fn_signature.parameters
    yield Endpoint(
        path,
        methods,
        bool(handler.opt.get(PUBLIC)),
        "view" if named else "dependency" if asks else "default",
        name_of(handler.fn),
        isinstance(route, WebSocketRoute),
    )
