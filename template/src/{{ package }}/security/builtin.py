# Owned by the template: extend, do not edit.
"""Addresses that every service has, whatever its framework."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from .errors import Answer, Problem
from .events import emit
from .static import PREFIX

if TYPE_CHECKING:
    from .guard import Guard
    from .visit import Visit

_TEXT = "text/plain; charset=utf-8"
_NO_STORE = (("cache-control", "no-store"),)
_REPORTS_DAYS = 180
"""How long security.txt says that it is valid; RFC 9116 recommends less than a year."""


class Builtin:
    """Health, readiness, security.txt and static files."""

    def __init__(self, guard: Guard) -> None:
        """Take the service that the answers are about."""
        self._guard = guard
        self._answers: dict[str, Callable[[], Answer]] = {
            "/healthz": lambda: Answer(200, _TEXT, b"ok\n", _NO_STORE),
            "/readyz": self._ready,
            "/.well-known/security.txt": self._security_txt,
        }

    def find(self, path: str) -> Callable[[], Answer] | None:
        """Return what answers `path`, or None."""
        if path.startswith(PREFIX):
            return lambda: self._guard.static.answer(path)
        return self._answers.get(path)

    def options(self) -> Answer:
        """Answer any OPTIONS alike: what exists is not told, and no site gets leave (CORS)."""
        return Answer(204, headers=(("allow", self._guard.allow), *_NO_STORE))

    def _ready(self) -> Answer:
        try:
            for check in (self._guard.store.ping, *self._guard.ready):
                check()
        except Exception as error:
            emit("sys_store_unavailable", error=str(error))
            raise Problem(503) from error
        return Answer(200, _TEXT, b"ready\n", _NO_STORE)

    def _security_txt(self) -> Answer:
        now = datetime.fromtimestamp(self._guard.sessions.now(), UTC)
        expires = (now + timedelta(days=_REPORTS_DAYS)).replace(hour=0, minute=0, second=0)
        service = self._guard.policy.service
        text = (
            f"Contact: mailto:{service.contact}\n"
            f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}\n"
            "Preferred-Languages: en\n"
            f"Canonical: https://{service.domain}/.well-known/security.txt\n"
        )
        return Answer(200, _TEXT, text.encode())


def get_only(visit: Visit, answer: Callable[[], Answer]) -> Callable[[], Answer]:
    """Return `answer`, or raise `Problem` for a method other than GET and HEAD."""
    if visit.head.method not in {"GET", "HEAD"}:
        raise Problem(405, headers=[("allow", "GET, HEAD, OPTIONS")])
    return answer
