# Owned by the template: extend, do not edit.
"""WebSockets: none, with a framework whose views are called and return (WSGI; RTE-6)."""

from __future__ import annotations

from ..security.policy import Policy


def objection(policy: Policy) -> str:
    """Return why the facts about WebSockets cannot work here, "" where there are none."""
    path = next((route.path for route in policy.routes if route.websocket), "")
    if not path:
        return ""
    return (
        f"[[route]] {path!r} websocket: this framework is called by WSGI, which has no WebSockets;"
        " leave it out and let the page ask again or read an event stream, or put that part into a"
        " service of its own made with FastAPI or Litestar"
    )
