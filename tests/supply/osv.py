"""A small OSV service on this machine, with advisories of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def advisory(
    name: str, package: str, *affected: str, fixed: str = "", **facts: Any
) -> dict[str, Any]:
    """Return an advisory in OSV's schema for the `affected` versions of a package."""
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    return {
        "id": name,
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "summary": f"A flaw of {package}",
        "aliases": [],
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
                "versions": list(affected),
            }
        ],
        **facts,
    }


class Service:
    """The address of a running service, and what it knows."""

    def __init__(self, url: str) -> None:
        """Begin with no advisory."""
        self.url = url
        self.advisories: list[dict[str, Any]] = []
        self.broken = False
        """Answer each request with an error."""

    def on(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the advisories on one package and version."""
        return [
            known
            for known in self.advisories
            for each in known["affected"]
            if each["package"]["name"] == query["package"]["name"]
            and query["version"] in each["versions"]
        ]


@contextmanager
def running() -> Iterator[Service]:
    """Serve on a free port of this machine: `/v1/querybatch`, `/v1/query` and `/v1/vulns/ID`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/v1/querybatch":
                keys = ("id", "modified")
                found = [service.on(query) for query in asked["queries"]]
                short = [[{key: each[key] for key in keys} for each in known] for known in found]
                self.answer({"results": [{"vulns": known} for known in short]})
            else:
                self.answer({"vulns": service.on(asked)})

        def do_GET(self) -> None:
            name = self.path.removeprefix("/v1/vulns/")
            self.answer(next(each for each in service.advisories if each["id"] == name))

        def answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(500 if service.broken else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service = Service(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
