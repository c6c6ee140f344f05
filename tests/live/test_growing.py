"""Two machines behind one edge, their state on servers that take TLS and a password only."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conftest import Render
from tests.live.backends import Backend, PostgresServer, RedisServer, serving
from tests.live.nginx import Edge
from tests.live.probing import VISITORS, VISITS, children, visits_during
from tests.live.service import HOST, SAME, START_SECONDS, WORKERS, Line, Service, User, folder
from tests.live.service import running as start
from tests.live.test_login_flood import flood
from tests.projects import CHOICES
from tests.weekly import some

PATIENT = "&socket_timeout=30&socket_connect_timeout=30"
"""All is on one machine here: a server that waits for a processor is not away."""
GUESSES = 200
LIMIT = 5
"""`throttle.pair.limit` of the policy."""
ROUNDS = 8
"""Requests that reach both machines: nginx takes turns."""
EVIL = "/go?url=https://evil.example/"
"""Logs an event."""


@dataclass
class Cluster:
    """Machines, the servers of their state, and the edge in front of them."""

    hosts: list[Service]
    edge: Edge
    redis: RedisServer
    postgres: PostgresServer

    def events(self, name: str, marks: list[int]) -> list[list[Line]]:
        """Return each machine's log lines of one kind since its mark."""
        return [host.events(name, mark) for host, mark in zip(self.hosts, marks, strict=True)]

    def marks(self) -> list[int]:
        """Return where the next log line of each machine will stand."""
        return [host.mark() for host in self.hosts]

    def ready(self) -> list[int]:
        """Return what each machine says about itself."""
        found = []
        for host in self.hosts:
            with host.client() as client:
                found.append(client.get("/readyz").status_code)
        return found

    def wait_until_ready(self) -> None:
        """Return once each machine says that it is ready, which nobody helps it to become."""
        deadline = time.monotonic() + START_SECONDS
        while self.ready() != [200] * len(self.hosts):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """Run a Redis."""
    with serving(RedisServer, tls=True) as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL."""
    with serving(PostgresServer, tls=True) as server:
        yield server


@pytest.fixture(scope="module", params=some(["fastapi", "django"], ["fastapi"]))
def cluster(
    request: pytest.FixtureRequest, installed: Render, redis: RedisServer, postgres: PostgresServer
) -> Iterator[Cluster]:
    """Run two machines behind an edge; their secrets are in files.

    For one framework of each interface to the server and of each database layer.
    """
    project = installed(framework=request.param, storage="distributed")
    postgres.clear()
    with ExitStack() as stack:
        edge = Edge(project, stack.enter_context(folder()), [])
        variables = {"APP_HOSTS": f"{HOST}:{edge.https},{HOST}"}
        key = secret(edge.folder, "APP_SECRET_KEYS", os.urandom(40).hex())
        variables |= key | secret(edge.folder, "APP_STORE_URL", redis.url + PATIENT)
        variables |= secret(edge.folder, "APP_DATABASE_URL", postgres.url)
        facts = {"variables": variables, "origin": edge.origin, "alone": True}
        hosts = [stack.enter_context(start(project, **facts)) for _ in range(2)]
        edge.sockets = [host.socket for host in hosts]
        edge.render()
        edge.start()
        stack.callback(edge.stop)
        yield Cluster(hosts, edge, redis, postgres)


@pytest.fixture(scope="module")
def user(cluster: Cluster) -> User:
    """Return a user, whom all machines know."""
    return cluster.hosts[0].add_user()


def secret(place: Path, name: str, value: str) -> dict[str, str]:
    """Write a secret to a file, and return the setting that names it."""
    file = place / name
    file.touch(mode=0o600)
    file.write_text(value)
    return {f"{name}_FILE": str(file)}


def under_load(
    cluster: Cluster,
    cookies: httpx.Cookies,
    change: Callable[[], None],
    answers: Counter[int] | None = None,
) -> list[int]:
    """Return the statuses that users get during `change`, each on a connection of its own.

    0 is an answer that was cut off: its beginning had reached the client already. `answers` counts
    those of each visitor.
    """

    def visit() -> int:
        with cluster.edge.client() as client:
            client.cookies = cookies
            try:
                return client.get("/account").status_code
            except httpx.RemoteProtocolError:
                return 0
            finally:
                if answers is not None:
                    answers[threading.get_ident()] += 1

    return visits_during(change, visit)


def wait_for_answers(answers: Counter[int]) -> None:
    """Wait until nobody waits for an answer any more who does so now."""
    before = answers.copy()
    deadline = time.monotonic() + START_SECONDS
    # The second is to what was asked since.
    while len(answers) < VISITORS or any(
        answers[visitor] < min(before[visitor] + 2, VISITS) for visitor in answers
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Nobody can tell that there are two.


def test_sessions_are_shared(cluster: Cluster, user: User) -> None:
    marks = cluster.marks()
    with cluster.edge.client() as client:
        assert client.login(user).is_redirect
        for _ in range(ROUNDS):
            assert client.post("/notes", data={"title": "Tea", "body": ""}).is_redirect
        assert [client.logged_in() for _ in range(ROUNDS)] == [True] * ROUNDS
        assert [client.get(EVIL).status_code for _ in range(ROUNDS)] == [400] * ROUNDS
        assert len(client.get("/api/notes").json()["notes"]) == ROUNDS
        assert client.post("/logout").is_redirect
        assert [client.logged_in() for _ in range(ROUNDS)] == [False] * ROUNDS
    assert all(cluster.events("malicious_redirect", marks))


async def guesses(edge: Edge, name: str) -> list[int]:
    """Guess a password at once through the edge, and return the statuses."""
    transport = httpx.AsyncHTTPTransport(
        verify=edge.trust(), trust_env=False, limits=httpx.Limits(max_connections=None)
    )
    headers = {**SAME, "Host": f"{HOST}:{edge.https}"}
    async with httpx.AsyncClient(
        transport=transport, base_url=f"https://127.0.0.1:{edge.https}", headers=headers, timeout=60
    ) as client:
        attempts = [
            client.post(
                "/login",
                data={"username": name, "password": f"wrong guess {number}"},
                extensions={"sni_hostname": HOST},
            )
            for number in range(GUESSES)
        ]
        return [answer.status_code for answer in await asyncio.gather(*attempts)]


def assert_exact(cluster: Cluster, marks: list[int], statuses: list[int]) -> None:
    """Assert that as many guesses as the limit allows were judged, and the others refused."""
    failures = cluster.events("authn_login_fail", marks)
    assert sum(map(len, failures)) == LIMIT
    lines = [line for found in cluster.events("request_refused", marks) for line in found]
    # What no service could answer: none is due.
    unserved = [line for line in lines if line["status"] == 503]
    assert Counter(statuses) == {401: LIMIT, 429: GUESSES - LIMIT}, unserved


def test_guesses_at_once_through_the_edge(cluster: Cluster) -> None:
    name = cluster.hosts[0].add_user().name
    marks = cluster.marks()
    statuses = asyncio.run(guesses(cluster.edge, name))
    assert_exact(cluster, marks, statuses)


def test_guesses_at_once_at_both_machines(cluster: Cluster) -> None:
    # What the edge lets through is fewer, so all of them are sent past it.
    name = cluster.hosts[0].add_user().name
    marks = cluster.marks()

    async def both() -> list[int]:
        floods = [flood(host, name, "192.0.2.1", GUESSES // 2) for host in cluster.hosts]
        return [status for seen, _ in await asyncio.gather(*floods) for status in seen]

    statuses = asyncio.run(both())
    assert_exact(cluster, marks, statuses)


def test_right_logins_in_a_row(cluster: Cluster, user: User) -> None:
    marks = cluster.marks()
    with cluster.edge.client("127.0.0.2") as client:
        for _ in range(20):
            client.cookies.clear()
            assert client.login(user).is_redirect
            assert client.get("/").status_code == 200
            assert client.logged_in()
    assert all(cluster.events("authn_login_success", marks))
    assert not any(cluster.events("authn_login_fail", marks))


# Something is away, and comes back.


@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_server_restarts(cluster: Cluster, user: User, server: str) -> None:
    backend: Backend = getattr(cluster, server)
    wrong, guessed = User(user.name, "wrong guess"), f"127.0.1.{1 + len(server)}"
    marks = cluster.marks()
    with cluster.edge.client("127.0.0.3") as client, cluster.edge.client(guessed) as guesser:
        assert client.login(user).is_redirect
        assert [guesser.login(wrong).status_code for _ in range(3)] == [401] * 3
        backend.stop()
        try:
            assert cluster.ready() == [503] * 2
            for _ in range(ROUNDS):
                assert client.get("/").status_code == 200
                assert client.get("/healthz").status_code == 200
                with cluster.edge.client("127.0.0.4") as visitor:
                    assert visitor.get("/").status_code == 200
                    answer = visitor.login(user)
                    assert answer.status_code == 503
                    assert answer.headers["retry-after"]
                    assert "set-cookie" not in answer.headers
        finally:
            backend.start()
        cluster.wait_until_ready()
        # Each worker finds by itself that its old connections are dead.
        for _ in range(ROUNDS * WORKERS):
            assert client.get("/notes").status_code == 200
        assert [guesser.login(wrong).status_code for _ in range(3)] == [401, 401, 429]
    with cluster.edge.client("127.0.0.4") as visitor:
        assert visitor.login(user).is_redirect
    assert not any(cluster.events("sys_crash", marks))


def test_workers_are_killed(cluster: Cluster, user: User) -> None:
    with cluster.edge.client("127.0.0.5") as client:
        assert client.login(user).is_redirect

        answers: Counter[int] = Counter()

        def change() -> None:
            for host in cluster.hosts:
                # What was cut off is asked again of the other machine, and that once.
                wait_for_answers(answers)
                assert host.process
                before = children(host.process.pid)
                victim = min(before)
                os.kill(victim, signal.SIGKILL)
                deadline = time.monotonic() + START_SECONDS
                while victim in (now := children(host.process.pid)) or len(now) < len(before):
                    assert time.monotonic() < deadline
                    time.sleep(0.05)

        statuses = under_load(cluster, client.cookies, change, answers)
        assert statuses.count(200) > len(cluster.hosts)
        assert set(statuses) <= {0, 200}
        assert statuses.count(0) <= VISITORS * len(cluster.hosts)
        assert cluster.ready() == [200] * 2


def test_machine_is_gone(cluster: Cluster, user: User) -> None:
    gone, left = cluster.hosts
    with cluster.edge.client("127.0.0.6") as client:
        assert client.login(user).is_redirect

        def change() -> None:
            assert gone.process
            # As if the power failed: its socket stays behind, and nobody answers there.
            os.killpg(gone.process.pid, signal.SIGKILL)
            gone.process.wait()
            mark = left.mark()
            for _ in range(ROUNDS):
                assert client.get(EVIL).status_code == 400
            assert len(left.events("malicious_redirect", mark)) == ROUNDS
            with cluster.edge.client("127.0.0.7") as visitor:
                assert visitor.login(user).is_redirect
            gone.start()

        statuses = under_load(cluster, client.cookies, change)
        assert statuses.count(200) > len(cluster.hosts)
        assert set(statuses) <= {0, 200}
        assert statuses.count(0) <= VISITORS
        marks = cluster.marks()
        for _ in range(ROUNDS):
            assert client.get(EVIL).status_code == 400
        assert all(cluster.events("malicious_redirect", marks))


def test_stop_loses_no_login(cluster: Cluster, user: User) -> None:
    # A login takes longest. Which of them the signal meets is chance, and none may be lost.
    done, marks = False, cluster.marks()

    def log_in(number: int) -> list[int]:
        seen: list[int] = []
        while not done and len(seen) < 20:
            with cluster.edge.client(f"127.0.2.{number}") as client:
                seen.append(client.login(user).status_code)
        return seen

    with ThreadPoolExecutor(4) as pool:
        visitors = [pool.submit(log_in, 1 + number) for number in range(4)]
        try:
            for host in cluster.hosts:
                assert host.stop() == 0
                host.start()
        finally:
            done = True
        statuses = [status for visitor in visitors for status in visitor.result()]
    assert len(statuses) > len(visitors)
    refusals = [cluster.events(name, marks) for name in ("sys_store_unavailable", "excess_logins")]
    assert set(statuses) <= {302, 303}, f"{refusals}\n{cluster.edge.errors()}"


# Passwords and TLS.


def revoke(cluster: Cluster, user: User, **settings: str) -> tuple[int, str]:
    """Run a command that asks both servers; return its exit code and what it prints."""
    host = cluster.hosts[0]
    kept = {name: v for name, v in host.variables.items() if name[: -len("_FILE")] not in settings}
    done = Service(host.project, host.folder, {**kept, **settings}).command(
        "sessions", "revoke", user.name
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_names_of_the_store(cluster: Cluster, user: User, scheme: str) -> None:
    url = cluster.redis.url.replace("rediss", scheme, 1)
    code, said = revoke(cluster, user, APP_STORE_URL=url)
    assert code == 0, said


@pytest.mark.parametrize("fault", ["authority", "name", "password", "no TLS"])
@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_who_it_talks_to_is_checked(cluster: Cluster, user: User, server: str, fault: str) -> None:
    backend: Backend = getattr(cluster, server)
    other = cluster.postgres if server == "redis" else cluster.redis
    assert backend.authority
    assert other.authority
    wrong, plain = {
        "redis": ("invalid username-password pair", ("rediss:", "redis:")),
        "postgres": ("password authentication failed", ("verify-full", "disable")),
    }[server]
    old, new, reason = {
        "authority": (str(backend.authority.file), str(other.authority.file), "certificate"),
        "name": ("@localhost:", "@127.0.0.1:", "certificate"),
        "password": (backend.password, "wrong-password", wrong),
        "no TLS": (*plain, str(backend.port)),
    }[fault]
    assert old in backend.url
    url = backend.url.replace(old, new).partition("?" if new == "redis:" else "\0")[0]
    setting = {"redis": "APP_STORE_URL", "postgres": "APP_DATABASE_URL"}[server]
    code, said = revoke(cluster, user, **{setting: url})
    assert code == 1, said
    assert reason in said
    assert "Traceback" not in said
    assert backend.password not in said
    assert "wrong-password" not in said


@pytest.mark.parametrize("storage", CHOICES["storage"])
def test_example_of_the_settings_is_accepted(
    installed: Render, rendered: Render, storage: str
) -> None:
    example = (rendered(storage=storage).path / ".env.example").read_text("utf-8").splitlines()
    pairs = [line.split("=", 1) for line in example if line.startswith("APP_")]
    project = installed(framework="fastapi", storage="distributed")
    settings = {**dict(pairs), "APP_SECRET_KEYS": os.urandom(40).hex()}
    given = [f"{name}={value}" for name, value in settings.items()]
    code = f"from {project.package}.config import load; print(load().env)"
    assert project.run("env", *given, project.python, "-c", code).stdout == "production\n"


def test_passwords_stay_out_of_the_log(cluster: Cluster) -> None:
    for host in cluster.hosts:
        log = host.log.read_text("utf-8")
        assert cluster.redis.password not in log
        assert cluster.postgres.password not in log


def test_first_starts_at_once(cluster: Cluster) -> None:
    # Each process would make the tables that are missing, and here all of them find none.
    with psycopg.connect(cluster.postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
    try:
        url = cluster.postgres.url_of("empty")
        host = cluster.hosts[0]
        kept = {name: v for name, v in host.variables.items() if name != "APP_DATABASE_URL_FILE"}
        other = Service(host.project, host.folder, {**kept, "APP_DATABASE_URL": url})
        with ThreadPoolExecutor(3) as pool:
            upgrades = list(pool.map(lambda _: other.command("db", "upgrade"), range(3)))
        assert [done.returncode for done in upgrades] == [0] * 3, upgrades
        other.add_user()
    finally:
        with psycopg.connect(cluster.postgres.url, autocommit=True) as connection:
            connection.execute("DROP DATABASE empty WITH (FORCE)")
