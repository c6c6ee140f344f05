# Owned by the template: extend, do not edit.
"""Requests that another site's page makes in the user's name (ASVS 3.5.1 to 3.5.3).

Browsers say where a request comes from: `Sec-Fetch-Site` (Fetch Metadata), or, the few that do not
know it yet, `Origin`. No token to render, store or leak.
"""

from __future__ import annotations

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def forged(method: str, site: str, origin: str, own_origin: str, *, has_session: bool) -> bool:
    """Tell whether to refuse the request. `site` and `origin` are headers, "" where absent.

    `site` decides where it is there: with `Referrer-Policy: no-referrer` browsers send
    `Origin: null` with forms of our own pages. A request with neither header comes from a program
    or a very old browser: it may pass as long as it has no session to abuse.
    """
    if method in SAFE_METHODS:
        return False
    if site:
        return site not in {"same-origin", "none"}
    if origin:
        return origin != own_origin
    return has_session


def from_own_page(site: str, origin: str, own_origin: str) -> bool:
    """Tell whether the browser says that a page of the service asks; headers as for `forged`."""
    return site == "same-origin" if site else origin == own_origin
