# Owned by the template: extend, do not edit.
"""What is read from an ASGI server and sent to it, whatever kind of application is behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from contextvars import Context
from typing import Any

from ..security.body import Body
from ..security.errors import Problem
from ..security.responses import Response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_PAUSE_SECONDS = 1
"""For the next piece of what nobody reads: who stalls is not waited for."""


class _Deadline:
    """Ends a wait that is too long, as `asyncio.timeout_at` does, by one timer for many waits.

    A body has thousands of pieces in a second. Each deadline has to be after the one before, so
    that it is soon enough to look at it when that one has come. The timer holds nothing but this:
    of a request whose body nobody reads on, nothing else stays until then.
    """

    __slots__ = ("_at", "_cancels", "_loop", "_passed", "_task", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._at = 0.0
        self._task: asyncio.Task[Any] | None = None
        """Who waits."""
        self._cancels = 0
        """How often the task had been cancelled before."""
        self._passed = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, at: float) -> None:
        """Wait in the current task, until that time of the loop's."""
        self._at = at
        task = self._task = asyncio.current_task(self._loop)
        self._cancels = task.cancelling() if task else 0
        if self._timer is None:
            # In no context: that of here holds the request.
            self._timer = self._loop.call_at(at, self._look, context=Context())

    def end(self) -> None:
        """Wait no longer."""
        self._task = None

    def has_passed(self) -> bool:
        """Tell why the wait was cancelled. Whoever else cancels the task is obeyed."""
        passed, self._passed = self._passed, False
        return passed and self._task is not None and self._task.uncancel() <= self._cancels

    def drop(self) -> None:
        """Forget it: nobody will wait again."""
        if self._timer:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self._at:
            self._timer = self._loop.call_at(self._at, self._look)
            return
        self._passed = True
        self._task.cancel()


class BodyStream:
    """A request's body, piece by piece, under the policy's limits (BND-4, BND-5)."""

    __slots__ = ("_body", "_deadline", "_loop", "_receive", "_waited", "over")

    def __init__(self, body: Body, receive: Receive) -> None:
        self._body = body
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._deadline = _Deadline(self._loop)
        self._waited = 0.0
        """Seconds; the application's own time between two pieces is not the client's."""
        self.over = False
        """Nothing of the body is left to be read."""

    async def piece(self) -> Message:
        """Return the server's next message, checked; raise `Problem`.

        Of a body that is held, the caller judges the whole.
        """
        begin = self._loop.time()
        self._deadline.begin(begin + self._body.patience(self._waited))
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if not self._deadline.has_passed():
                raise
            reason = "the body came too slowly: input.body-pause, input.body-rate"
            raise Problem(408, reason=reason) from None
        finally:
            self._deadline.end()
        self._waited += self._loop.time() - begin
        if message["type"] != "http.request":
            # The client went away: half a form is not a form.
            raise Problem(400, reason="the body ended early")
        # Before it is judged: nobody waits for more of a body that is refused for its last piece.
        self.over = not message.get("more_body", False)
        self._body.feed(message.get("body", b""))
        if self.over:
            self._deadline.drop()
            if not self._body.held:
                self._body.finish()
        return message

    async def drop(self, seconds: int) -> None:
        """Let go of what is left of it, and of the server, once the response is sent.

        The server keeps the connection open as long as somebody may ask for more: an exception that
        has passed here, for one, until the collector comes.
        """
        if not self.over:
            await linger(self._receive, seconds)
        self._receive = nothing


async def nothing() -> Message:
    """Be received where a request is over."""
    return {"type": "http.disconnect"}


async def nowhere(_: Message) -> None:
    """Be sent to where a request is over."""


async def linger(receive: Receive, seconds: int) -> None:
    """Read what is left of a body, `seconds` at most, and drop it, once the response is sent.

    Closing a connection on which the client still sends resets it: the response is lost, and a
    proxy that was still passing the body on answers 502 in its place (RFC 9112 section 9.6).
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            more = True
            while more:
                async with asyncio.timeout(_PAUSE_SECONDS):
                    message = await receive()
                more = message["type"] == "http.request" and message.get("more_body", False)


async def send_response(send: Send, response: Response, *, is_head: bool) -> None:
    """Send a response whose body is whole; without it where HEAD was asked."""
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )
    await send({"type": "http.response.body", "body": b"" if is_head else response.body or b""})
