# Owned by the template: extend, do not edit.
"""Flask and the policy: what views use, and the translation of Flask's own errors."""

from __future__ import annotations

from typing import Any, cast

from flask import Flask, Response, make_response, render_template, request
from flask.sessions import SessionInterface, SessionMixin

from ..security.errors import Problem
from ..security.guard import Guard
from ..security.stores import StoreError
from ..security.visit import Visit
from .pages import JINJA_OPTIONS, context
from .wsgi import VISIT, Guarded


def current_visit() -> Visit:
    """Return the visit of the request being handled."""
    visit: Visit = request.environ[VISIT]
    return visit


def page(name: str, status: int = 200, **variables: Any) -> Response:
    """Render a template; an error status stays as it is."""
    html = render_template(name, **variables)
    current_visit().final = True
    return make_response(html, status)


def redirect(target: str, *, default: str = "") -> Response:
    """Send the client to `target` if the policy allows it: see `Visit.redirect`."""
    current_visit().redirect(target, default=default)
    return Response(status=303)


class _Sessions(SessionInterface):
    """Makes `flask.session` ours. It is stored when the response leaves, not by Flask."""

    def open_session(self, _app: Flask, request: Any) -> SessionMixin:
        return cast(SessionMixin, request.environ[VISIT].session)

    def save_session(self, *_: Any) -> None:
        pass


def protect(app: Flask, guard: Guard) -> Guarded:
    """Put the policy around the application."""
    # An unhandled exception goes up to `Guarded`, which logs it and answers.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.session_interface = _Sessions()
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.jinja_options = dict(JINJA_OPTIONS)
    app.context_processor(lambda: context(current_visit()))
    app.register_error_handler(Problem, _fail)
    app.register_error_handler(StoreError, _fail)
    return Guarded(app.wsgi_app, guard)


def _fail(error: Problem | StoreError) -> Response:
    return Response(status=current_visit().fail(error))
