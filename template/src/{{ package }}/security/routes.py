# Owned by the template: extend, do not edit.
"""What a service opens for a path: the `[[route]]` facts of `policy.toml` (RTE-1).

Opening one thing keeps the rest: headers, sessions, cross-site checks and limits stay on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .policy import InputPolicy, Route

DEFAULT = Route(path="/")


@dataclass(frozen=True, slots=True)
class RouteRules:
    """What holds for one path: its fact, or what holds without one."""

    fact: Route
    is_fact: bool
    """False: nothing is said of the path."""
    public: bool
    body: frozenset[str]
    """Media types of a body, lower-case; a name ending in `*` stands for all that begin so."""
    max_body: int
    """Bytes."""
    max_fields: int
    without_session: bool
    """Other sites' requests pass, but nobody's cookies are read or set (RTE-5)."""

    def allows(self, media_type: str) -> bool:
        """Tell whether a body of that type may come."""
        return media_type in self.body or any(
            name.endswith("*") and media_type.startswith(name[:-1]) for name in self.body
        )


class Routes:
    """The facts of a service, found by path and method: the longest path that fits counts."""

    def __init__(self, facts: Iterable[Route], policy: InputPolicy) -> None:
        """Take the facts and the limits that hold without one."""
        self._policy = policy
        self._default = self._rules(DEFAULT)
        self._facts = sorted(
            ((fact, self._rules(fact)) for fact in facts),
            key=lambda pair: len(pair[0].path),
            reverse=True,
        )
        self.find = lru_cache(maxsize=1024)(self._find)

    def _rules(self, fact: Route) -> RouteRules:
        return RouteRules(
            fact=fact,
            is_fact=fact is not DEFAULT,
            public=fact.access == "public",
            body=frozenset(fact.body),
            max_body=fact.max_body or self._policy.max_body,
            max_fields=fact.max_fields or self._policy.max_form_fields,
            without_session=fact.cross_site == "without-session",
        )

    def _find(self, method: str, path: str) -> RouteRules:
        for fact, rules in self._facts:
            below = fact.path.endswith("/") and path.startswith(fact.path)
            if (below or path == fact.path) and (not fact.methods or method in fact.methods):
                return rules
        return self._default
