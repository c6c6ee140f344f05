"""What a request leaves behind: nothing that waits for the collector, so that memory stays warm."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import MutableMapping
from importlib.util import find_spec
from typing import Any

import pytest

from my_service.adapter.server import server_app
from my_service.security.context import RequestContext
from my_service.security.sessions import Session

from ..driver import HOST, Inside

ASGI = find_spec("my_service.adapter.asgi")
"""None for Flask and Django, whose requests are cycles of their own."""


def left() -> list[type]:
    """Return what there is of requests, each of which is over."""
    return [type(each) for each in gc.get_objects() if isinstance(each, RequestContext | Session)]


@pytest.mark.contract("BND-1")
@pytest.mark.skipif(ASGI is None, reason="WSGI's frameworks leave cycles of their own")
@pytest.mark.parametrize("path", ["/", "/healthz", "/login"])
@pytest.mark.parametrize("signed_in", [False, True], ids=["anonymous", "signed in"])
def test_request_leaves_no_cycle(inside: Inside, path: str, *, signed_in: bool) -> None:
    who = inside.member() if signed_in else inside.visitor()
    who.get(path)
    gc.collect()
    before = len(left())
    gc.disable()
    try:
        for _ in range(5):
            who.get(path)
        # Tasks may not have ended yet; a cycle stays for as long as nobody collects it.
        deadline = time.monotonic() + 60
        while len(found := left()) > before + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(found) <= before + 2
    finally:
        gc.enable()


class Connection:
    """A server's side of a request that stalls: open as long as somebody may ask for more."""

    def __init__(self) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self._pieces = [{"type": "http.request", "body": b"a=", "more_body": True}]

    def receive(self) -> asyncio.Future[MutableMapping[str, Any]]:
        # No coroutine, whose frame would stay in an exception: servers' are none of Python's.
        made = asyncio.get_running_loop().create_future()
        if self._pieces:
            made.set_result(self._pieces.pop())
        return made

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)


@pytest.mark.contract("BND-5")
@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/login", b"application/x-www-form-urlencoded", 408),
        ("/stage/raw", b"application/xml", 408),
        ("/stage/nowhere", b"application/x-www-form-urlencoded", 404),
        ("/notes", b"application/x-www-form-urlencoded", 303),
    ],
)
def test_half_a_body_keeps_no_connection(stage: Any, path: str, kind: bytes, status: int) -> None:
    app = server_app(stage.application)
    headers = {b"host": HOST.encode(), b"content-type": kind, b"content-length": b"50"}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*headers.items(), (b"sec-fetch-site", b"same-origin")],
        "client": ("198.51.100.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }

    async def send() -> tuple[int, bool]:
        connection = Connection()
        await asyncio.create_task(app({**scope}, connection.receive, connection.send))
        answered, known = connection.sent[0]["status"], weakref.ref(connection)
        del connection
        for _ in range(200):
            if known() is None:
                break
            await asyncio.sleep(0.05)
        return answered, known() is not None

    gc.disable()
    try:
        assert asyncio.run(send()) == (status, False)
    finally:
        gc.enable()
