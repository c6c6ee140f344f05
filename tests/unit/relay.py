"""A connection that fails when a test says so."""

from __future__ import annotations

import select
import socket
import threading
from urllib.parse import urlsplit

from ..services import free_port


class Relay:
    """Stands between a client and the server at `url`, and fails when told to."""

    def __init__(self, url: str) -> None:
        self.hang = False
        """Accept everything, pass on nothing."""
        self.lose_answers = 0
        """So many answers are not passed on; instead the connection is cut."""
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._port = free_port()
        user = parts.netloc.rpartition("@")[0]
        netloc = f"{user}@127.0.0.1:{self._port}" if user else f"127.0.0.1:{self._port}"
        self.url = parts._replace(netloc=netloc).geturl()
        self.start()

    def start(self) -> None:
        self._stop = threading.Event()
        listener = socket.create_server(("127.0.0.1", self._port))
        self._thread = threading.Thread(target=self._serve, args=(listener,))
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections, and cut those there are."""
        self._stop.set()
        self._thread.join()

    def _serve(self, listener: socket.socket) -> None:
        other: dict[socket.socket, socket.socket] = {}
        servers: set[socket.socket] = set()
        while not self._stop.is_set():
            for source in select.select([listener, *other], [], [], 0.01)[0]:
                if source is listener:
                    client, server = listener.accept()[0], socket.create_connection(self._target)
                    other |= {client: server, server: client}
                    servers.add(server)
                    continue
                to = other.get(source)  # None: closed a moment ago, with its other end
                if to and not self._pass_on(source, to, source in servers):
                    for end in (source, to):
                        del other[end]
                        end.close()
        for end in (listener, *other):
            end.close()

    def _pass_on(self, source: socket.socket, to: socket.socket, answer: bool) -> bool:
        """Return False if the connection is over."""
        try:
            data = source.recv(65536)
            if data and answer and self.lose_answers:
                self.lose_answers -= 1
                return False
            if data and not self.hang:
                to.sendall(data)
        except OSError:
            return False
        return bool(data)
