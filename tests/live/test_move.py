"""A move to servers that take TLS and a password only, killed in the middle, and gone on with."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from redis import Redis

from tests.conftest import Render
from tests.live.backends import PostgresServer, RedisServer, serving
from tests.live.service import START_SECONDS, Service, User, running
from tests.weekly import frameworks

NOTES = 20_000
"""Many batches."""
KILLED_AT = 3
"""Batches that are told of before it is killed."""


@dataclass
class Move:
    """A service on files, and the servers that it moves to."""

    service: Service
    postgres: PostgresServer
    redis: RedisServer

    @property
    def file(self) -> Path:
        """The settings that are to be."""
        path = self.service.folder / "env.new"
        own = {name: v for name, v in self.service.environment().items() if name.startswith("APP_")}
        own |= {"APP_DATABASE_URL": self.postgres.url, "APP_STORE_URL": self.redis.url}
        path.write_text("".join(f"{name}={value}\n" for name, value in own.items()), "utf-8")
        return path

    def begin(self) -> subprocess.Popen[str]:
        """Start to move."""
        command = [self.service.project.python, "-m", self.service.project.package, "move"]
        return subprocess.Popen(
            [*command, "--to", str(self.file)],
            cwd=self.service.project.path,
            env=self.service.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def copied(self, table: str) -> int:
        """Return how many rows the target has."""
        with psycopg.connect(self.postgres.url) as connection:
            query = SQL("SELECT count(*) FROM {}").format(Identifier(table))
            row = connection.execute(query).fetchone()
        assert row
        return int(row[0])


@pytest.fixture(params=frameworks("django"))
def move(request: pytest.FixtureRequest, installed: Render) -> Iterator[Move]:
    """Run the service of a project on files, and empty servers."""
    with ExitStack() as stack:
        postgres = stack.enter_context(serving(PostgresServer, tls=True))
        redis = stack.enter_context(serving(RedisServer, tls=True))
        service = stack.enter_context(running(installed(framework=request.param), workers=2))
        yield Move(service, postgres, redis)


def fill(service: Service, table: str) -> None:
    """Add many notes to the one that there is."""
    with closing(sqlite3.connect(service.folder / "app.sqlite3")) as database:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        values = ", ".join("printf('%016d', i)" if name == "id" else name for name in columns)
        database.execute(
            f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {NOTES})"  # noqa: S608 - its own names
            f" INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}, n"
        )
        database.commit()


def test_killed_and_gone_on_with(move: Move) -> None:
    service = move.service
    user, blocked = service.add_user(), service.add_user()
    wrong = User(blocked.name, "wrong guess")
    with service.client() as kept, service.client("203.0.113.7") as guesser:
        assert kept.login(user).is_redirect
        note = {"title": "Tea", "body": "back\\slash"}
        assert kept.post("/api/notes", json=note).status_code == 201
        assert [guesser.login(wrong).status_code for _ in range(5)] == [401] * 5
        with closing(sqlite3.connect(service.folder / "app.sqlite3")) as database:
            names = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        (table,) = names & {"note", "notes", "notes_note"}
        fill(service, table)
        target = {"APP_DATABASE_URL": move.postgres.url, "APP_STORE_URL": move.redis.url}
        moved = Service(service.project, service.folder, {**service.variables, **target})
        assert moved.command("db", "upgrade").returncode == 0
        refused = service.command("move", "--to", str(move.file))
        assert "stop it first" in refused.stderr
        tried = service.command("move", "--to", str(move.file), "--dry-run")
        assert tried.returncode == 0, tried.stdout + tried.stderr
        assert f"{table}: {NOTES + 1} rows" in tried.stdout
        assert move.copied(table) == 0
        service.stop()
        killed = move.begin()
        assert killed.stdout
        told = (line for line in killed.stdout if line.startswith(f"{table}: "))
        for _ in range(KILLED_AT):
            next(told)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait(START_SECONDS)
        killed.stdout.close()
        part = move.copied(table)
        assert KILLED_AT * 1000 <= part < NOTES
        assert part % 1000 == 0
        done = service.command("move", "--to", str(move.file))
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{table}: {NOTES + 1} rows" in done.stdout
        # Only what was missing.
        assert done.stderr.count(f"{table}: ") == (NOTES - part) // 1000 + 1
        again = service.command("move", "--to", str(move.file))
        assert again.returncode == 1
        assert "already" in again.stderr
        moved.start()
        try:
            # The cookie of before.
            assert kept.logged_in()
            assert guesser.login(blocked).status_code == 429
            with service.client() as client:
                assert client.login(user).is_redirect
                assert client.get("/readyz").status_code == 200
            assert kept.post("/logout").is_redirect
            assert not kept.logged_in()
        finally:
            moved.stop()


def test_killed_while_the_store_is_filled(move: Move) -> None:
    """What an earlier run has left there goes, so that no session that has ended comes back."""
    service = move.service
    user = service.add_user()
    with service.client() as first, service.client() as second:
        assert first.login(user).is_redirect
        assert second.login(user).is_redirect
        target = {"APP_DATABASE_URL": move.postgres.url, "APP_STORE_URL": move.redis.url}
        moved = Service(service.project, service.folder, {**service.variables, **target})
        assert moved.command("db", "upgrade").returncode == 0
        service.stop()
        move.redis.stop()
        done = service.command("move", "--to", str(move.file))
        assert done.returncode == 1
        assert "store at" in done.stderr
        assert "Traceback" not in done.stderr
        move.redis.start()
        with Redis.from_url(move.redis.url) as redis:
            # As one that was killed leaves it.
            package = service.project.package
            redis.set(f"{package}:moving", str(service.folder / "store.sqlite3"))
            redis.set(f"{package}:s:left", "")
        done = service.command("move", "--to", str(move.file))
        assert done.returncode == 0, done.stdout + done.stderr
        with Redis.from_url(move.redis.url) as redis:
            assert not redis.exists(f"{package}:s:left", f"{package}:moving")
            assert len([*redis.scan_iter(f"{package}:s:*")]) == 2
        moved.start()
        try:
            assert first.logged_in()
            assert second.logged_in()
        finally:
            moved.stop()
