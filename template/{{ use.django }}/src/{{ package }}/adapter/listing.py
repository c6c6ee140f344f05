# Owned by the template: extend, do not edit.
"""The addresses of Django's urlconf, with all that it includes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from .inventory import Endpoint, methods_of, name_of, path_of

_PACKAGE = __name__.partition(".")[0]


def endpoints(build: Callable[[], Any]) -> list[Endpoint]:  # noqa: ARG001 - the urlconf is enough
    """Return the addresses of the application; its tables are left alone."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{_PACKAGE}.app.settings")
    import django

    django.setup()
    from django.urls import get_resolver

    return list(_walk(get_resolver().url_patterns, "/"))


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
