# Owned by the template: extend, do not edit.
"""Calls the service in this process, as its server would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import unquote

import httpx
from typing_extensions import override

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PIECE = 65536
LIMIT_SECONDS = 30


class Transport(httpx.BaseTransport):
    """One event loop in a thread of its own, as in a worker; may be called from many threads.

    Of a request's extensions, `target` is sent as it is, `peer` is the address of the client, ""
    for a Unix socket, and `scheme` that of the connection. With `then` the body stays unfinished:
    the client may "leave" or "pause".
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = asyncio.run_coroutine_threadsafe(self._call(request), self._loop)
        return answer.result(LIMIT_SECONDS)

    @override
    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(LIMIT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _finish(self) -> None:
        # As `asyncio.run` does, by which servers run: the thread of a view may be late.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    async def _call(self, request: httpx.Request) -> httpx.Response:
        target: bytes = request.extensions["target"]
        peer: str = request.extensions["peer"]
        then: str = request.extensions["then"]
        path, _, query = target.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.extensions["scheme"],
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": (peer, 50000) if peer else None,
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        stream = request.stream
        if not isinstance(stream, Iterable):
            raise TypeError("only bodies that can be iterated over are supported")
        body = b"".join(stream)
        pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)] or [b""]
        sent: list[Message] = []
        over = asyncio.Event()

        async def receive() -> Message:
            if not pieces and then == "leave":
                return {"type": "http.disconnect"}
            if not (pieces or then) and _is_over(sent):
                raise AssertionError("the service waits for more of a body that has come whole")
            if not pieces:
                # The client waits for the answer; an application that listens for a disconnect
                # must not see one before it has sent the whole.
                await (asyncio.Event() if then else over).wait()
                return {"type": "http.disconnect"}
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces or then)}

        async def send(message: Message) -> None:
            sent.append(message)
            if _is_over(sent):
                over.set()

        await self._application(scope, receive, send)
        start = next(message for message in sent if message["type"] == "http.response.start")
        content = b"".join(message.get("body", b"") for message in sent)
        return httpx.Response(
            start["status"],
            headers=list(start.get("headers", [])),
            # Servers cut the body of an answer to HEAD.
            content=b"" if request.method == "HEAD" else content,
            request=request,
        )


def _is_over(sent: list[Message]) -> bool:
    """Tell whether a response has ended."""
    return any(
        message["type"] == "http.response.body" and not message.get("more_body", False)
        for message in sent
    )
