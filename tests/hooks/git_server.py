"""Repositories over HTTP behind a password: git's own server program, on loopback."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Forge:
    """Where the repositories are, the password, who has logged in (name:password), requests."""

    url: str
    token: str
    logins: set[str] = field(default_factory=set)
    requests: int = 0


@contextmanager
def serve(folder: Path, token: str) -> Iterator[Forge]:
    """Serve the repositories of the folder to whoever knows the token."""

    class Handler(BaseHTTPRequestHandler):
        """One request, answered by `git http-backend` (gitprotocol-http(5))."""

        def do_GET(self) -> None:
            """Answer a listing of references."""
            self.answer(b"")

        def do_POST(self) -> None:
            """Answer a fetch or a push."""
            self.answer(self.body())

        def body(self) -> bytes:
            """Return what the client sends, of a length that is told or in chunks."""
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts = b""
            while size := int(self.rfile.readline(), 16):
                parts += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return parts

        def answer(self, body: bytes) -> None:
            """Ask for the password, or hand over to git."""
            login = self.headers.get("Authorization", "").removeprefix("Basic ")
            login = base64.b64decode(login).decode()
            if login.partition(":")[2] != token:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            forge.logins.add(login)
            forge.requests += 1
            path, _, query = self.path.partition("?")
            environment = os.environ | {
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_USER": "bot",
            }
            done = subprocess.run(
                ["git", "http-backend"],
                input=body,
                env=environment,
                capture_output=True,
                check=True,
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge = Forge(f"http://127.0.0.1:{server.server_port}", token)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield forge
    server.shutdown()
    server.server_close()
