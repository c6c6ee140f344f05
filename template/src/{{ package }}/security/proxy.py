# Owned by the template: extend, do not edit.
"""Who is asking: client address, scheme and host behind trusted proxies (guide: trust proxy).

Forwarding headers are believed only from configured peers and read from the right, the end that the
nearest proxy wrote; everything further left is the client's own claim (ASVS 4.1.3, 15.3.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

UNIX = "unix"
"""How a peer on a Unix socket, which has no address, stands in the list of trusted proxies."""

_MOST_KNOWN = 1024
"""Peers whose answer is remembered: parsing an address takes as long as all other checks."""

Network = IPv4Network | IPv6Network


class TrustedProxies:
    """The peers whose forwarding headers count."""

    def __init__(self, proxies: Iterable[str]) -> None:
        """Take addresses, networks in CIDR form, and `unix`. Raises `ValueError` for others."""
        names = set(proxies)
        self._unix = UNIX in names
        self._known: dict[str, bool] = {}
        self._networks: tuple[Network, ...] = tuple(ip_network(name) for name in names - {UNIX})

    def trusts(self, peer: str) -> bool:
        """Tell whether `peer` (an address, "" for a Unix socket) is one of ours."""
        if not peer or not self._networks:
            return not peer and self._unix
        if peer not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[peer] = self._contains(peer)
        return self._known[peer]

    def _contains(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """Return the address nearest to us that is not a trusted proxy.

        `forwarded_for` is the whole X-Forwarded-For of a request that came from `peer`. A part that
        is no address ends the walk: what stands left of it was written by nobody we know.
        """
        client = peer
        for part in reversed(forwarded_for.split(",")):
            if not self.trusts(client):
                break
            try:
                client = str(ip_address(part.strip()))
            except ValueError:
                break
        return client


def bucket(client: str, ipv6_prefix: int) -> str:
    """Return the name under which a client's attempts are counted: IPv6 by its network.

    One customer has at least a /64, so counting single IPv6 addresses counts nothing.
    """
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, ipv6_prefix), strict=False))
    return client


def last(values: str) -> str:
    """Return the last of a comma-separated header value, the one the nearest proxy wrote."""
    return values.rpartition(",")[2].strip()
