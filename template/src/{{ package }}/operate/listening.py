# Owned by the template: extend, do not edit.
"""Whether the address to listen on is free: a mistake there is said before anything starts.

The server's workers share a port (SO_REUSEPORT), and so would a second server: half of all requests
would go to the one that was forgotten.
"""

from __future__ import annotations

import socket
from pathlib import Path

import click

_SECONDS = 1


def claim_port(host: str, port: int) -> str:
    """Return the IP address of `host` if nobody listens there; raise `click.ClickException`."""
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
        family, _, _, _, address = found[0]
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host} port {port}: {error.strerror}; stop what listens there, or"
            " choose another --host or --port"
        ) from None
    return str(address[0])


def claim_socket(path: Path) -> None:
    """Remove what a server that was killed has left; raise `click.ClickException` if one runs."""
    try:
        if path.is_socket() and not _answers(path):
            path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
        path.unlink()
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {path}: {error.strerror or error}; stop what listens there, or"
            " choose another --uds"
        ) from None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(path))
        except ConnectionRefusedError:
            return False
        except TimeoutError:
            # Somebody listens, and is busy.
            return True
    return True
