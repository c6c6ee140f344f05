# Owned by the template: extend, do not edit.
"""What every template of the application gets."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..security.errors import Problem, detail, title
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


def error_variables(exchange: Exchange, problem: Problem) -> dict[str, Any]:
    """Return what the application's own error.html gets besides."""
    return {
        "status": problem.status,
        "title": title(problem.status),
        "detail": detail(problem),
        "fields": problem.fields,
        "request_id": exchange.context.request_id,
    }


def has_error_page() -> bool:
    """Tell whether the application has an error page of its own: app/templates/error.html."""
    return (FOLDER / ERROR_PAGE).is_file()
