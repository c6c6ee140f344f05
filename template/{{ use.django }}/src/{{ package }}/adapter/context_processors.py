# Owned by the template: extend, do not edit.
"""What every template gets of the policy."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from .compose import KEY
from .current import exchange_of, own_boundary

_NO_TOKEN = "visitor"  # noqa: S105 - no secret


def policy(request: HttpRequest) -> dict[str, Any]:
    """Return `service` (name, description) and the `csp_nonce` that scripts need.

    For a visitor without a session `{% csrf_token %}` is a word that nobody checks: there is
    nothing to forge, and the page is the same for all.
    """
    if KEY not in request.META:
        # From `RequestFactory`, or made for a mail: it has no session and gets no headers.
        return {
            "service": own_boundary().policy.service,
            "csp_nonce": "",
            "csrf_token": _NO_TOKEN,
        }
    boundary, context = exchange_of(request)
    variables: dict[str, Any] = {"service": boundary.policy.service, "csp_nonce": context.nonce}
    if not (context.session.user or context.session):
        variables["csrf_token"] = _NO_TOKEN
    return variables
