# Owned by the template: extend, do not edit.
"""Addresses that every service has, whatever its framework: health, readiness, security.txt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from .errors import Problem
from .events import emit
from .policy import Service
from .responses import Response

READY = "/readyz"
_TEXT = "text/plain; charset=utf-8"
_NO_STORE = (("cache-control", "no-store"),)
_REPORTS_DAYS = 180
"""How long security.txt says that it is valid; RFC 9116 recommends less than a year."""


def alive() -> Response:
    """Answer /healthz: the process serves."""
    return Response.of(200, _TEXT, b"ok\n", _NO_STORE)


def ready(checks: Sequence[Callable[[], object]]) -> Response:
    """Answer /readyz by asking all that the service needs; a check that raises is not ready."""
    try:
        for check in checks:
            check()
    except Exception as error:
        emit("sys_store_unavailable", error=str(error))
        raise Problem(503, reason="not ready") from error
    return Response.of(200, _TEXT, b"ready\n", _NO_STORE)


def security_txt(service: Service, now: int) -> Response:
    """Answer /.well-known/security.txt (RFC 9116)."""
    expires = (datetime.fromtimestamp(now, UTC) + timedelta(days=_REPORTS_DAYS)).replace(
        hour=0, minute=0, second=0
    )
    text = (
        f"Contact: mailto:{service.contact}\n"
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}\n"
        "Preferred-Languages: en\n"
        f"Canonical: https://{service.domain}/.well-known/security.txt\n"
    )
    return Response.of(200, _TEXT, text.encode())
