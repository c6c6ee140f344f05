# Owned by the template: extend, do not edit.
"""Content-Security-Policy (CSP level 3; ASVS 3.4.3)."""

from __future__ import annotations

from .policy import CspPolicy, Service

NONCE = "'nonce'"


def header_name(csp: CspPolicy) -> str:
    """Return the header that carries the policy."""
    suffix = "-report-only" if csp.dangerously_report_only else ""
    return f"content-security-policy{suffix}"


def html_policy(csp: CspPolicy, service: Service, *, https: bool) -> tuple[str, str]:
    """Return the policy for pages as the text before and after the nonce.

    A fact of the service adds sources to a directive, also to one that the baseline lacks, which
    then begins with what `default-src` says. `upgrade-insecure-requests` is for https only: on
    http://localhost it would break every link.
    """
    directives = dict(csp.html)
    for name, sources in service.csp.items():
        before = directives.get(name, csp.html.get("default-src", ""))
        kept = [word for word in before.split(" ") if word not in {"", "'none'"}]
        directives[name] = " ".join([*kept, *(word for word in sources if word not in kept)])
    text = "; ".join(f"{name} {value}".strip() for name, value in directives.items())
    if https:
        text += "; upgrade-insecure-requests"
    before, _, after = text.partition(NONCE)
    return (f"{before}'nonce-", f"'{after}") if NONCE in text else (text, "")
