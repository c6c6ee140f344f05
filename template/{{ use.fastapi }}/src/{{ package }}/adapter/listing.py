# Owned by the template: extend, do not edit.
"""The routes of a FastAPI application, mounted ones too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute

from .fastapi import application_in
from .inventory import REST, Endpoint, Said, beside, methods_of, name_of, path_of

_OWN = ("fastapi.", "starlette.")
_DOOR = __name__.rpartition(".")[0]


def endpoints(build: Callable[[], Any]) -> list[Endpoint]:
    """Return the routes of what `build` makes, and what may answer beside them."""
    app = build()
    # A function is given to a class of Starlette's.
    called = [each.kwargs.get("dispatch", each.cls) for each in app.user_middleware]
    called += [app.exception_handlers.get(kind) for kind in (404, HTTPException)]
    return [*_walk(app, ""), *beside(filter(None, called), *_OWN)]


def _walk(app: Starlette, prefix: str) -> Iterator[Endpoint]:
    for found in iter_route_contexts(app.routes):
        path = prefix + path_of(found.path or getattr(found.original_route, "path", "") or "")
        mounted = getattr(found.original_route, "app", None)
        endpoint = found.endpoint or mounted
        if part := application_in(mounted):
            yield from _walk(part, path)
            continue
        opaque = found.endpoint is None
        public, said = _access(endpoint, getattr(found.route, "dependant", None))
        yield Endpoint(
            path + (REST if opaque else ""),
            methods_of(found.methods),
            public,
            said,
            name_of(endpoint),
            isinstance(found.original_route, WebSocketRoute),
        )
    yield from _frontends(app, prefix)


def _frontends(app: Starlette, prefix: str) -> Iterator[Endpoint]:
    """Return what `frontend()` serves where no route answers; FastAPI keeps it to itself."""
    for found in getattr(app.router, "_iter_low_priority_routes", tuple)():
        group = getattr(found, "original_route", found)
        below = prefix + getattr(found, "frontend_prefix", "")
        for route in getattr(group, "routes", ()):
            path = (below + route.path).rstrip("/") + REST
            yield Endpoint(path, methods_of(route.methods), False, "default", name_of(route.app))


def _access(endpoint: object, dependant: Dependant | None) -> tuple[bool, Said]:
    flag = getattr(endpoint, "login_required", None)
    if flag is not None:
        return flag is False, "view"
    return False, "dependency" if dependant and _needs_user(dependant) else "default"


def _needs_user(dependant: Dependant) -> bool:
    call = dependant.call
    own = getattr(call, "__module__", "") == _DOOR and getattr(call, "__name__", "") == "_user"
    return own or any(_needs_user(each) for each in dependant.dependencies)
