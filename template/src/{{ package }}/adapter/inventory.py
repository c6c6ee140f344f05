# Owned by the template: extend, do not edit.
"""What the adapter of each framework tells of the routes of an application (RTE-3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

REST = "/*"
"""At the end of a path: whatever is below, of which nothing more is known."""
_PARAMETER = re.compile(r"<(?:([a-z_]+)(?:\([^)]*\))?:)?([^<>]+)>|\{([^{}:]+)(?::([a-z_]+))?\}")

_LAYERS = 32
"""The most middlewares around an application: more than anybody has, and the end of a circle."""

Said = Literal["view", "dependency", "default"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route of the application, as its framework knows it."""

    path: str
    """With `{name}` for one segment, `{name:path}` for several, and perhaps `REST` at the end."""
    methods: frozenset[str]
    """Upper-case; empty: any."""
    public: bool
    said: Said
    """Where it was said who may see it; a fact may say more."""
    handler: str
    """Module and name of what answers."""
    websocket: bool = False
    beside: bool = False
    """No route: it is asked at any address, before a route is or where there is none."""


def layers(app: Any) -> Iterator[Any]:
    """Yield an application, and what is inside of it: middlewares keep that as `app`."""
    for _ in range(_LAYERS):
        if app is None:
            return
        yield app
        app = getattr(app, "app", None)


def path_of(pattern: str) -> str:
    """Return a framework's way to write a path in the one of all: `<int:id>` is `{id}`."""

    def plain(found: re.Match[str]) -> str:
        kind, name = found[1] or found[4], found[2] or found[3]
        return f"{{{name}:path}}" if kind == "path" else f"{{{name}}}"

    return _PARAMETER.sub(plain, pattern)


def name_of(handler: Any) -> str:
    """Return module and name of a view."""
    handler = getattr(handler, "func", handler)
    made_of = getattr(handler, "view_class", None) or getattr(handler, "cls", None) or handler
    named = made_of if hasattr(made_of, "__qualname__") else type(made_of)
    return f"{named.__module__}:{named.__qualname__}"


def beside(handlers: Iterable[Any], *known: str) -> list[Endpoint]:
    """Return those that may answer beside the routes: what is not of these modules, or ours."""
    names = (f"{__name__.rpartition('.')[0]}.", *known)
    return [
        Endpoint(REST, frozenset(), False, "default", name, beside=True)
        for name in sorted({name_of(handler) for handler in handlers})
        if not name.startswith(names)
    ]


def methods_of(names: Iterable[str] | None) -> frozenset[str]:
    """Return the methods that a route answers by itself: with GET goes HEAD."""
    found = frozenset(names or ())
    return found - {"HEAD"} if "GET" in found else found
