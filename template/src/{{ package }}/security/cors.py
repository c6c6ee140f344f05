# Owned by the template: extend, do not edit.
"""Cross-origin requests of scripts (CORS; Fetch standard): by a route's fact only (RTE-4).

The policy alone answers preflights and says who may read; what an application or its middleware
says of it does not count, so that nothing is open that is not on the list of facts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from .responses import Headers
from .routes import RouteRules

PREFIX = b"access-control-"
_CORP = b"cross-origin-resource-policy"
# fmt: off
_SECOND_LEVEL = frozenset({
    "ac", "co", "com", "edu", "gob", "gov", "gv", "ltd", "mil", "ne", "net", "nom", "or", "org",
    "plc", "sch",
})
# fmt: on
"""Labels below which, before a country's, names are sold: b.co.uk is no sibling of a.co.uk."""
_LABELS, _COUNTRY = 2, 2


class Reader(NamedTuple):
    """A listed origin whose script asks."""

    origin: str
    credentials: bool
    """Whether it may ask in the user's name: it belongs to the service's own site."""
    preflight: bool
    """Whether its browser asks first what it may send."""


@lru_cache(maxsize=256)
def same_site(own: str, other: str) -> bool:
    """Tell whether two origins belong to one site, as far as names tell.

    The browser's list of public suffixes decides in the end (`Sec-Fetch-Site`, and which cookies it
    sends); here a name that is shared must have been bought by somebody.
    """
    mine, theirs = urlsplit(own), urlsplit(other)
    if mine.scheme != theirs.scheme or not mine.hostname or not theirs.hostname:
        return False
    if mine.hostname == theirs.hostname:
        return True
    ours, others = mine.hostname.split("."), theirs.hostname.split(".")
    shared = 0
    for one, another in zip(reversed(ours), reversed(others), strict=False):
        if one != another:
            break
        shared += 1
    if ours[-1].isdecimal() or shared < _LABELS:
        return False
    sold = len(ours[-1]) == _COUNTRY and ours[-2] in _SECOND_LEVEL
    return shared > _LABELS if sold else True


def open_to(
    headers: Headers, rules: RouteRules, reader: Reader | None, *, exposed: str, max_age: int
) -> Headers:
    """Return the headers of a response as scripts of `reader` may read it, None for nobody's.

    `Vary` always: a cache must not hand the response for one origin to another. What the
    application says of it is not among `headers`: the list of those that may leave has none of it.
    """
    kept, varies = headers, b", ".join([value for name, value in headers if name == b"vary"])
    words = {word.strip().lower() for word in varies.split(b",")}
    if words.isdisjoint({b"origin", b"*"}):
        kept = [pair for pair in kept if pair[0] != b"vary"]
        kept.append((b"vary", b", ".join(filter(None, (varies, b"Origin")))))
    if reader is None:
        return kept
    corp = b"same-site" if reader.credentials else b"cross-origin"
    kept = [(name, corp if name == _CORP else value) for name, value in kept]
    told = [("allow-origin", reader.origin)]
    if reader.credentials:
        told.append(("allow-credentials", "true"))
    if reader.preflight:
        told.append(("allow-methods", rules.cors_methods))
        told.append(("allow-headers", rules.cors_headers))
        told.append(("max-age", str(max_age)))
    elif exposed:
        told.append(("expose-headers", exposed))
    return [*kept, *((PREFIX + name.encode(), value.encode()) for name, value in told)]
