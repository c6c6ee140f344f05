# Owned by the template: extend, do not edit.
"""Ask a server on a socket, or on a port of this machine, whether it answers; exit 1 if not."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

SECONDS = 2.0


def main(where: str) -> int:
    """Return 0 if the server answers, and not by an error of its own."""
    names, file = os.environ.get("APP_HOSTS", ""), os.environ.get("APP_HOSTS_FILE", "")
    if file and not names:
        names = Path(file).read_text("utf-8")
    host = names.partition(",")[0].strip()
    # As the edge asks: by a name that is served, for a client that came by https.
    lines = ["GET /healthz HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https"]
    try:
        with socket.socket(socket.AF_INET if where.isdecimal() else socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(("127.0.0.1", int(where)) if where.isdecimal() else where)
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            status = connection.makefile("rb").readline().split()[1]
    except (OSError, IndexError) as error:
        print(f"{where}: {error}", file=sys.stderr)
        return 1
    return int(status >= b"500")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
