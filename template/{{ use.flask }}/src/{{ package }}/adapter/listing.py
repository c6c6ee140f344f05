# Owned by the template: extend, do not edit.
"""The routes of a Flask application: blueprints, and what `DispatcherMiddleware` mounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask

from ..security.static import PREFIX
from .flask import login_flag
from .inventory import REST, Endpoint, beside, layers, methods_of, name_of, path_of

_OWN = ("flask.app:", "werkzeug.middleware.dispatcher:", "werkzeug.middleware.proxy_fix:")


def endpoints(build: Callable[[], Any]) -> list[Endpoint]:
    """Return the routes of what `build` makes, and what may answer beside them."""
    app = build()
    called = [*app.before_request_funcs.get(None, ()), *layers(app.wsgi_app)]
    called += [*app.error_handler_spec[None][404].values()]
    return [*_walk(app, ""), *beside(called, *_OWN)]


def _walk(app: Flask, prefix: str) -> Iterator[Endpoint]:
    for rule in app.url_map.iter_rules():
        path = prefix + path_of(rule.rule)
        if path.startswith(PREFIX):
            # The policy answers there.
            continue
        view = app.view_functions[rule.endpoint]
        flag = login_flag(view)
        yield Endpoint(
            path,
            methods_of(rule.methods),
            flag is False,
            "default" if flag is None else "view",
            name_of(view),
        )
    for layer in layers(app.wsgi_app):
        for place, part in getattr(layer, "mounts", {}).items():
            if isinstance(part, Flask):
                yield from _walk(part, prefix + place)
            else:
                yield Endpoint(prefix + place + REST, frozenset(), False, "default", name_of(part))
