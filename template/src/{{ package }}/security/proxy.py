# Owned by the template: extend, do not edit.
"""Who is asking: client address, scheme and host behind trusted proxies (guide: trust proxy).

Forwarding headers are believed only from configured peers and read from the right, the end that the
nearest proxy wrote; everything further left is the client's own claim (ASVS 4.1.3, 15.3.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from .cache import BoundedCache
from .events import emit

UNIX = "unix"
"""How a peer on a Unix socket, which has no address, stands in the list of trusted proxies."""

_SHOWN = 64
_LONGEST = 64
"""Letters of an address, with some to spare."""

FORWARDING = (
    "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
    "x-forwarded-prefix", "x-forwarded-server", "x-real-ip", "x-forwarded", "x-forwarded-scheme",
    "x-forwarded-protocol", "x-forwarded-ssl", "x-scheme", "x-url-scheme", "front-end-https",
    "forwarded-for", "client-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for",
    "x-original-host", "x-host", "x-original-url", "x-rewrite-url", "x-script-name",
    "cf-connecting-ip", "true-client-ip", "fastly-client-ip", "fly-client-ip", "x-azure-clientip",
    "x-appengine-user-ip",
)  # fmt: skip
"""What proxies say of a request. Read here alone: the framework sees what was made of it.

Extensions believe any of them, such as those that limit a client's rate.
"""

FORWARDING_BYTES = frozenset(
    each.encode() for name in FORWARDING for each in (name, name.replace("-", "_"))
)
"""The same as a server hands them on: mounted WSGI applications take X_Real_IP for X-Real-IP."""

Network = IPv4Network | IPv6Network


class TrustedProxies:
    """The peers whose forwarding headers count."""

    def __init__(self, proxies: Iterable[str]) -> None:
        """Take addresses, networks in CIDR form, and `unix`. Raises `ValueError` for others."""
        names = set(proxies)
        self._unix = UNIX in names
        self._known = BoundedCache(self._contains, len, longest=_LONGEST)
        self._networks: tuple[Network, ...] = tuple(ip_network(name) for name in names - {UNIX})

    def trusts(self, peer: str) -> bool:
        """Tell whether `peer` (an address, "" for a Unix socket) is one of ours."""
        if not peer or not self._networks:
            return not peer and self._unix
        # Parsing an address takes as long as all other checks.
        return self._known[peer]

    def _contains(self, peer: str) -> bool:
        address = read_address(peer)
        return address is not None and any(address in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """Return the address nearest to us that is not a trusted proxy.

        `forwarded_for` is the whole X-Forwarded-For of a request that came from `peer`. A part that
        is no address ends the walk: what stands left of it was written by nobody we know. It then
        stands for the client itself, so that nobody is counted as the proxy; the log says so.
        """
        client = plain(peer)
        for part in reversed(forwarded_for.split(",")) if forwarded_for else ():
            if not part.strip():
                continue
            if not self.trusts(client):
                break
            address = read_address(part)
            if address is None:
                emit("proxy_address_unreadable", part=part.strip()[:_SHOWN])
                return f"unreadable {part.strip()[:_SHOWN]!r}"
            client = str(address)
        return client


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address as proxies write it, or None.

    With a port (`203.0.113.7:4711`, `[2001:db8::1]:443`), in quotes (RFC 7239 section 6), or an
    IPv4 address in IPv6 (`::ffff:203.0.113.7`), which is the IPv4 address.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def plain(peer: str) -> str:
    """Return a peer's address as logs and counters have it: a socket for IPv6 maps IPv4."""
    return str(read_address(peer) or peer) if peer.startswith("::ffff:") else peer


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
