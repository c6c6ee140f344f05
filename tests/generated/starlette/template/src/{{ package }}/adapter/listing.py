# Owned by the template: extend, do not edit.
"""The routes of a Starlette application, mounted ones too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute

from .inventory import REST, Endpoint, methods_of, name_of, path_of


def endpoints(build: Callable[[], Any]) -> list[Endpoint]:
    """Return the routes of what `build` makes."""
    return list(_walk(build().routes, ""))


def _walk(routes: Iterable[BaseRoute], prefix: str) -> Iterator[Endpoint]:
    for route in routes:
        path = prefix + path_of(getattr(route, "path", ""))
        if below := getattr(route, "routes", None):
            yield from _walk(below, path)
            continue
        endpoint = getattr(route, "endpoint", None)
        view = endpoint or getattr(route, "app", route)
        flag = getattr(view, "login_required", None)
        yield Endpoint(
            path + ("" if endpoint else REST),
            methods_of(getattr(route, "methods", None)),
            flag is False,
            "default" if flag is None else "view",
            name_of(view),
            isinstance(route, WebSocketRoute),
        )
