"""Database servers that can be stopped and started again: real ones, plain or as over a network."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from tests.live.nginx import Authority
from tests.live.service import START_SECONDS, folder, stop
from tests.needs import needs
from tests.ports import free_port

ACCOUNT = "postgres"
"""Debian's account for PostgreSQL, which refuses to run as root."""
NAME = "localhost"
"""What the certificates are for; the address 127.0.0.1 is not among it."""


@dataclass
class Backend(ABC):
    """A database server; with an authority it takes nothing but TLS and a password."""

    folder: Path
    authority: Authority | None = None
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        """Have a certificate, where there is an authority."""
        if self.authority:
            self.authority.issue(self.folder, NAME, "ecdsa")

    @property
    @abstractmethod
    def url(self) -> str:
        """What the service's setting says."""

    @property
    def certificate(self) -> str:
        """Path of the certificate."""
        return str(self.folder / f"{NAME}-ecdsa" / "fullchain.pem")

    @property
    def key(self) -> str:
        """Path of the certificate's key."""
        return str(self.folder / f"{NAME}-ecdsa" / "privkey.pem")

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
        if not self.authority:
            return f"redis://127.0.0.1:{self.port}/0"
        return f"rediss://:{self.password}@{NAME}:{self.port}/0?ssl_ca_certs={self.authority.file}"

    def _open(self) -> subprocess.Popen[bytes]:
        options = ["--bind", "127.0.0.1", "--appendonly", "yes", "--dir", str(self.folder)]
        # Else it answers nobody while the disk is busy, longer than the service waits for it.
        options += ["--appendfsync", "no"]
        if self.authority:
            options += ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            options += ["--tls-cert-file", self.certificate, "--tls-key-file", self.key]
            options += ["--tls-ca-cert-file", str(self.authority.file)]
            options += ["--requirepass", self.password]
        else:
            options += ["--port", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [needs("redis-server"), *options], stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self) -> bool:
        with Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


class PostgresServer(Backend):
    """PostgreSQL with an empty database."""

    def __post_init__(self) -> None:
        """Make the files of the server."""
        super().__post_init__()
        self._account = ACCOUNT if os.geteuid() == 0 else None
        if self._account:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, self._account)
        options = ["-D", str(self.folder / "data"), "-U", "app", "-N"]
        if self.authority:
            Path(self.key).chmod(0o600)
            word = self.folder / "password"
            word.write_text(self.password)
            options += ["-A", "scram-sha-256", "--pwfile", str(word)]
        else:
            options += ["-A", "trust"]
        subprocess.run(
            [needs("initdb"), *options],
            user=self._account,
            extra_groups=[] if self._account else None,
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        if self.authority:
            rule = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
            (self.folder / "data" / "pg_hba.conf").write_text(rule)

    @property
    def url(self) -> str:
        """What APP_DATABASE_URL says."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return what APP_DATABASE_URL says for another database of the server."""
        if not self.authority:
            return f"postgresql://app@127.0.0.1:{self.port}/{database}"
        where = f"app:{self.password}@{NAME}:{self.port}/{database}"
        return f"postgresql://{where}?sslmode=verify-full&sslrootcert={self.authority.file}"

    def _open(self) -> subprocess.Popen[bytes]:
        where = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port)]
        if self.authority:
            tls = {"ssl": "on", "ssl_cert_file": self.certificate, "ssl_key_file": self.key}
            where += [part for name, value in tls.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [needs("postgres"), *where, "-h", "127.0.0.1", "-F"],
                user=self._account,
                extra_groups=[] if self._account else None,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def clear(self) -> None:
        """Empty the database: tables of the frameworks have the same names, and other columns."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

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


Kind = TypeVar("Kind", bound=Backend)


@contextmanager
def serving(kind: type[Kind], *, tls: bool = False) -> Iterator[Kind]:
    """Run a server with a state of its own, and stop it in the end.

    With `tls` it takes nothing but TLS and a password.
    """
    with folder() as made:
        server = kind(made, Authority(made) if tls else None)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def for_suites() -> Iterator[dict[str, str]]:
    """Run one of each, and return the variables that tell a project's suite where."""
    with serving(RedisServer) as redis, serving(PostgresServer) as postgres:
        yield {"APP_TEST_STORE_URL": redis.url, "APP_TEST_DATABASE_URL": postgres.url}
