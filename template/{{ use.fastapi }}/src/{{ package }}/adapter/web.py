# Owned by the template: extend, do not edit.
"""FastAPI and the policy: what views use, and the translation of FastAPI's own errors."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.templating import Jinja2Templates
from starlette.routing import Match

from ..security.errors import Problem, allow_header
from ..security.guard import Guard
from ..security.limits import invalid_fields
from ..security.stores import StoreError
from ..security.visit import Visit
from .asgi import Guarded
from .pages import context, environment

_templates = Jinja2Templates(env=environment())


def _visit(request: Request) -> Visit:
    visit: Visit = request.scope["visit"]
    return visit


CurrentVisit = Annotated[Visit, Depends(_visit)]


def page(visit: Visit, name: str, status: int = 200, **variables: Any) -> Response:
    """Render a template; an error status stays as it is."""
    html = _templates.get_template(name).render({**context(visit), **variables})
    visit.final = True
    return Response(html, status, media_type="text/html")


def redirect(visit: Visit, target: str, *, default: str = "") -> Response:
    """Send the client to `target` if the policy allows it: see `Visit.redirect`."""
    visit.redirect(target, default=default)
    return Response(status_code=303)


def protect(app: FastAPI, guard: Guard) -> Guarded:
    """Put the policy around the application."""
    app.router.redirect_slashes = False
    app.add_exception_handler(Problem, _fail)
    app.add_exception_handler(StoreError, _fail)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(405, _method_not_allowed)
    return Guarded(app, guard)


def _fail(request: Request, error: Exception) -> Response:
    return Response(status_code=_visit(request).fail(error))


def _invalid(request: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return _fail(request, Problem(422, fields=invalid_fields(errors)))


def _method_not_allowed(request: Request, _: Exception) -> Response:
    """Name the methods of all routes with this path; Starlette names those of the first."""
    visit: Visit = request.scope["visit"]
    methods = [
        method
        for method in visit.guard.policy.input.methods
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    return _fail(request, Problem(405, headers=[("allow", allow_header(methods))]))
