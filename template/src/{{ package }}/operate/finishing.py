# Owned by the template: extend, do not edit.
"""What a worker still does when it is told to stop, and no connection waits for it any more.

A framework's background tasks run behind the answer, and so does a view whose client has gone. The
server waits for connections alone, and then ends: half the work would be done, without a word.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..security.events import emit

_SECONDS = 20
"""Less than the main process waits before it kills (`_STOP_SECONDS`)."""


def finishing(app: Any) -> Any:
    """Return the application as a server runs it: before its end, requests come to theirs."""

    def call(scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] != "lifespan":
            return app(scope, receive, send)

        async def receive_last() -> Any:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await _requests()
            return message

        return app(scope, receive_last, send)

    return call


async def _requests() -> None:
    left = {task for task in asyncio.all_tasks() if _is_request(task)}
    if left:
        _, left = await asyncio.wait(left, timeout=_SECONDS)
    if left:
        reason = f"not done {_SECONDS} s after the last connection had ended"
        emit("sys_work_given_up", requests=len(left), reason=reason)


def _is_request(task: asyncio.Task[Any]) -> bool:
    """Tell whether the server has begun it: the application's own may never end."""
    # By granian's name for it; tests/live would see it change.
    return getattr(task.get_coro(), "__qualname__", "").endswith(".future_watcher")
