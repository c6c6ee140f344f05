# Owned by the template: extend, do not edit.
"""The policy around an ASGI application, outside everything that the framework does by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from ..security.csrf import SAFE_METHODS
from ..security.errors import Answer, Problem
from ..security.events import REQUEST
from ..security.guard import Guard
from ..security.visit import Visit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiHead:
    """An ASGI scope as the policy reads it."""

    __slots__ = ("_headers", "_pairs", "method", "path", "peer", "query", "scheme")

    def __init__(self, scope: Scope) -> None:
        # Not the scope, which will hold the visit: such a cycle would wait for the collector.
        self._pairs: list[tuple[bytes, bytes]] = scope["headers"]
        self.method: str = scope["method"]
        # Not scope["path"]: servers replace there what is not UTF-8, and that is to be refused.
        path: bytes = scope["raw_path"]
        self.path = unquote_to_bytes(path) if b"%" in path else path
        self.query: bytes = scope["query_string"]
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        self.scheme: str = scope["scheme"]
        self._headers = dict(self._pairs)

    def header(self, name: str) -> str:
        key = name.encode()
        if key not in self._headers:
            return ""
        if len(self._headers) == len(self._pairs):
            return str(self._headers[key], "latin-1")
        values = [value for each, value in self._pairs if each == key]
        if name == "content-type":
            # The first, as frameworks read it, and all that a WSGI service gets to see.
            return values[0].decode("latin-1")
        return (b"; " if name == "cookie" else b",").join(values).decode("latin-1")

    def size(self) -> tuple[int, int]:
        headers, count = self._headers, len(self._pairs)
        if len(headers) == count:
            return count, len(b"".join(headers)) + len(b"".join(headers.values()))
        return count, sum(len(name) + len(value) for name, value in self._pairs)


class Guarded:
    """The application that the server runs."""

    def __init__(self, app: App, guard: Guard) -> None:
        self.app = app
        self.guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            # A WebSocket has none of the protections of a request; closing it is answered with 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        visit = self.guard.enter(AsgiHead(scope))
        try:
            await _Exchange(self.guard, visit, send).run(self.app, scope, receive)
        finally:
            REQUEST.set(None)


class _Exchange:
    """One request and its response."""

    __slots__ = ("_guard", "_is_head", "_replaced", "_send_raw", "_started", "_visit")

    def __init__(self, guard: Guard, visit: Visit, send: Send) -> None:
        self._guard = guard
        self._visit = visit
        self._send_raw = send
        self._is_head = visit.head.method == "HEAD"
        self._started = False
        self._replaced = False

    async def run(self, app: App, scope: Scope, receive: Receive) -> None:
        visit = self._visit
        try:
            if visit.answer is None and visit.head.method not in SAFE_METHODS:
                receive = await self._read_body(receive)
            if visit.answer is not None:
                await self._answer(await asyncio.to_thread(self._guard.respond, visit))
                return
            scope["visit"] = visit
            scope["session"] = visit.session
            if visit.session.cookie:
                if self._guard.store.local:
                    visit.session.fetch()
                else:
                    await asyncio.to_thread(visit.session.fetch)
            if self._is_head:
                scope["method"] = "GET"
            await app(scope, receive, self._send)
        except Exception as error:  # noqa: BLE001 - nobody else is left to answer
            answer = self._guard.crash(visit, error)
            if not self._started:
                await self._answer(answer)

    async def _read_body(self, receive: Receive) -> Receive:
        body = bytearray()
        more = True
        while more and len(body) <= self._guard.policy.input.max_body:
            message = await receive()
            if message["type"] != "http.request":
                # The client went away: half a form is not a form.
                raise Problem(400)
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self._visit.read_body(bytes(body))
        messages = iter([{"type": "http.request", "body": bytes(body), "more_body": False}])

        async def replay() -> Message:
            return next(messages, None) or await receive()

        return replay

    async def _send(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            if not self._replaced:
                await self._send_raw({**message, "body": b""} if self._is_head else message)
            return
        status, own = message["status"], list(message["headers"])
        if self._visit.stores:
            sent = await asyncio.to_thread(self._guard.leave, self._visit, status, own)
        else:
            sent = self._guard.leave(self._visit, status, own)
        status, pairs, block, body = sent
        self._started = True
        headers = [*pairs, *block.raw]
        await self._send_raw({"type": "http.response.start", "status": status, "headers": headers})
        if body is not None:
            await self._send({"type": "http.response.body", "body": body})
            self._replaced = True

    async def _answer(self, answer: Answer) -> None:
        self._visit.final = True
        headers = answer.pairs()
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": answer.body})
