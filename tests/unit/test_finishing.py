"""What a worker still does when it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from unittest import mock

import pytest

from my_service.operate import finishing


def stopped(*, ends: bool) -> tuple[list[str], list[mock._Call]]:
    """Stop a server during a request that ends, or never does.

    Returns what happened, in its order, and the events.
    """
    seen: list[str] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        seen.append((await receive())["type"])
        seen.append((await receive())["type"])

    async def run() -> None:
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        # As granian names it.
        async def future_watcher() -> None:
            await asyncio.sleep(0 if ends else 3600)
            seen.append("answered")

        async def of_the_application() -> None:
            await asyncio.Event().wait()

        async def receive() -> dict[str, str]:
            return messages.pop(0)

        begun = [begin(future_watcher()), begin(of_the_application())]
        await finishing.finishing(app)({"type": "lifespan"}, receive, None)
        for task in begun:
            task.cancel()

    def begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    with (
        mock.patch.object(finishing, "emit") as emit,
        mock.patch.object(finishing, "_SECONDS", 60 if ends else 0),
    ):
        asyncio.run(run())
    return seen, emit.call_args_list


def test_requests_come_to_their_end_first() -> None:
    seen, events = stopped(ends=True)
    assert seen == ["lifespan.startup", "answered", "lifespan.shutdown"]
    assert not events


def test_what_is_given_up_is_said() -> None:
    seen, events = stopped(ends=False)
    assert seen == ["lifespan.startup", "lifespan.shutdown"]
    (event,) = events
    assert event.args == ("sys_work_given_up",)
    assert event.kwargs["requests"] == 1


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_all_else_is_the_applications(kind: str) -> None:
    app = mock.Mock()
    scope = {"type": kind}
    assert finishing.finishing(app)(scope, len, print) is app.return_value
    app.assert_called_once_with(scope, len, print)
