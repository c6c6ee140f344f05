# Owned by the template: extend, do not edit.
"""How requests reach database and store: over a network only in TLS, and to the right server.

Sessions, password hashes and the servers' own passwords go that way (ASVS 12.3.1, 12.3.2). Both
URLs are read by the libraries that will connect, so that nobody reads them differently.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import parse_qsl


class Link(NamedTuple):
    """Where a URL leads."""

    hosts: tuple[str, ...]
    """Those reached over a network; a Unix socket and this machine itself are not."""
    flaw: str
    """What lets others read or answer, with its remedy; "" where TLS names the server."""


def of_store(url: str) -> Link:
    """Read the URL of a Redis or Valkey. Raises `ValueError` if it is malformed."""
    from redis.connection import ConnectionPool, SSLConnection

    known = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
    pool = ConnectionPool.from_url(known)
    options = pool.connection_kwargs
    flaw = ""
    if pool.connection_class is not SSLConnection:
        flaw = "no TLS; begin it with rediss:// (valkeys://)"
    elif options.get("ssl_cert_reqs", "required") != "required":
        flaw = "any certificate is good; leave out ssl_cert_reqs"
    elif not options.get("ssl_check_hostname", True):
        flaw = "a certificate for any name is good; leave out ssl_check_hostname"
    return Link(_remote(options.get("host", "")), flaw)


def of_database(url: str) -> Link:
    """Read the URL of a PostgreSQL. Raises `ValueError` if it is malformed."""
    from psycopg import OperationalError
    from psycopg.pq import Conninfo

    # libpq takes the last of them, SQLAlchemy all. Not urlsplit: it knows no list of hosts.
    names = Counter(name for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True))
    if any(count > 1 for count in names.values()) or "service" in names:
        raise ValueError("a parameter occurs twice, or names a service file of libpq")
    try:
        # PGHOST and others fill in what the URL leaves open.
        given = [*Conninfo.get_defaults(), *Conninfo.parse(url.encode())]
    except OperationalError:
        # Without its words: they repeat the URL.
        raise ValueError("libpq cannot read it") from None
    options = {each.keyword: each.val.decode() for each in given if each.val}
    if not all(port.isdecimal() for port in options.get(b"port", "0").split(",") if port):
        # Without it: of a password with a slash, that is a part.
        raise ValueError("its port is no number")
    mode = options.get(b"sslmode", "prefer")
    flaw = ""
    if mode in {"disable", "allow", "prefer"}:
        flaw = f"sslmode={mode} goes on without TLS; use sslmode=verify-full"
    elif mode != "verify-full":
        flaw = f"sslmode={mode} does not check the server's name; use sslmode=verify-full"
    return Link(_remote(options.get(b"hostaddr") or options.get(b"host", "")), flaw)


def _remote(hosts: str) -> tuple[str, ...]:
    return tuple(host for host in hosts.split(",") if not _is_here(host))


def _is_here(host: str) -> bool:
    # "/" begins a Unix socket's folder, "@" its abstract name; none is the default socket.
    if host in {"", "localhost"} or host[0] in "/@":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
