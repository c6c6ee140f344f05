"""A package index on loopback, for what uv makes of one that is not as the public one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Index(BaseHTTPRequestHandler):
    """Answers by `answer`, and says nothing of it."""

    def answer(self) -> tuple[str, bytes]:
        """Return the media type and the body of what is asked for."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Send the answer; of a HEAD its head."""
        kind, body = self.answer()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running(index: type[Index]) -> Iterator[str]:
    """Run an index, and return its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple"
        finally:
            server.shutdown()
            thread.join()
