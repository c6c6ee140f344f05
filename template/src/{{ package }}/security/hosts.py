# Owned by the template: extend, do not edit.
"""Which host names the service answers for (ASVS 4.1.3; guide: trust proxy).

A made-up Host header would otherwise end up in redirects, links and caches.
"""

from __future__ import annotations

from collections.abc import Iterable

_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class AllowedHosts:
    """Exact host names; with a port only where the list has it."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take names as they stand in the Host header. No names: this machine, any port."""
        self._names = frozenset(name.lower() for name in names)

    def allows(self, host: str) -> bool:
        """Tell whether a request for `host` is for us."""
        if self._names:
            return host in self._names or host.lower() in self._names
        name, _, port = host.lower().rpartition(":")
        return (name in _LOCAL and port.isdecimal()) or host.lower() in _LOCAL
