# Owned by the template: extend, do not edit.
"""What views and the application's start use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils.html import format_html

from ..security.errors import Problem
from ..security.events import emit
from .middleware import FIELD, Request
from .pages import context


def variables(request: Request) -> dict[str, Any]:
    """Return what every template gets."""
    visit = request.visit
    field = ""
    if visit.session.user or visit.session:
        field = format_html('<input type="hidden" name="{}" value="{}">', FIELD, get_token(request))
    return {**context(visit), "csrf_field": field}


def page(request: Request, name: str, status: int = 200, **variables: Any) -> HttpResponse:
    """Render a template; an error status stays as it is."""
    response = render(request, name, variables, status=status)
    request.visit.final = True
    return response


def redirect(request: Request, target: str, *, default: str = "") -> HttpResponse:
    """Send the client to `target` if the policy allows it: see `Visit.redirect`."""
    request.visit.redirect(target, default=default)
    return HttpResponse(status=303)


def member(request: Request) -> Any:
    """Return the signed-in user, or raise `Problem` 401, or 503 if nobody can know."""
    request.visit.user()
    if isinstance(request.user, AnonymousUser) or not request.user.is_authenticated:
        raise Problem(401)
    return request.user


def csrf_failure(
    request: Request,  # noqa: ARG001 - Django calls it so
    reason: str = "",  # noqa: ARG001 - never shown
) -> HttpResponse:
    """Refuse a form without the token of its session."""
    emit("authz_fail", reason="no token")
    return HttpResponse(status=403)


def _handler(status: int) -> Callable[..., HttpResponse]:
    def answer(
        request: HttpRequest,  # noqa: ARG001 - Django calls it so
        exception: Exception | None = None,  # noqa: ARG001 - never shown
    ) -> HttpResponse:
        return HttpResponse(status=status)

    return answer


# The policy fills in the page.
bad_request, forbidden, not_found, failed = map(_handler, (400, 403, 404, 500))
