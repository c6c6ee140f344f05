# Owned by the template: extend, do not edit.
"""Which host names the service answers for (ASVS 4.1.3; guide: trust proxy).

A made-up Host header would otherwise end up in redirects, links and caches.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

# This machine, and the names by which the frameworks' test clients ask.
_LOCAL = ("localhost", "testserver", "testserver.local")


class AllowedHosts:
    """Exact host names; with a port only where the list has it."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take names as they stand in the Host header.

        No names, in development: this machine by any of its addresses, any port. A made-up name
        that is bound to an address of ours (DNS rebinding) is a name, and so refused.
        """
        self._names = frozenset(name.lower() for name in names)

    def allows(self, host: str) -> bool:
        """Tell whether a request for `host` is for us."""
        if self._names:
            return host in self._names or host.lower() in self._names
        host = host.lower()
        name, _, port = host.rpartition(":")
        if not (port.isdecimal() and (name.endswith("]") or ":" not in name)):
            name = host
        return name in _LOCAL or _is_address(name)

    def own(self, host: str, *, https: bool) -> str:
        """Return `host` without the port that its scheme has anyway (RFC 9110 section 4.2.3)."""
        return host.removesuffix(":443" if https else ":80")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
