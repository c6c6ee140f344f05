# Owned by the template: extend, do not edit.
"""What every template gets of the policy."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from .current import exchange_of


def policy(request: HttpRequest) -> dict[str, Any]:
    """Return `service` (name, description) and the `csp_nonce` that scripts need."""
    boundary, context = exchange_of(request)
    return {"service": boundary.policy.service, "csp_nonce": context.nonce}
