# Owned by the template: extend, do not edit.
"""The paths that nginx treats apart, from the facts of the service (RTE-1, TLS-3).

The application looks at methods too, and is exact; the edge lets through what one of them may.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..security.policy import Policy, Route
from ..security.static import PREFIX

SECRETS = (
    "/login",
    "/login/factor",
    "/login/passkey",
    "/account/confirm",
    "/account/password",
)
"""Where a form brings a password or a code that somebody else could guess, or begins a login."""
_MARGIN = 30
"""Seconds by which the edge waits longer than the application, which says what happened."""


@dataclass
class Location:
    """One `location` of the server."""

    path: str
    exact: bool
    """Only this path; else all that begins so."""
    max_body: int
    answer_timeout: int
    """Seconds without a byte of the answer."""
    upload: bool = False
    """Bodies are passed on while they come: they would fill the disk twice."""
    stream: bool = False
    """Answers are passed on while they are made."""
    websocket: bool = False
    secret: bool = False
    static: bool = False

    @property
    def match(self) -> str:
        """Return what stands behind `location`, in nginx's language, where `$` is a dollar."""
        quoted = self.path.replace("\\", "\\\\").replace("'", "\\'")
        return f"= '{quoted}'" if self.exact else f"'{quoted}'"


def locations(policy: Policy) -> list[Location]:
    """Return them as nginx needs them: one for each path of a fact, and those that are always."""
    made: dict[tuple[str, bool], Location] = {}

    def at(path: str, *, exact: bool) -> Location:
        plain = Location(path, exact, policy.input.max_body, policy.edge.answer_timeout)
        return made.setdefault((path, exact), plain)

    at("/", exact=False)
    for path in SECRETS:
        at(path, exact=True).secret = True
    for fact in policy.routes:
        if fact.path.endswith("/"):
            _open(at(fact.path, exact=False), fact, policy)
            if fact.path != "/":
                # nginx would lead there from the path without the slash.
                at(fact.path.rstrip("/"), exact=True)
        else:
            _open(at(fact.path, exact=True), fact, policy)
    for location in made.values():
        if location.exact:
            _inherit(location, policy)
    at(PREFIX, exact=False).static = True
    return list(made.values())


def _open(location: Location, fact: Route, policy: Policy) -> None:
    location.max_body = max(location.max_body, fact.max_body or 0)
    location.upload = location.max_body > policy.input.max_body
    seconds = (fact.max_seconds or 0) + _MARGIN
    if fact.websocket:
        location.websocket = True
        seconds = policy.websocket.idle_timeout + policy.websocket.session_check + _MARGIN
    if fact.websocket or fact.max_seconds:
        location.stream = location.stream or seconds > location.answer_timeout
        location.answer_timeout = max(location.answer_timeout, seconds)


def _inherit(location: Location, policy: Policy) -> None:
    """Give a path without a fact of its own what the shorter fact says that holds there."""
    if any(fact.path == location.path for fact in policy.routes):
        return
    folders = [
        fact
        for fact in policy.routes
        if fact.path.endswith("/") and location.path.startswith(fact.path)
    ]
    for fact in folders:
        if len(fact.path) == max(len(each.path) for each in folders):
            _open(location, fact, policy)
