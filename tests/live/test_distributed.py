"""State on other machines: a real Redis and PostgreSQL, and what happens while they are away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.conftest import Render
from tests.live.service import START_SECONDS, Service, User, folder, free_port, running, stop
from tests.needs import needs
from tests.projects import CHOICES, Project

POSTGRES = "postgres"
"""Debian's user for the server, which refuses to run as root."""


@dataclass
class Backend(ABC):
    """A database server that can be stopped and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and return once it answers."""
        self.process = self._open()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError((self.folder / "log").read_text("utf-8"))
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server if it runs."""
        if self.process:
            stop(self.process)

    @abstractmethod
    def _open(self) -> subprocess.Popen[bytes]:
        """Start the process."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether the server takes requests."""


class RedisServer(Backend):
    """Redis, which keeps its state over a restart as the store asks for."""

    @property
    def url(self) -> str:
        """What APP_STORE_URL says."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _open(self) -> subprocess.Popen[bytes]:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--appendonly", "yes"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [needs("redis-server"), *options, "--dir", str(self.folder)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        with Redis(port=self.port) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


class PostgresServer(Backend):
    """PostgreSQL with an empty database."""

    @property
    def url(self) -> str:
        """What APP_DATABASE_URL says."""
        return f"postgresql://app@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the files of the server."""
        self._user = POSTGRES if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        subprocess.run(
            [needs("initdb"), "-D", str(self.folder / "data"), "-U", "app", "-A", "trust", "-N"],
            user=self._user,
            extra_groups=[] if self._user else None,
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def _open(self) -> subprocess.Popen[bytes]:
        where = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [needs("postgres"), *where, "-h", "127.0.0.1", "-F"],
                user=self._user,
                extra_groups=[] if self._user else None,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Stop the server, and cut the connections that are open."""
        if self.process:
            stop(self.process, signal.SIGINT)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """Run a Redis."""
    with folder() as made:
        server = RedisServer(made)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL."""
    with folder() as made:
        server = PostgresServer(made)
        server.create()
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module", params=CHOICES["framework"])
def project(request: pytest.FixtureRequest, installed: Render) -> Project:
    """Return a project made for several machines."""
    return installed(framework=request.param, storage="distributed")


def variables(redis: RedisServer, postgres: PostgresServer) -> dict[str, str]:
    """Return the environment that names both servers."""
    return {"APP_STORE_URL": redis.url, "APP_DATABASE_URL": postgres.url}


@pytest.fixture(scope="module")
def service(project: Project, redis: RedisServer, postgres: PostgresServer) -> Iterator[Service]:
    """Run the service."""
    with running(project, variables=variables(redis, postgres)) as started:
        yield started


def statuses(service: Service, *paths: str) -> list[int]:
    """Return what a visitor gets at each path."""
    with service.client() as client:
        return [client.get(path).status_code for path in paths]


def test_notes(service: Service, user: User) -> None:
    note = {"title": "<script>", "body": "x" * 2000}
    with service.client() as client:
        assert client.login(user).status_code == 303
        assert client.post("/notes", data=note).status_code == 303
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
        assert here.login(user).status_code == 303
        there.cookies = here.cookies
        assert there.logged_in()
        assert there.post("/logout").status_code == 303
        assert not here.logged_in()
        here.cookies.clear()
        assert [here.login(wrong).status_code for _ in range(3)] == [401] * 3
        assert [there.login(wrong).status_code for _ in range(3)] == [401, 401, 429]


def test_store_away(service: Service, user: User, redis: RedisServer) -> None:
    with service.client("192.0.2.2") as client:
        assert client.login(user).status_code == 303
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
        assert visitor.login(user).status_code == 303


def test_database_away(service: Service, user: User, postgres: PostgresServer) -> None:
    with service.client("192.0.2.4") as client:
        assert client.login(user).status_code == 303
        mark = service.mark()
        postgres.stop()
        try:
            assert statuses(service, "/healthz", "/", "/login", "/readyz") == [200, 200, 200, 503]
            assert client.get("/notes").status_code == 503
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
        assert visitor.login(user).status_code == 303
