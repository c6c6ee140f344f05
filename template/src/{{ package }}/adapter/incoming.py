# Owned by the template: extend, do not edit.
"""A request's body as the server hands it over, piece by piece, under the policy's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..security.body import Body
from ..security.errors import Problem


class Incoming:
    """Waits for a body no longer than the policy lets it take (BND-4, BND-5)."""

    __slots__ = ("_body", "_loop", "_receive", "_waited", "over")

    def __init__(
        self, body: Body, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]
    ) -> None:
        self._body = body
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._waited = 0.0
        """Seconds; the application's own time between two pieces is not the client's."""
        self.over = False
        """Nothing of the body is left to be read."""

    async def piece(self) -> MutableMapping[str, Any]:
        """Return the server's next message, checked; raise `Problem`.

        Of a body that is held, the caller judges the whole.
        """
        begin = self._loop.time()
        try:
            async with asyncio.timeout_at(begin + self._body.patience(self._waited)):
                message = await self._receive()
        except TimeoutError:
            reason = "the body came too slowly: input.body-pause, input.body-rate"
            raise Problem(408, reason=reason) from None
        self._waited += self._loop.time() - begin
        if message["type"] != "http.request":
            # The client went away: half a form is not a form.
            raise Problem(400, reason="the body ended early")
        # Before it is judged: nobody waits for more of a body that is refused for its last piece.
        self.over = not message.get("more_body", False)
        self._body.feed(message.get("body", b""))
        if self.over and not self._body.held:
            self._body.finish()
        return message
