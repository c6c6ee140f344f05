# Owned by the template: extend, do not edit.
"""WebSockets, which exist by a fact of their path only (RTE-6; ASVS 4.4).

The handshake is judged like a request: host, limits, origin, session, access. What follows has the
policy's limits, and ends with the session that it began in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any

from ..security.context import RequestContext
from ..security.errors import Problem
from ..security.events import REQUEST, note
from ..security.policy import Policy
from ..security.responses import Response
from ..security.sockets import (
    OF_HTTP,
    POLICY,
    Connections,
    Messages,
    SocketClosed,
    late,
    may_name,
    raised_by,
)
from ..security.stores import StoreError
from .asgi import AsgiRequestHead, BoundaryMiddleware, rewrite
from .asgi_io import Message, Receive, Scope, Send
from .authorship import unreadable

_SWITCHING, _ERROR = 101, 500
_GONE, _UNREADABLE, _CRASH, _LATER, _SIGNED_OUT = 1001, 1007, 1011, 1013, 4401
"""Close codes (RFC 6455 section 7.4; IANA): the last is a private one, as HTTP's 401."""
_DENIAL = "websocket.http.response"
_GRACE = 5
"""Seconds in which an application may notice that its socket is closed."""


def objection(policy: Policy) -> str:  # noqa: ARG001 - elsewhere it depends on the facts
    """Return why the facts about WebSockets cannot work here: "", since they do."""
    return ""


