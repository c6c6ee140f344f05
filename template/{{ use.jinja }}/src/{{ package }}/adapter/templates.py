# Owned by the template: extend, do not edit.
"""What every template of the application gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..security import errors
from ..security.boundary import Boundary
from .compose import APP, Exchange

FOLDER = APP / "templates"
ERROR_PAGE = "error.html"

JINJA_OPTIONS: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True}


def environment() -> Environment:
    """Return what renders the templates, for frameworks that bring nothing of their own."""
    loader = FileSystemLoader([FOLDER, *sorted(APP.glob("*/templates"))])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **JINJA_OPTIONS)


def variables(exchange: Exchange) -> dict[str, Any]:
    """Return the variables that base.html and its children use, besides the `navigation`."""
    boundary, context = exchange
    session = context.session
    user = {"name": session.user_name} if session.user else None
    return {
        "service": boundary.policy.service,
        "user": user,
        "csp_nonce": context.nonce,
        "static": boundary.static.url,
        "integrity": boundary.static.integrity,
        "csrf_field": "",
    }


def use_error_page(boundary: Boundary, render: Callable[[dict[str, Any]], str]) -> None:
    """Let `render` make the pages of errors, if the application has app/templates/error.html."""
    if (FOLDER / ERROR_PAGE).is_file():
        boundary.render_error = lambda context, problem: render(
            variables(Exchange(boundary, context)) | errors.variables(problem, context.request_id)
        )
