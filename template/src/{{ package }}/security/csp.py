# Owned by the template: extend, do not edit.
"""Content-Security-Policy (CSP level 3; ASVS 3.4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .policy import CspPolicy, Route, Service

NONCE = "'nonce'"
_FALLBACKS = {"script-src-elem": "script-src", "style-src-elem": "style-src"}
"""What holds for a directive that is not there, where it is not `default-src`."""


def header_name(csp: CspPolicy) -> str:
    """Return the header that carries the policy."""
    suffix = "-report-only" if csp.dangerously_report_only else ""
    return f"content-security-policy{suffix}"


def html_policy(
    csp: CspPolicy, service: Service, route: Route | None = None, *, https: bool
) -> tuple[str, ...]:
    """Return the policy for pages as the texts between which the nonce stands.

    A fact of the service, or of a route, adds sources to a directive, also to one that the baseline
    lacks, which then begins with what holds without it. `upgrade-insecure-requests` is for https
    only: on http://localhost it would break every link.
    """
    directives = _extended(csp.html, service.csp)
    if route:
        directives = _extended(directives, {name: route.csp[name].split(" ") for name in route.csp})
    text = "; ".join(f"{name} {value}".strip() for name, value in directives.items())
    if https:
        text += "; upgrade-insecure-requests"
    before, *others = text.split(NONCE)
    if not others:
        return (text,)
    between = [f"'{part}'nonce-" for part in others[:-1]]
    return (f"{before}'nonce-", *between, f"'{others[-1]}")


def other_policy(csp: CspPolicy, route: Route | None) -> str:
    """Return the policy for what is no page: of a route's fact, who may frame it counts there."""
    if route is None or "frame-ancestors" not in route.csp:
        return csp.other
    directives = [part.strip().partition(" ") for part in csp.other.split(";")]
    stated = {name: value for name, _, value in directives}
    extended = _extended(stated, {"frame-ancestors": route.csp["frame-ancestors"].split(" ")})
    return "; ".join(f"{name} {value}".strip() for name, value in extended.items())


def _extended(directives: Mapping[str, str], added: Mapping[str, Iterable[str]]) -> dict[str, str]:
    extended = dict(directives)
    for name, sources in added.items():
        fallback = _FALLBACKS.get(name, "default-src" if name.endswith("-src") else "")
        before = extended.get(name, extended.get(fallback, ""))
        kept = [word for word in before.split(" ") if word not in {"", "'none'"}]
        extended[name] = " ".join([*kept, *(word for word in sources if word not in kept)])
    return extended