class Sockets:
    """The WebSockets of this process."""

    def __init__(self, middleware: BoundaryMiddleware) -> None:
        """Take the application with the policy around it."""
        self.middleware = middleware
        self.boundary = middleware.boundary
        policy = self.boundary.policy
        self._connections = Connections(policy.websocket, policy.throttle.ipv6_prefix)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, from its handshake to its end."""
        scheme = "https" if scope["scheme"] == "wss" else "http"
        head = AsgiRequestHead({**scope, "method": "GET", "scheme": scheme})
        try:
            connect = await receive()
            entered = self.boundary.enter_socket(head)
            if isinstance(entered, Response):
                await deny(scope, send, entered)
                return
            if problem := self._connections.problem(entered.client):
                response = self.boundary.error_response(entered, problem)
                await deny(scope, send, self.boundary.leave(entered, response))
                return
            with self._connections.counted(entered.client):
                await _Socket(self, entered, (scope, receive, send)).run(connect)
        finally:
            REQUEST.set(None)


class _Socket:
    """One connection."""

    def __init__(
        self,
        sockets: Sockets,
        context: RequestContext,
        connection: tuple[Scope, Receive, Send],
    ) -> None:
        self._middleware = sockets.middleware
        self._boundary = sockets.boundary
        self._limits = sockets.boundary.policy.websocket
        self._context = context
        self._scope, self._receive_raw, self._send_raw = connection
        self._connect: Message | None = None
        """What the application receives first."""
        self._accepted = False
        self._code = 0
        """With which the connection was closed, 0 while it is not."""
        self._answered: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._reader: asyncio.Task[Any] | None = None
        """Who waits for what the client sends."""
        self._stops_reader = False
        self._ahead: asyncio.Task[Message] | None = None
        """What the client says next, asked for because the application does not."""
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.Task[None] | None = None
        self._messages = Messages(self._limits)
        self._denial: tuple[Message, list[bytes]] | None = None
        """What the application answers instead of accepting."""

    async def run(self, connect: Message) -> None:
        self._connect = connect
        rewrite(self._scope, self._boundary, self._context)
        self._scope["scheme"] = "wss" if self._context.https else "ws"
        session = self._scope["session"] = self._context.session
        if session.cookie:
            await self._middleware.fetch(session)
        app = asyncio.ensure_future(self._middleware.app(self._scope, self._receive, self._send))
        self._watch()
        try:
            await asyncio.wait({app, self._closed}, return_when=asyncio.FIRST_COMPLETED)
            if not app.done():
                await asyncio.wait({app}, timeout=_GRACE)
            await self._finish(app)
        finally:
            self._end()
            try:
                if self._look and self._code:
                    # It may be about to say why.
                    await asyncio.wait({self._look}, timeout=_GRACE)
                tasks = [task for task in (app, self._look, self._ahead) if task]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                # What fails once it is over, such as what keeps what came: nobody else would tell.
                if error := late(app, self._answered):
                    self._boundary.crash(self._context, error)
                    if self._middleware.propagate(self._scope):
                        raise error

    async def _finish(self, app: asyncio.Future[None]) -> None:
        """Say the end where the application did not."""
        error = self._answered = None if self._code else raised_by(app)
        if error and self._accepted and unreadable(error):
            await self._close(_UNREADABLE, "a message that cannot be read")
        elif error:
            response = self._boundary.crash(self._context, error)
            if response.status == _ERROR and self._middleware.propagate(self._scope):
                raise error
            await self._deny(response)
        elif self._accepted and not self._code:
            await self._close(1000)
        elif not self._code:
            await self._refuse(Problem(403, reason="the application did not accept"))
        if self._accepted and self._context.session.unsaved:
            note(
                "response_dropped", reason="what a WebSocket wrote into the session after its start"
            )

    async def _receive(self) -> Message:
        if self._connect:
            first, self._connect = self._connect, None
            return first
        if self._code:
            return {"type": "websocket.disconnect", "code": self._code}
        # In the task of who asks, as `asyncio.timeout` does it: thousands of messages come in a
        # second, and a task for each would cost as much as the framework does.
        reader = self._reader = asyncio.current_task(self._loop)
        ahead, self._ahead = self._ahead, None
        try:
            message = await (ahead or self._receive_raw())
        except asyncio.CancelledError:
            if not self._stops_reader or (reader and reader.uncancel() > 0):
                raise
            return {"type": "websocket.disconnect", "code": self._code}
        finally:
            self._reader = None
        if self._closed.done():
            return {"type": "websocket.disconnect", "code": self._code}
        if message["type"] == "websocket.disconnect":
            self._gone(message)
        elif problem := self._messages.judge(message):
            code, reason = problem
            await self._close(code, reason)
            return {"type": "websocket.disconnect", "code": code}
        return message

    async def _listen(self) -> Message:
        message = await self._receive_raw()
        if message["type"] == "websocket.disconnect" and not self._code:
            self._gone(message)
        return message

    def _gone(self, message: Message) -> None:
        self._code = message.get("code") or _GONE
        self._end()

    def _end(self) -> None:
        """Let all who wait know that it is over."""
        if self._timer:
            self._timer.cancel()
        if not self._closed.done():
            self._closed.set_result(None)
        if self._reader and not self._stops_reader:
            self._stops_reader = True
            self._reader.cancel()

    def _send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "websocket.send" and not self._code:
            # No coroutine around the server's: there are thousands of messages in a second.
            self._messages.last = time.monotonic()
            return self._send_raw(message)
        return self._take(message)

    async def _take(self, message: Message) -> None:
        """Take what is not just sent as it comes."""
        kind = message["type"]
        if self._code:
            raise SocketClosed("the WebSocket is closed")
        if kind == "websocket.accept":
            await self._accept(message)
        elif kind == f"{_DENIAL}.start":
            self._denial = (message, [])
        elif kind == f"{_DENIAL}.body" and self._denial:
            start, pieces = self._denial
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._deny(
                    Response(start["status"], list(start.get("headers", ())), b"".join(pieces))
                )
        elif kind == "websocket.close" and not self._accepted:
            status = message.get("code", 0) - OF_HTTP
            await self._refuse(Problem(status if status in range(400, 600) else 403))
        else:
            self._messages.last = time.monotonic()
            if kind == "websocket.close":
                self._code = message.get("code") or 1000
                self._end()
                if not isinstance(message.get("reason") or "", str):
                    # FastAPI would tell what its validation has found: its words, and no text.
                    message = {**message, "reason": ""}
            await self._send_raw(message)

    async def _accept(self, message: Message) -> None:
        """Decide who may come in, at the latest here; send what the policy lets leave."""
        if not may_name(message.get("subprotocol")):
            raise ValueError("a subprotocol that no header can have (RFC 6455 section 4.1)")
        # The subprotocol has a place of its own.
        own = [(name.lower(), value) for name, value in message.get("headers") or ()]
        sent = await self._middleware.leave(self._context, Response(_SWITCHING, own, None))
        if sent.status != _SWITCHING:
            await self._deny_with(sent)
            raise SocketClosed("the WebSocket is refused")
        self._accepted = True
        self._messages.last = time.monotonic()
        await self._send_raw({**message, "headers": sent.headers})

    async def _refuse(self, problem: Problem) -> None:
        await self._deny(self._boundary.error_response(self._context, problem))

    async def _deny(self, response: Response) -> None:
        if self._accepted:
            # What is open has no answer of HTTP's any more.
            await self._close(_CRASH if response.status == _ERROR else OF_HTTP + response.status)
        else:
            await self._deny_with(await self._middleware.leave(self._context, response))

    async def _deny_with(self, response: Response) -> None:
        self._code = POLICY
        self._end()
        await deny(self._scope, self._send_raw, response)

    async def _close(self, code: int, reason: str = "") -> None:
        self._code = code
        if reason:
            note("request_refused", status=code, reason=reason)
        self._end()
        # A client that is gone cannot be told.
        with suppress(Exception):
            await self._send_raw({"type": "websocket.close", "code": code, "reason": ""})

    def _watch(self) -> None:
        """Look at it later. By a timer: a task for each of thousands would hold memory."""
        limits = self._limits
        self._timer = self._loop.call_later(
            min(limits.session_check, limits.idle_timeout), self._begin_look
        )

    def _begin_look(self) -> None:
        self._look = self._loop.create_task(self._look_at_it())

    async def _look_at_it(self) -> None:
        """End what is idle, and what has lost its session."""
        if self._accepted and not self._code:
            if not (self._reader or self._ahead):
                # An application that only sends would never learn that nobody is there.
                self._ahead = self._loop.create_task(self._listen())
            if time.monotonic() - self._messages.last >= self._limits.idle_timeout:
                await self._close(_GONE, "websocket.idle-timeout")
            elif not (await self._lives() or self._code):
                await self._close(_SIGNED_OUT, "its session has ended")
        if not self._code:
            self._watch()

    async def _lives(self) -> bool:
        used, self._messages.used = self._messages.used, False
        try:
            lives = partial(self._context.session.lives, used=used)
            return await self._middleware.in_thread(lives)
        except StoreError:
            await self._close(_LATER, "store away")
            return True


async def deny(scope: Scope, send: Send, response: Response) -> None:
    """Answer a handshake by a response, or where the server has no way to, by its own 403."""
    if _DENIAL not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY, "reason": ""})
        return
    await send({"type": f"{_DENIAL}.start", "status": response.status, "headers": response.headers})
    await send({"type": f"{_DENIAL}.body", "body": response.body or b""})
