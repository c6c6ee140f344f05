# Owned by the template: extend, do not edit.
"""Content-Security-Policy (CSP level 3; ASVS 3.4.3)."""

from __future__ import annotations

from .policy import Csp, Service

NONCE = "'nonce'"


def header_name(csp: Csp) -> str:
    """Return the header that carries the policy."""
    suffix = "-report-only" if csp.dangerously_report_only else ""
    return f"content-security-policy{suffix}"


def html_policy(csp: Csp, service: Service, *, https: bool) -> tuple[str, str]:
    """Return the policy for pages as the text before and after the nonce.

    `upgrade-insecure-requests` is for https only: on http://localhost it would break every link.
    """
    directives = dict(csp.html)
    for name, hosts in (("img-src", service.image_hosts), ("form-action", service.redirect_hosts)):
        # Chromium applies form-action to the redirect after a form as well, so a login that goes on
        # to an allowed host needs that host here.
        if hosts and name in directives:
            directives[name] += "".join(f" https://{host}" for host in hosts)
    text = "; ".join(f"{name} {value}" for name, value in directives.items())
    if https:
        text += "; upgrade-insecure-requests"
    before, _, after = text.partition(NONCE)
    return (f"{before}'nonce-", f"'{after}") if NONCE in text else (text, "")
