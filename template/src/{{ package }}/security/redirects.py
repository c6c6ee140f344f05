# Owned by the template: extend, do not edit.
"""Where a redirect may lead (guide: Prevent open redirects; ASVS 3.7.2).

The target is parsed by the browsers' own rules (WHATWG URL) and sent exactly as that parser writes
it: what was checked is what the browser gets. Checks on the text or with `urllib` miss backslashes,
tabs, `https:host`, extra slashes and more.
"""

from __future__ import annotations

from collections.abc import Collection

from ada_url import URL

_SPECIAL = ("http:", "https:", "ftp:", "ws:", "wss:", "file:")
# What browsers drop anywhere in an address, and at its start.
_DROPPED = dict.fromkeys(map(ord, "\t\n\r"))
_STRIPPED = "".join(map(chr, range(0x21)))


def safe_target(target: str, origin: str, allowed_hosts: Collection[str] = ()) -> str | None:
    """Return the absolute URL to redirect to, or None if `target` leads astray.

    `origin` is the service's own, such as `https://example.org`. Allowed are that origin, and https
    on the `allowed_hosts` (name, or name:port).
    """
    try:
        base = URL(origin + "/")
        url = URL(target, base=origin + "/")
    except ValueError:
        return None
    seen = target.translate(_DROPPED).lstrip(_STRIPPED).lower()
    scheme = seen[: seen.find(":") + 1]
    if scheme in _SPECIAL and not seen.startswith(scheme + "//"):
        # `https:host` is relative on an https page and absolute on an http one.
        return None
    if url.username or url.password:
        return None
    own = url.protocol == base.protocol and url.host == base.host
    elsewhere = url.protocol == "https:" and url.host in allowed_hosts
    return url.href if own or elsewhere else None
