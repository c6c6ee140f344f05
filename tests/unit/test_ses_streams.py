"""Streams of events end with the session that they began in (SES-10)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from my_service.security.stores import StoreError
from my_service.security.stores.sqlite import SqliteStore

from ..driver import CHEAP, Browser, Files, Inside, User
from .stage import FACTS, Stage
from .views import STREAM_BEGUN

TICK = "data: tick"
FOR_EVER = 1_000
"""Ticks of a stream that nobody ends: more than a test waits for."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """Return the service, which looks for a stream's session every second."""
    exceptions = {**CHEAP, "websocket.session-check": 1}
    files = Files(tmp_path_factory.mktemp("streams"), exceptions, facts=FACTS)
    with closing(Stage(files)) as service:
        yield service


@pytest.fixture
def user(stage: Inside) -> User:
    return stage.add_user()


@pytest.fixture
def member(stage: Inside, user: User) -> Browser:
    return stage.login(user)


def stream(member: Browser, meanwhile: Callable[[], object]) -> str:
    """Open a stream that has no end, do something once it has begun, and return what came."""
    STREAM_BEGUN.clear()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(member.get, f"/stage/events?times={FOR_EVER}")
        assert STREAM_BEGUN.wait(10)
        meanwhile()
        return answer.result().text


@pytest.mark.contract("SES-10")
@pytest.mark.parametrize("way", ["logout", "revoke", "disable", "idle"])
def test_ends_with_the_session(
    stage: Inside, user: User, member: Browser, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whole, so that the browser asks again; nothing is logged as if it had crashed."""
    ways: dict[str, Callable[[], object]] = {
        "logout": lambda: member.copy().post("/logout"),
        "revoke": lambda: stage.cli("sessions", "revoke", user.name),
        "disable": lambda: stage.cli("user", "disable", user.name),
        "idle": lambda: stage.clock.advance(stage.policy.sessions.idle_timeout),
    }
    with caplog.at_level(logging.INFO):
        text = stream(member, ways[way])
    assert 0 < text.count(TICK) < FOR_EVER
    assert "a stream of events has ended" in caplog.text
    assert "sys_crash" not in caplog.text
    assert not member.logged_in()


@pytest.mark.contract("SES-10")
def test_goes_on_as_long_as_the_session(member: Browser) -> None:
    ticks = 30
    answer = member.get(f"/stage/events?times={ticks}")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.count(TICK) == ticks
    assert member.logged_in()


@pytest.mark.contract("SES-10")
def test_ends_where_nobody_can_know(
    member: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise StoreError("away")

    text = stream(member, lambda: monkeypatch.setattr(SqliteStore, "get", away))
    assert 0 < text.count(TICK) < FOR_EVER
    assert "store away" in caplog.text
    assert "sys_crash" not in caplog.text
