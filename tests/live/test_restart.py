"""What outlives a restart, and how the server ends (THR-5, SES-5)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.conftest import Render
from tests.live.service import Service, User, running
from tests.projects import Project
from tests.weekly import frameworks

LIMIT = 5
"""`throttle.pair.limit` of the policy."""


@pytest.fixture(scope="module")
def service(project: Project) -> Iterator[Service]:
    """Run a service that may be stopped."""
    with running(project) as started:
        yield started


def restart(service: Service, number: int = signal.SIGTERM) -> None:
    """Stop the server as an init system does, and start it again."""
    assert service.stop(number) == 0
    service.start()


def test_counters_survive(service: Service, user: User) -> None:
    wrong = User(user.name, "wrong guess")
    with service.client("192.0.2.1") as client:
        assert [client.login(wrong).status_code for _ in range(LIMIT - 1)] == [401] * (LIMIT - 1)
    restart(service)
    with service.client("192.0.2.1") as client:
        assert client.login(wrong).status_code == 401
        assert client.login(user).status_code == 429


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sessions_survive(service: Service, user: User, number: int) -> None:
    with service.client() as client:
        assert client.login(user).is_redirect
        cookies = client.cookies
    restart(service, number)
    with service.client() as client:
        client.cookies = cookies
        assert client.logged_in()
        assert client.post("/logout").headers["location"] == "/"
    with service.client() as client:
        client.cookies = cookies
        assert not client.logged_in()


def test_requests_under_way_are_answered(service: Service, user: User) -> None:
    # A body that is still on its way when the signal comes.
    with service.client("192.0.2.8") as client, ThreadPoolExecutor() as pool:
        asked, stopped = Event(), Event()

        def body() -> Iterator[bytes]:
            yield b"username=" + user.name.encode()
            asked.set()
            assert stopped.wait(60)
            yield b"&password=" + user.password.encode()

        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = pool.submit(client.post, "/login", content=body(), headers=kind)
        assert asked.wait(60)
        assert client.get("/healthz").status_code == 200
        assert service.process
        service.process.send_signal(signal.SIGTERM)
        stopped.set()
        assert answer.result().is_redirect
    # Without a second signal, which would hit an interpreter that no longer handles any.
    assert service.stop(0) == 0
    # The server itself writes nothing that is no log line.
    assert all({"event", "level", "timestamp"} <= line.keys() for line in service.lines())
    service.start()


@pytest.mark.parametrize("framework", frameworks("flask", "litestar"))
def test_sessions_in_cookies_survive(installed: Render, framework: str) -> None:
    with running(installed(framework=framework, sessions="cookie")) as service:
        user = service.add_user()
        with service.client() as client, service.client() as thief:
            assert client.login(user).is_redirect
            thief.cookies.update(client.cookies)
            restart(service)
            assert client.logged_in()
            assert thief.logged_in()
            # Dead at once, though the stolen cookie is complete.
            assert client.post("/logout").is_redirect
            assert not thief.logged_in()
