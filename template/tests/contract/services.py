"""Servers for tests: real ones, on loopback, on a free port, gone afterwards."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

START_SECONDS = 60.0
PORTS = range(11_000, 16_000, 2)
"""Below what systems give to whoever connects, or asks for port 0 (Linux from 32768, macOS from
49152, gVisor from 16000): a port from there, closed again, may be theirs before a server starts.
Above 10080, where no browser goes.
"""


def missing(what: str, remedy: str) -> NoReturn:
    """Skip the test by name; in CI fail it, so that no test is left out unseen."""
    reason = f"{what} is missing: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """Port of 127.0.0.1 that nobody else gets while this process lives.

    Its neighbour says so to tests that run beside: held, without SO_REUSEADDR, until the end.
    """
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as neighbour:
            try:
                neighbour.bind(("127.0.0.1", port + 1))
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            neighbour.detach()
            return port
    raise OSError(f"no port of 127.0.0.1 is free from {PORTS.start} to {PORTS.stop}")


@contextmanager
def redis_url() -> Iterator[str]:
    """URL of a Redis or Valkey server: the one at APP_TEST_STORE_URL, else one started here.

    One that was named may hold data of others: tests use a key prefix of their own.
    """
    if running := os.environ.get("APP_TEST_STORE_URL"):
        yield running
        return
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        missing("redis-server", "apt-get install redis-server, or set APP_TEST_STORE_URL")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([program, *options, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: socket.create_connection(("127.0.0.1", port)))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
            server.wait()


@contextmanager
def empty_schema(server: str) -> Iterator[str]:
    """URL of a schema of its own on the server that `postgres_server` gave."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    schema = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
    try:
        yield f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{schema}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))


@contextmanager
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: the one at APP_TEST_DATABASE_URL, else one started here."""
    import psycopg

    if running := os.environ.get("APP_TEST_DATABASE_URL"):
        yield running
        return
    places = os.pathsep.join(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
    initdb = shutil.which("initdb") or shutil.which("initdb", path=places)
    if initdb is None:
        missing("initdb", "apt-get install postgresql, or set APP_TEST_DATABASE_URL")
    # It refuses to run as root; Debian has a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(folder, user)
            shutil.chown(data, user)
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        quiet |= {"user": user, "extra_groups": [] if user else None, "cwd": folder}
        options = ["--pgdata", str(data), "--username", "test", "--auth", "trust", "--no-sync"]
        subprocess.run([initdb, *options], check=True, **quiet)
        server = Path(initdb).with_name("postgres")
        where = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        url = f"postgresql://test@127.0.0.1:{port}/postgres"
        process = subprocess.Popen([server, *where], **quiet)
        try:
            # It listens before it lets anybody in.
            wait_for(lambda: psycopg.connect(url), psycopg.OperationalError)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def wait_for(connect: Callable[[], Any], away: type[Exception] = OSError) -> None:
    """Return once a server takes the connection that `connect` opens; until then it is `away`."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connect().close()
        except away:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
