# Owned by the template: extend, do not edit.
"""The addresses of Django's urlconf, with all that it includes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from ..config import PACKAGE
from .inventory import Endpoint, beside, methods_of, name_of, path_of
from .setup import set_up

_FALLBACKS = ("django.contrib.flatpages.", "django.contrib.redirects.")
"""Middlewares of Django that answer where there is no route."""
_PLAIN = "secure(get_wsgi_application(),"


def endpoints(build: Callable[[], Any]) -> list[Endpoint]:  # noqa: ARG001 - the urlconf is enough
    """Return the addresses of the application, and what may answer beside them.

    Its tables are left alone.
    """
    set_up()
    from django.conf import settings
    from django.urls import get_resolver
    from django.utils.module_loading import import_string

    resolver = get_resolver()
    names = [name for name in settings.MIDDLEWARE if name.startswith(_FALLBACKS)]
    names += [name for name in settings.MIDDLEWARE if not name.startswith("django.")]
    called = [import_string(name) for name in names]
    called.append(resolver.resolve_error_handler(404))
    main = import_module(f"{PACKAGE}.app.main")
    if _PLAIN not in inspect.getsource(main):
        # Somebody has put something around Django's application.
        called.append(main.create_app)
    return [*_walk(resolver.url_patterns, "/"), *beside(called, "django.views.")]


def _walk(patterns: list[Any], prefix: str) -> Iterator[Endpoint]:
    from django.contrib.admindocs.views import simplify_regex
    from django.urls.resolvers import RegexPattern

    from .access import allowed_methods, is_public

    for found in patterns:
        text = str(found.pattern)
        if isinstance(found.pattern, RegexPattern):
            text = simplify_regex(text).removeprefix("/")
        path = prefix + path_of(text)
        if hasattr(found, "url_patterns"):
            yield from _walk(found.url_patterns, path)
            continue
        view = found.callback
        public = is_public(view)
        yield Endpoint(
            path,
            methods_of(allowed_methods(view)),
            public,
            "view" if public else "default",
            name_of(view),
        )
