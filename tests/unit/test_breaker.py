"""The breaker in front of a store on another machine (THR-5)."""

from __future__ import annotations

import socket
import time
from contextlib import closing

import pytest

from my_service.security.stores import StoreError
from my_service.security.stores.breaker import FAILURES, PAUSE_SECONDS, Breaker, OpenError
from my_service.security.stores.redis import READ_SECONDS, RedisStore

pytestmark = pytest.mark.contract("THR-5")


class Away(Exception):
    pass


class Line:
    """A server behind a breaker, and a clock that it moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls = 0
        self.wait = 0.5
        self.error: Exception | None = Away()
        self.breaker = Breaker(lambda: self.now)

    def ask(self) -> str:
        """Call once; return how it went."""
        try:
            with self.breaker.call((Away,)):
                self.calls += 1
                self.now += self.wait
                if self.error:
                    raise self.error
        except OpenError:
            return "open"
        except Away:
            return "away"
        return "answered"


@pytest.fixture
def line() -> Line:
    return Line()


def test_after_some_failures_in_a_row_nobody_waits(line: Line) -> None:
    assert [line.ask() for _ in range(FAILURES + 5)] == ["away"] * FAILURES + ["open"] * 5
    assert line.calls == FAILURES


def test_one_at_a_time_tries_again(line: Line) -> None:
    for _ in range(FAILURES):
        line.ask()
    line.now += PAUSE_SECONDS
    others: list[str] = []

    def probe() -> None:
        with line.breaker.call((Away,)):
            # While it waits.
            others.extend(line.ask() for _ in range(5))
            line.now += 0.5
            raise Away

    with pytest.raises(Away):
        probe()
    assert others == ["open"] * 5
    assert line.ask() == "open"
    line.now += PAUSE_SECONDS
    line.error = None
    assert [line.ask() for _ in range(3)] == ["answered"] * 3


def test_success_starts_the_count_anew(line: Line) -> None:
    for _ in range(3):
        assert [line.ask() for _ in range(FAILURES - 1)] == ["away"] * (FAILURES - 1)
        line.error = None
        assert line.ask() == "answered"
        line.error = Away()


def test_what_fails_at_once_costs_nothing(line: Line) -> None:
    line.wait = 0
    assert [line.ask() for _ in range(20)] == ["away"] * 20
    line.error = None
    assert line.ask() == "answered"


def test_an_error_that_the_server_sent_is_an_answer(line: Line) -> None:
    for _ in range(FAILURES - 1):
        line.ask()
    with pytest.raises(ValueError, match="wrong"), line.breaker.call((Away,)):
        raise ValueError("wrong type")
    assert [line.ask() for _ in range(FAILURES)] == ["away"] * FAILURES


def test_a_store_that_hangs_is_waited_for_a_few_times() -> None:
    """It takes connections and says nothing, as one that was stopped does."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        with closing(RedisStore(url)) as store:
            for number in range(FAILURES + 10):
                begun = time.monotonic()
                with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
                    store.get("a" * 64)
                waited = time.monotonic() - begun
                assert waited < (READ_SECONDS if number >= FAILURES else 10)


def test_address_says_how_long_a_store_is_waited_for() -> None:
    patience = READ_SECONDS * 2
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0?socket_timeout={patience}"
        with closing(RedisStore(url)) as store:
            begun = time.monotonic()
            with pytest.raises(StoreError, match="Timeout"):
                store.get("a" * 64)
            assert time.monotonic() - begun >= patience
