"""A generated service as it runs in production, and nginx's part in talking to it."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.live import commands
from tests.projects import Project, clean_environment

HOST = "my-service.example.com"
ORIGIN = f"https://{HOST}"
WORKERS = 2
"""Enough to have state that is not shared; each takes a second of processor time to start."""
START_SECONDS = 120.0
STOP_SECONDS = 120.0
"""Longer than the 30 s that running requests get; for both, much longer on a busy machine."""
SAME = {"Sec-Fetch-Site": "same-origin"}
JSON = {"accept": "application/json"}
FOREIGN = {"sec-fetch-site": "cross-site"}
GZIP = {"accept-encoding": "gzip"}

Line = dict[str, Any]


@dataclass(frozen=True)
class User:
    """A user of a service."""

    name: str
    password: str


def totp(secret: str, steps: int = 0) -> str:
    """Return the code that an app shows now (RFC 6238), or `steps` of 30 s later."""
    step = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.digest(base64.b32decode(secret), step, "sha1")
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


def stop(process: commands.Process, number: int = signal.SIGTERM) -> int:
    """Ask a process to end, and return its exit code.

    One that does not end is killed with its workers, so it leads a session of its own.
    """
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder whose path is short enough for a socket (108 bytes), and remove it."""
    made = Path(tempfile.mkdtemp(prefix="live-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class Edge(httpx.BaseTransport):
    """Passes requests on as nginx does: by plain HTTP, naming the client's address and scheme.

    To the client it is HTTPS, so that it keeps and sends cookies as a browser does.
    """

    def __init__(self, inner: httpx.BaseTransport, address: str, port: int = 0) -> None:
        """Take the way to the service and the client's address; `port` is 0 for a socket."""
        self._inner = inner
        self._address = address
        self._where: dict[str, str | int] = {"host": "127.0.0.1", "port": port} if port else {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request on."""
        ours = {"x-forwarded-for": self._address, "x-forwarded-proto": "https"}
        passed = httpx.Request(
            request.method,
            request.url.copy_with(scheme="http", **self._where),
            headers={**request.headers, **ours},
            stream=request.stream,
            extensions=request.extensions,
        )
        return self._inner.handle_request(passed)

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()


class Client(httpx.Client):
    """A browser at an address, behind the edge."""

    def __init__(self, transport: httpx.BaseTransport, origin: str) -> None:
        """Take the way to the service, and how the browser's address bar shows it."""
        super().__init__(transport=transport, base_url=origin, headers=SAME, timeout=START_SECONDS)

    def post(self, url: Any, **options: Any) -> httpx.Response:
        """Post as the service's own pages do: with the token, once somebody has logged in."""
        token = self.token() if self.cookies else ""
        headers = {**options.pop("headers", {}), **({"X-CSRFToken": token} if token else {})}
        return super().post(url, headers=headers, **options)

    def login(self, user: User, **fields: str) -> httpx.Response:
        """Submit the login form."""
        return self.post(
            "/login", data={"username": user.name, "password": user.password, **fields}
        )

    def token(self) -> str:
        """Return what pages hide in their forms for somebody who has logged in, "" for nothing."""
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get("/").text)
        return found[1] if found else ""

    def logged_in(self) -> bool:
        """Tell whether the account page opens; otherwise it must lead to the login page."""
        answer = self.get("/account")
        if answer.status_code == 303:
            assert answer.headers["location"].endswith("/login?next=/account")
        return answer.status_code == 200


@dataclass
class Service:
    """A service of a project, with its state in `folder`; started, stopped and started again."""

    project: Project
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that differ from those of `environment`."""
    port: int = 0
    """Where to listen on 127.0.0.1; 0 is a Unix socket."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    workers: int = WORKERS
    origin: str = ORIGIN
    """The address that browsers use."""
    alone: bool = False
    """Whether the server must be a process as users start it, each time; see commands.py."""
    process: commands.Process | None = None
    spare: User | None = None
    """One who came with the tables, and is nobody's yet."""

    @property
    def socket(self) -> str:
        """Path of the Unix socket."""
        return str(self.folder / "s")

    @property
    def log(self) -> Path:
        """What the service wrote to standard output and error."""
        return self.folder / "log"

    def environment(self) -> dict[str, str]:
        """Return the environment of the service."""
        key = self.folder / "key"
        if not key.exists():
            key.write_text(secrets.token_urlsafe(48), "utf-8")
        own = {
            "APP_ENV": "production",
            "APP_SECRET_KEYS_FILE": str(key),
            "APP_HOSTS": HOST,
            "APP_TRUSTED_PROXIES": "unix",
            "APP_DATABASE_URL": f"sqlite:///{self.folder}/app.sqlite3",
            "APP_STORE_URL": f"sqlite:///{self.folder}/store.sqlite3",
        }
        own = {name: own[name] for name in own if f"{name}_FILE" not in self.variables}
        return {**clean_environment(), **own, **self.variables}

    def command(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run the project's command to its end; `typed` is its standard input."""
        return commands.run(self.project, arguments, self.environment(), typed)

    def add_user(self, name: str = "") -> User:
        """Create a user, by default with a name that nobody has."""
        if not name and self.spare:
            user, self.spare = self.spare, None
            return user
        user = User(name or f"user-{secrets.token_hex(6)}", f"{secrets.token_hex(6)} Tisch")
        done = self.command("user", "add", user.name, typed=f"{user.password}\n")
        assert done.returncode == 0, done.stdout + done.stderr
        return user

    def start(self) -> None:
        """Start the server, at the first time on new tables, and return once it answers."""
        if self.process is None:
            self._make_tables()
        tcp = ("--host", self.host, "--port", str(self.port))
        where = tcp if self.port else ("--uds", self.socket)
        words = ("run", *where, "--workers", str(self.workers))
        self.log.touch()
        files = (Path(os.devnull), self.log, self.log)
        self.process = commands.begin(
            self.project, words, self.environment(), files, copied=not self.alone
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _make_tables(self) -> None:
        """Run the migrations and add a user, or take what that made for another service.

        It lies beside the project, by its migrations: all of this run's processes find it there.
        """
        here = self.folder / "app.sqlite3"
        if here.exists() or not self.variables.keys().isdisjoint(
            {"APP_DATABASE_URL", "APP_DATABASE_URL_FILE", "PYTHONPATH"}
        ):
            done = self.command("db", "upgrade")
            assert done.returncode == 0, done.stdout + done.stderr
            return
        digest = hashlib.sha256()
        for path in sorted(self.project.path.glob("src/**/migrations/**/*.py")):
            digest.update(path.read_bytes())
        kept = self.project.path.with_name(f"tables-{digest.hexdigest()[:12]}")
        with kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                done = self.command("db", "upgrade")
                assert done.returncode == 0, done.stdout + done.stderr
                user = self.add_user()
                with sqlite3.connect(here) as database:
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.close()
                kept.mkdir()
                (kept / "user.json").write_text(json.dumps(asdict(user)), "utf-8")
                shutil.copy(here, kept)
            else:
                shutil.copy(kept / here.name, here)
        self.spare = User(**json.loads((kept / "user.json").read_text("utf-8")))

    def _wait(self) -> None:
        assert self.process
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                last = self.log.read_text("utf-8")[-5000:]
                raise AssertionError(f"the service did not start:\n{last}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop the server with a signal, and return its exit code."""
        assert self.process, "the service was never started"
        return stop(self.process, number)

    def _answers(self) -> bool:
        # httpx leaves a socket open that could not connect, so it is not asked too early.
        try:
            if self.port:
                socket.create_connection(("127.0.0.1", self.port)).close()
            else:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(self.socket)
        except OSError:
            return False
        with self.client() as client:
            return client.get("/healthz").status_code == 200

    def transport(self) -> httpx.HTTPTransport:
        """Return the way to the service without the edge."""
        uds = None if self.port else self.socket
        return httpx.HTTPTransport(uds=uds, trust_env=False)

    def client(self, address: str = "198.51.100.1") -> Client:
        """Return a browser at `address`."""
        return Client(Edge(self.transport(), address, self.port), self.origin)

    def mark(self) -> int:
        """Return the place where the next log line will stand."""
        return self.log.stat().st_size

    def lines(self, mark: int = 0) -> list[Line]:
        """Return all log lines since `mark`; each must be a JSON object."""
        text = self.log.read_bytes()[mark:].decode("utf-8")
        # Not splitlines: that also splits at what is no newline, such as U+2028.
        found = [json.loads(line) for line in text.split("\n") if line]
        assert all(isinstance(line, dict) for line in found)
        return found

    def events(self, name: str, mark: int = 0) -> list[Line]:
        """Return the log lines of one kind since `mark`."""
        return [line for line in self.lines(mark) if line["event"] == name]


@contextmanager
def running(project: Project, **facts: Any) -> Iterator[Service]:
    """Start a service of `project` with state of its own, and stop it in the end.

    `facts` are more fields of `Service`.
    """
    with folder() as made:
        service = Service(project, made, **facts)
        service.start()
        try:
            yield service
        finally:
            service.stop()
