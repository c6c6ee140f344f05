"""How long a body is waited for. No test sleeps: the loop's clock is moved to what it waits for."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from typing_extensions import override

from my_service.adapter.incoming import Incoming
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
        incoming = Incoming(Body("application/json", rules, policy), receive)
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
