"""A small OSV service on this machine, with advisories of its own, which is a package index too."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


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
        self.statuses: dict[str, str] = {}
        """What the index says of a project as a whole, by its name (PEP 792)."""
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

    def answer(self, path: str, asked: Any) -> tuple[str, object]:
        """Return the type and the content of an answer."""
        kind: str = "application/json"
        content: object = {"vulns": self.on(asked)} if path == "/v1/query" else None
        if path == "/v1/querybatch":
            keys = ("id", "modified")
            found = [self.on(query) for query in asked["queries"]]
            short = [[{key: each[key] for key in keys} for each in known] for known in found]
            content = {"results": [{"vulns": known} for known in short]}
        elif path.startswith("/v1/vulns/"):
            name = path.removeprefix("/v1/vulns/")
            content = next(each for each in self.advisories if each["id"] == name)
        elif path.startswith("/simple/"):
            kind = "application/vnd.pypi.simple.v1+json"
            name = path.split("/")[2]
            content = {"meta": {"api-version": "1.4"}, "name": name, "versions": [], "files": []}
            if name in self.statuses:
                content["project-status"] = {"status": self.statuses[name]}
        return kind, content


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@contextmanager
def running() -> Iterator[Service]:
    """Serve on a free port: `/v1/querybatch`, `/v1/query`, `/v1/vulns/ID`, `/simple/NAME/`."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
        kind, content = service.answer(environ["PATH_INFO"], json.loads(body or "null"))
        status = "500 Internal Server Error" if service.broken else "200 OK"
        start_response(status, [("content-type", kind)])
        return [json.dumps(content).encode()]

    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        service = Service(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
