# Owned by the template: extend, do not edit.
"""Starlette and the policy: what endpoints use, and the translation of Starlette's own errors."""

from __future__ import annotations

import json
from typing import Any

from anyio import from_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from ..security.errors import Problem
from ..security.guard import Guard
from ..security.stores import StoreError
from ..security.visit import Visit
from .asgi import Guarded
from .pages import context, environment

_environment = environment()


def visit_of(request: Request) -> Visit:
    """Return what the policy knows of the request."""
    visit: Visit = request.scope["visit"]
    return visit


def page(request: Request, name: str, status: int = 200, **variables: Any) -> Response:
    """Render a template; an error status stays as it is."""
    visit = visit_of(request)
    html = _environment.get_template(name).render({**context(visit), **variables})
    visit.final = True
    return Response(html, status, media_type="text/html")


def redirect(request: Request, target: str, *, default: str = "") -> Response:
    """Send the client to `target` if the policy allows it: see `Visit.redirect`."""
    visit_of(request).redirect(target, default=default)
    return Response(status_code=303)


def json_body(request: Request) -> Any:
    """Return the JSON of the body, None if it is empty; only in an endpoint that is not async."""
    return json.loads(from_thread.run(request.body) or b"null")


def protect(app: Starlette, guard: Guard) -> Guarded:
    """Put the policy around the application."""
    app.router.redirect_slashes = False
    app.add_exception_handler(Problem, _fail)
    app.add_exception_handler(StoreError, _fail)
    return Guarded(app, guard)


def _fail(request: Request, error: Exception) -> Response:
    return Response(status_code=visit_of(request).fail(error))
