# Owned by the template: extend, do not edit.
"""What a service opens for a path: the `[[route]]` facts of `policy.toml` (RTE-1).

Opening one thing keeps the rest: headers, sessions, cross-site checks and limits stay on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .policy import InputPolicy, Route

DEFAULT = Route(path="/")
_ALWAYS_SENT = ("authorization", "content-type")
"""Request headers that every listed origin may send, besides those that CORS always lets pass."""


@dataclass(frozen=True, slots=True)
class RouteRules:
    """What holds for one path: its fact, or what holds without one."""

    fact: Route
    number: int
    """The fact's place in `policy.routes`, from 1 on; 0: nothing is said of the path."""
    public: bool
    body: frozenset[str]
    """Media types of a body, lower-case; a name ending in `*` stands for all that begin so."""
    max_body: int
    """Bytes."""
    max_fields: int
    without_session: bool
    """Other sites' requests pass, but nobody's cookies are read or set (RTE-5)."""
    origins: frozenset[str]
    """Other origins whose scripts may use the path (RTE-4)."""
    cors_methods: str
    """The methods that they may use, as a preflight is answered."""
    cors_headers: str
    """The headers that they may send, likewise."""
    max_seconds: int
    """How long an answer may take; 0: only the edge has a limit."""
    asks_options: bool
    """The fact names OPTIONS, so the application answers it; preflights stay the policy's."""

    @property
    def is_fact(self) -> bool:
        """False: nothing is said of the path."""
        return self.number > 0

    def opens_more(self, other: RouteRules) -> bool:
        """Tell whether somebody is let in here who is not let in there."""
        return (
            self.public > other.public
            or self.without_session > other.without_session
            or not self.origins <= other.origins
        )

    def allows(self, media_type: str) -> bool:
        """Tell whether a body of that type may come."""
        return media_type in self.body or any(
            name.endswith("*") and media_type.startswith(name[:-1]) for name in self.body
        )


def at_or_below(mounts: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds the longest of some paths that an address is at or below; None of none.

    What only begins alike is somewhere else: what is said of /admin/ does not hold for /adminx.
    """
    paths = sorted(mounts, key=len, reverse=True)
    ends = (re.escape(path) + (r"(?=/|\Z)" if path != "/" else "") for path in paths)
    return re.compile("|".join(ends)) if paths else None


class Routes:
    """The facts of a service, found by path and method: the longest path that fits counts."""

    def __init__(
        self, facts: Iterable[Route], policy: InputPolicy, *, production: bool = True
    ) -> None:
        """Take the facts and the limits that hold without one.

        In `production` no origin counts that everybody on the way can speak for.
        """
        self._policy = policy
        self._production = production
        self.default = self._rules(DEFAULT, 0)
        self._by_path: dict[str, dict[str, RouteRules]] = {}
        for number, fact in enumerate(facts, 1):
            rules = self._rules(fact, number)
            methods = self._by_path.setdefault(fact.path, {})
            for method in fact.methods or ("",):
                methods[method] = rules
            if "GET" in fact.methods:
                methods.setdefault("HEAD", rules)
        folders = [len(path) for path in self._by_path if path.endswith("/")]
        self._longest = max(folders, default=0)

    def _rules(self, fact: Route, number: int) -> RouteRules:
        origins = frozenset(
            origin
            for origin in fact.origins
            if origin.startswith("https://") or not self._production
        )
        methods = {*fact.methods} or {*self._policy.methods} - {"OPTIONS"}
        return RouteRules(
            fact=fact,
            number=number,
            public=fact.access == "public",
            body=frozenset(fact.body),
            max_body=fact.max_body or self._policy.max_body,
            max_fields=fact.max_fields or self._policy.max_form_fields,
            without_session=fact.cross_site == "without-session",
            origins=origins,
            cors_methods=", ".join(sorted(methods)),
            cors_headers=", ".join(sorted({*_ALWAYS_SENT, *fact.request_headers})),
            max_seconds=fact.max_seconds or 0,
            asks_options="OPTIONS" in fact.methods,
        )

    def find(self, method: str, path: str) -> RouteRules:
        """Return what holds for the path; the caller remembers it."""
        if rules := self._at(path, method):
            return rules
        rules = self._around(path, method)
        # To some routers an address is the same with and without a slash at its end: what is said
        # of the one is not open as the other.
        twin = self._at(path.removesuffix("/") if path.endswith("/") else f"{path}/", method)
        return twin if twin and rules.opens_more(twin) else rules

    def _around(self, path: str, method: str) -> RouteRules:
        """Return what holds for all below a folder that the path is in."""
        # Only paths that end in a slash stand for what is below them.
        end = path.rfind("/", 0, self._longest)
        while end >= 0:
            if rules := self._at(path[: end + 1], method):
                return rules
            end = path.rfind("/", 0, end)
        return self.default

    def _at(self, path: str, method: str) -> RouteRules | None:
        methods = self._by_path.get(path)
        # What names its methods says more than what is for all others.
        return (methods.get(method) or methods.get("")) if methods else None
