"""Services of others that a package talks to, on loopback: mail, an OAuth provider, Sentry."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

WAIT_SECONDS = 60.0


@dataclass
class Received:
    """What came to a server."""

    port: int = 0
    items: list[Any] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def add(self, item: Any) -> None:
        """Keep it, and wake who waits."""
        with self.arrived:
            self.items.append(item)
            self.arrived.notify_all()

    def wait(self, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the first that is wanted, or fail after some seconds."""
        with self.arrived:
            self.arrived.wait_for(lambda: any(map(wanted, self.items)), WAIT_SECONDS)
            found = [item for item in self.items if wanted(item)]
        assert found, self.items
        return found[0]


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mail_server() -> Iterator[Received]:
    """Take mails by SMTP; each item is the text of one."""
    received = Received()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    received.add(b"".join(lines).decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        received.port = port
        yield received


@contextmanager
def web_server(answers: Callable[[str, bytes, Any], Any]) -> Iterator[Received]:
    """Answer by JSON what `answers` makes of path, body and headers; items are those three."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.add((self.path, body, self.headers))
            content = json.dumps(answers(self.path, body, self.headers)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        received.port = port
        yield received


def provider(path: str, body: bytes, headers: Any) -> Any:
    """Answer as an OAuth provider does whose user is Ada."""
    if path == "/token":
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("code") != "c0de" or not form.get("redirect_uri", "").startswith("https://"):
            return {"error": "invalid_grant"}
        return {"access_token": "t0ken", "token_type": "Bearer"}
    if headers.get("authorization") != "Bearer t0ken":
        return {"error": "who?"}
    return {"login": "ada", "id": 17, "email": "ada@example.com", "name": "Ada"}


def silent(path: str, body: bytes, headers: Any) -> Any:
    """Answer nothing."""
    return {}
