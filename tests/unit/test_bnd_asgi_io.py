"""How long a body is waited for. No test sleeps: the loop's clock is moved to what it waits for."""

from __future__ import annotations

import asyncio
import gc
import selectors
import weakref
from collections.abc import Iterator, MutableMapping
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from unittest import mock

import pytest
from typing_extensions import override

from my_service.adapter.asgi_io import BodyStream
from my_service.security.body import Body
from my_service.security.errors import Problem
from my_service.security.routes import Routes

from ..driver import Inside

PAUSE, RATE = 10, 100


class Jumping(selectors.DefaultSelector):
    """Waits for nothing."""

    now = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """A loop whose time is that of its selector."""

    def __init__(self) -> None:
        self.clock = Jumping()
        super().__init__(self.clock)

    @override
    def time(self) -> float:
        return self.clock.now


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def read(
    loop: Loop, stage: Inside, pieces: list[tuple[float, int]], *, busy: float = 0.0
) -> tuple[int, int, float]:
    """Read a body of pieces, each with the seconds that it takes to come and its bytes.

    The application takes `busy` seconds after each. Returns the status, 0 for a whole body, the
    bytes that were read, and when that was.
    """
    policy = stage.policy.input.model_copy(update={"body_pause": PAUSE, "body_rate": RATE})
    left = [*pieces]

    async def receive() -> MutableMapping[str, Any]:
        seconds, size = left.pop(0)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": bytes(size), "more_body": bool(left)}

    async def run() -> tuple[int, int, float]:
        size = 0
        rules = Routes((), policy).find("POST", "/")
        incoming = BodyStream(Body("application/json", rules, policy), receive)
        try:
            while not incoming.over:
                size += len((await incoming.piece())["body"])
                await asyncio.sleep(busy)
        except Problem as problem:
            return problem.status, size, loop.time()
        return 0, size, loop.time()

    return loop.run_until_complete(run())


@pytest.mark.contract("BND-5")
@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([(9, 1)], 0),
        ([(11, 1)], 408),
        ([(1, 1000), (9, 1)], 0),
        # All that came before earns no longer pause.
        ([(1, 900_000), (11, 1)], 408),
    ],
)
def test_body_may_pause(
    loop: Loop, stage: Inside, pieces: list[tuple[float, int]], status: int
) -> None:
    assert read(loop, stage, pieces)[0] == status


@pytest.mark.contract("BND-5")
def test_body_that_trickles_is_ended(loop: Loop, stage: Inside) -> None:
    status, size, seconds = read(loop, stage, [(9, 1)] * 1000)
    assert (status, size) == (408, 1)
    # One pause, and what the byte that came has earned.
    assert seconds == pytest.approx(PAUSE + 1 / RATE)


@pytest.mark.contract("BND-5")
def test_body_as_fast_as_asked_is_read_however_long_it_takes(loop: Loop, stage: Inside) -> None:
    assert read(loop, stage, [(9, 9 * RATE)] * 100)[:2] == (0, 900 * RATE)
    assert read(loop, stage, [(9, 9 * RATE // 2)] * 100)[0] == 408


@pytest.mark.contract("BND-5")
def test_time_of_the_application_is_not_the_clients(loop: Loop, stage: Inside) -> None:
    assert read(loop, stage, [(1, 1)] * 9, busy=3600)[:2] == (0, 9)


@pytest.mark.contract("BND-5")
@pytest.mark.parametrize("seconds", [1.0, PAUSE], ids=["before its end", "at its end"])
def test_who_else_ends_a_wait_is_obeyed(loop: Loop, stage: Inside, seconds: float) -> None:
    with pytest.raises(asyncio.CancelledError):
        ended(loop, stage, seconds)


@pytest.mark.contract("BND-5")
def test_wait_that_was_too_long_leaves_no_cancellation(loop: Loop, stage: Inside) -> None:
    assert ended(loop, stage, PAUSE + 1) == (408, 0)


def ended(loop: Loop, stage: Inside, seconds: float) -> tuple[int, int]:
    """Cancel a task after so many seconds that waits for a body in vain.

    Returns the status of the refusal, and how many cancellations are left of its own.
    """
    policy = stage.policy.input.model_copy(update={"body_pause": PAUSE, "body_rate": RATE})

    async def read() -> tuple[int, int]:
        rules = Routes((), policy).find("POST", "/")
        incoming = BodyStream(Body("application/json", rules, policy), loop.create_future)
        task = asyncio.current_task()
        assert task
        loop.call_at(loop.time() + seconds, task.cancel)
        try:
            await incoming.piece()
        except Problem as problem:
            return problem.status, task.cancelling()
        return 0, 0

    return loop.run_until_complete(read())


@pytest.mark.contract("BND-4")
@pytest.mark.skipif(find_spec("my_service.adapter.asgi") is None, reason="read before a view runs")
def test_body_is_whole_though_a_wait_for_it_was_given_up(loop: Loop, stage: Inside) -> None:
    # As Starlette's `is_disconnected` does it, or a timeout of the application's.
    reader_class = import_module("my_service.adapter.asgi")._BodyReader
    pieces = [{"type": "http.request", "body": b"[1,", "more_body": True}]

    def receive() -> asyncio.Future[MutableMapping[str, Any]]:
        made: asyncio.Future[MutableMapping[str, Any]] = loop.create_future()
        if pieces:
            made.set_result(pieces.pop())
        return made

    async def read() -> MutableMapping[str, Any]:
        rules = Routes((), stage.policy.input).find("POST", "/")
        body = Body("application/json", rules, stage.policy.input)
        reader = reader_class(mock.Mock(), body, receive)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader(), 0.1)
        pieces.append({"type": "http.request", "body": b"2]", "more_body": False})
        whole: MutableMapping[str, Any] = await reader()
        return whole

    assert loop.run_until_complete(read())["body"] == b"[1,2]"


class Held:
    """What a request holds."""


REQUEST: ContextVar[Held] = ContextVar("request")


@pytest.mark.contract("BND-5")
def test_body_that_nobody_reads_on_leaves_nothing(loop: Loop, stage: Inside) -> None:
    async def read() -> weakref.ref[Held]:
        held = Held()
        REQUEST.set(held)

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"1", "more_body": held is not None}

        rules = Routes((), stage.policy.input).find("POST", "/")
        await BodyStream(Body("application/json", rules, stage.policy.input), receive).piece()
        return weakref.ref(held)

    left = loop.run_until_complete(read())
    gc.collect()
    assert left() is None
