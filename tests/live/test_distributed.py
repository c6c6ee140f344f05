"""State on other machines: a real Redis and PostgreSQL, and what happens while they are away."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Render
from tests.live.backends import PostgresServer, RedisServer, serving
from tests.live.service import Service, User, running
from tests.projects import Project
from tests.weekly import frameworks


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """Run a Redis."""
    with serving(RedisServer) as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL."""
    with serving(PostgresServer) as server:
        yield server


@pytest.fixture(scope="module", params=frameworks("flask", "litestar"))
def project(request: pytest.FixtureRequest, installed: Render) -> Project:
    """Return a project made for several machines."""
    return installed(framework=request.param, storage="distributed")


def variables(redis: RedisServer, postgres: PostgresServer) -> dict[str, str]:
    """Return the environment that names both servers."""
    return {"APP_STORE_URL": redis.url, "APP_DATABASE_URL": postgres.url}


@pytest.fixture(scope="module")
def service(project: Project, redis: RedisServer, postgres: PostgresServer) -> Iterator[Service]:
    """Run the service."""
    postgres.clear()
    with running(project, variables=variables(redis, postgres)) as started:
        yield started


def statuses(service: Service, *paths: str) -> list[int]:
    """Return what a visitor gets at each path."""
    with service.client() as client:
        return [client.get(path).status_code for path in paths]


def test_notes(service: Service, user: User) -> None:
    note = {"title": "<script>", "body": "x" * 2000}
    with service.client() as client:
        assert client.login(user).is_redirect
        assert client.post("/notes", data=note).is_redirect
        answer = client.post("/api/notes", json=note)
        assert answer.status_code == 201
        assert client.get(f"/api/notes/{answer.json()['id']}").json()["title"] == "<script>"
        assert len(client.get("/api/notes").json()["notes"]) == 2
        assert client.get("/readyz").status_code == 200


def test_two_machines_share_everything(
    project: Project, service: Service, user: User, redis: RedisServer, postgres: PostgresServer
) -> None:
    wrong = User(user.name, "wrong guess")
    keys = {"APP_SECRET_KEYS_FILE": str(service.folder / "key")}
    with (
        running(project, variables=variables(redis, postgres) | keys) as other,
        service.client("192.0.2.8") as here,
        other.client("192.0.2.8") as there,
    ):
        assert here.login(user).is_redirect
        there.cookies = here.cookies
        assert there.logged_in()
        assert there.post("/logout").is_redirect
        assert not here.logged_in()
        # A device that is known has counters of its own.
        here.cookies.clear()
        there.cookies.clear()
        assert [here.login(wrong).status_code for _ in range(3)] == [401] * 3
        assert [there.login(wrong).status_code for _ in range(3)] == [401, 401, 429]


def test_store_away(service: Service, user: User, redis: RedisServer) -> None:
    with service.client("192.0.2.2") as client:
        assert client.login(user).is_redirect
        mark = service.mark()
        redis.stop()
        try:
            assert statuses(service, "/healthz", "/", "/login", "/readyz") == [200, 200, 200, 503]
            # Nobody knows who is asking, so nobody is let in, and nobody is logged out.
            assert client.get("/account").status_code == 503
            assert client.get("/notes").status_code == 503
            with service.client("192.0.2.3") as visitor:
                answer = visitor.login(user)
                assert answer.status_code == 503
                assert answer.headers["retry-after"]
                assert "set-cookie" not in answer.headers
        finally:
            redis.start()
        assert service.events("sys_store_unavailable", mark)
        assert not service.events("sys_crash", mark)
        assert statuses(service, "/readyz") == [200]
        assert client.logged_in()
    with service.client("192.0.2.3") as visitor:
        assert visitor.login(user).is_redirect


def test_store_that_hangs(service: Service, user: User, redis: RedisServer) -> None:
    """A stopped process takes connections and never answers: the worst kind of being away."""
    with service.client("192.0.2.6") as client:
        assert client.login(user).is_redirect
        cookies = client.cookies

        def ask(path: str, *, signed_in: bool) -> tuple[int, float]:
            with service.client("192.0.2.6") as asking:
                if signed_in:
                    asking.cookies = cookies
                start = time.monotonic()
                return asking.get(path).status_code, time.monotonic() - start

        assert redis.process
        redis.process.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(63) as threads:
                members = [threads.submit(ask, "/account", signed_in=True) for _ in range(60)]
                others = [
                    threads.submit(ask, path, signed_in=False)
                    for path in ("/healthz", "/", "/login") * 5
                ]
            # It takes 0.4 to 0.8 s for the first, nothing for the others; this machine may be busy.
            assert {each.result()[0] for each in members} == {503}
            assert max(each.result()[1] for each in members) < 8
            assert {each.result()[0] for each in others} == {200}
            assert [ask("/account", signed_in=True)[0] for _ in range(5)] == [503] * 5
        finally:
            redis.process.send_signal(signal.SIGCONT)
        # Each worker finds out by itself.
        deadline = time.monotonic() + 60
        while not all(ask("/account", signed_in=True)[0] == 200 for _ in range(20)):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_database_away(service: Service, user: User, postgres: PostgresServer) -> None:
    with service.client("192.0.2.4") as client:
        assert client.login(user).is_redirect
        mark = service.mark()
        postgres.stop()
        try:
            assert statuses(service, "/healthz", "/", "/login", "/readyz") == [200, 200, 200, 503]
            assert client.get("/notes").status_code == 503
            # The session knows enough.
            assert client.get("/").status_code == 200
            assert client.get("/account").status_code == 200
            with service.client("192.0.2.5") as visitor:
                assert visitor.login(user).status_code == 503
        finally:
            postgres.start()
        assert not service.events("sys_crash", mark)
        # Each worker finds by itself that its old connections are dead.
        for _ in range(20):
            with service.client("192.0.2.4") as again:
                again.cookies = client.cookies
                assert again.get("/notes").status_code == 200
    with service.client("192.0.2.5") as visitor:
        assert visitor.login(user).is_redirect
