"""compose.yaml as it would run: no Docker here, but a kernel that confines processes the same way.

The image is made by the Dockerfile's own commands. bubblewrap gives each process what its service
has: a read-only root, the volumes, the memory, the secrets, the user, no capability, the network.
What Docker alone does is left out: base images, Debian's packages in them, published ports; that
tests/live/test_docker.py has.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from tests.conftest import Render
from tests.containers import Service, compose, scratch, stages, volumes
from tests.live.nginx import Edge
from tests.live.service import HOST, START_SECONDS, User, folder, stop
from tests.live.test_certificates import Acme, acme  # noqa: F401 - a fixture
from tests.needs import needs
from tests.ports import free_port
from tests.projects import BIN, Project, clean_environment

UID = "10001"
HEALTH = "deploy/docker/health.py"


def build(project: Project, target: Path) -> Path:
    """Make /app of the image `app` by the commands of the Dockerfile, and return its folder."""
    images = stages(project)
    app = target / "app"
    app.mkdir()
    environment = dict(pair.split("=", 1) for pair in images["build"].values("ENV")[0].split())
    cache = project.run("uv", "cache", "dir").stdout.strip()
    for name, value in images["build"].instructions:
        if name == "COPY" and not value.startswith("--from="):
            copy(project, value, app)
        elif name == "RUN":
            (command,) = re.findall(r"uv sync .*", value)
            done = subprocess.run(
                [
                    *root(),
                    *("--bind", str(app), "/app", "--chdir", "/app"),
                    *("--bind", cache, environment["UV_CACHE_DIR"]),
                    *("--tmpfs", "/tmp", "--remount-ro", "/"),  # noqa: S108 - the container's own
                    str(BIN / "uv"),
                    *command.split()[1:],
                ],
                env={**clean_environment(), **environment, "UV_PYTHON": sys.executable},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    for path in app.iterdir():
        if path.name != ".venv":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for value in images["app"].values("COPY"):
        if not value.startswith("--from="):
            copy(project, value, app)
    return app


def copy(project: Project, value: str, app: Path) -> None:
    """Do what a COPY of the Dockerfile does."""
    *sources, _ = value.split()
    for source in sources:
        path = project.path / source
        if path.is_dir():
            shutil.copytree(path, app / source)
        else:
            shutil.copy(path, app / source)


def root() -> list[str]:
    """Return the call of bubblewrap with this machine's programs, and the rest empty."""
    found = [needs("bwrap"), "--die-with-parent", "--new-session", "--dev", "/dev"]
    found += ["--proc", "/proc", "--dir", "/var", "--dir", "/run", "--dir", "/etc"]
    paths = [path for path in Path("/").iterdir() if path.name not in EMPTY]
    for path in sorted(paths + list(Path("/etc").iterdir())):
        if path.is_symlink():
            found += ["--symlink", str(path.readlink()), str(path)]
        elif path != Path("/etc/letsencrypt"):
            found += ["--ro-bind", str(path), str(path)]
    return found


EMPTY = {"app", "dev", "etc", "proc", "run", "tmp", "var"}


@dataclass
class Containers:
    """The services of a compose.yaml, with their volumes below `folder`."""

    project: Project
    folder: Path
    app: Path
    edge: Edge
    """Not started: what it knows of ports, and how to reach them."""

    def __post_init__(self) -> None:
        """Read compose.yaml, and make volumes and secrets."""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        whole = compose(self.project)
        self.services: dict[str, Service] = whole["services"]
        for name in whole["volumes"]:
            (self.folder / name).mkdir(mode=0o700)
        maker = self.project.path / "deploy" / "docker" / "make_secrets.py"
        subprocess.run([sys.executable, str(maker)], cwd=self.folder, check=True)
        self.environment = {
            "APP_HOSTS": f"{HOST}:{self.edge.https}",
            "PATH": f"/app/.venv/bin:{clean_environment()['PATH']}",
        }

    def command(self, name: str, words: Sequence[str]) -> list[str]:
        """Return the call that runs a command in a service's container."""
        service = self.services[name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        found = [*root(), "--unshare-user", "--uid", UID, "--gid", UID, "--cap-drop", "ALL"]
        found += ["--unshare-pid"]
        if service.get("network_mode") == "none":
            found += ["--unshare-net"]
        found += ["--ro-bind", str(self.app), "/app", "--chdir", "/app", "--dir", "/var/log/nginx"]
        for log, output in (("access", "stdout"), ("error", "stderr")):
            found += ["--symlink", f"/dev/{output}", f"/var/log/nginx/{log}.log"]
        for target, volume in volumes(service).items():
            path, _, option = target.partition(":")
            found += ["--ro-bind" if option == "ro" else "--bind", str(self.folder / volume), path]
        for path in scratch(service):
            found += ["--tmpfs", path]
        for secret in service.get("secrets", []):
            file = str(self.folder / "secrets" / secret)
            found += ["--ro-bind", file, f"/run/secrets/{secret}"]
        found += ["--ro-bind", str(self.folder / "trust"), "/run/trust"]
        found += ["--remount-ro", "/", "--clearenv"]
        given = {**service.get("environment", {}), **self.environment}
        for key, value in given.items():
            found += ["--setenv", key, value]
        return [*found, "--", *words]

    def run(
        self, name: str, *words: str, typed: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as `docker compose exec` does."""
        done = subprocess.run(
            self.command(name, words),
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        """Start a service with its own command."""
        default = {"edge": ["sh", "deploy/docker/edge"]}
        words = self.services[name].get("command") or default[name]
        with self.log(name).open("ab") as log:
            return subprocess.Popen(
                self.command(name, [*words, *more]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Return the file with what a service wrote."""
        return self.folder / f"{name}.log"

    def healthy(self, name: str) -> bool:
        """Tell what the health check of a service says."""
        test = self.services[name].get("healthcheck", {}).get("test")
        where = {"app-1": "/run/app/1.sock", "edge": str(self.edge.http)}
        words = test[1:] if test else ["python", HEALTH, where[name]]
        return self.run(name, *words, check=False).returncode == 0

    def wait_for(self, name: str) -> None:
        """Return once a service is healthy."""
        deadline = time.monotonic() + START_SECONDS
        while not self.healthy(name):
            assert time.monotonic() < deadline, self.log(name).read_text("utf-8")[-3000:]


@pytest.fixture(scope="module")
def containers(installed: Render) -> Iterator[Containers]:
    """Build the image, and make volumes and secrets; nothing runs yet."""
    needs("bwrap")
    project = installed(framework="fastapi")
    with ExitStack() as stack:
        made = stack.enter_context(folder())
        places = made / "edge-of-the-test"
        places.mkdir()
        edge = Edge(project, places, [], certified=False)
        app = build(project, made)
        machine = app / "deploy" / "docker" / "edge.toml"
        text = machine.read_text("utf-8")
        text = text.replace("http-port = 80\n", f"http-port = {edge.http}\n")
        text = text.replace("https-port = 443\n", f"https-port = {edge.https}\n")
        machine.write_text(text.replace("addresses = []", 'addresses = ["127.0.0.1"]'))
        getter = machine.with_name("certificates")
        text = getter.read_text("utf-8")
        assert "health.py 80 " in text
        getter.write_text(text.replace("health.py 80 ", f"health.py {edge.http} "))
        (made / "trust").touch()
        yield Containers(project, made, app, edge)


@pytest.fixture(scope="module")
def chain(containers: Containers) -> SimpleNamespace:
    """Tell pebble where to look for challenges."""
    return SimpleNamespace(edge=containers.edge)


@pytest.fixture(scope="module")
def running(containers: Containers, acme: Acme) -> Iterator[Containers]:  # noqa: F811 - the fixture
    """Start everything as a new user does, up to the first certificate."""
    shutil.copy(acme.folder / "ca.pem", containers.folder / "trust")
    containers.environment["REQUESTS_CA_BUNDLE"] = "/run/trust"
    with ExitStack() as stack:
        containers.run("tables", *containers.services["tables"]["command"])
        for name in ("app-1", "app-2", "edge"):
            options = ("--server", acme.directory) if name == "edge" else ()
            containers.processes[name] = containers.start(name, *options)
            stack.callback(lambda each: stop(containers.processes[each]), name)
            containers.wait_for(name)
        containers.edge.authority.file.write_text(acme.root())
        deadline = time.monotonic() + 60
        live = containers.folder / "certificates" / "live"
        log = containers.log("edge")
        # Before the first certificate, and after each of the two.
        while log.read_text("utf-8").count("nginx -t passes") < 3:
            assert time.monotonic() < deadline, log.read_text("utf-8")
            assert containers.processes["edge"].poll() is None, log.read_text("utf-8")
            time.sleep(0.1)
        assert {path.name for path in live.iterdir()} >= {f"{HOST}-ecdsa", f"{HOST}-rsa"}
        with containers.edge.client() as client:
            containers.edge.wait_until(lambda: client.get("/healthz"))
        yield containers


def test_the_image_has_the_project_alone(containers: Containers) -> None:
    assert {path.name for path in containers.app.iterdir()} == {
        ".venv",
        "deploy",
        "policy.toml",
        "uv.lock",
    }
    packages = containers.run("app-1", "python", "-c", "import pytest", check=False)
    assert "No module named 'pytest'" in packages.stderr
    found = containers.run(
        "app-1", "python", "-c", f"import {containers.project.package} as p; print(p.__file__)"
    )
    assert found.stdout.startswith("/app/.venv/")


def test_a_container_can_change_its_volumes_alone(containers: Containers) -> None:
    for name in containers.services:
        for path in ("/app/policy.toml", "/etc/passwd", "/usr/bin/x", "/x", "/var/lib/x"):
            done = containers.run(name, "sh", "-c", f"echo > {path}", check=False)
            assert done.returncode, (name, path)
            assert "Read-only file system" in done.stderr
    assert containers.run("app-1", "id", "-u").stdout == f"{UID}\n"


def test_from_nothing_to_a_login(running: Containers) -> None:
    user = User("ada", "correct horse Tisch")
    words = (running.project.package, "user", "add", user.name)
    running.run("app-1", *words, typed=f"{user.password}\n")
    with running.edge.client() as client:
        assert client.login(user).is_redirect
        for _ in range(4):
            assert client.logged_in()
            assert client.get("/").headers["strict-transport-security"]


def test_one_may_be_replaced(running: Containers) -> None:
    for name in ("app-1", "app-2"):
        process = running.processes[name]
        assert running.healthy(name)
        stop(process)
        assert not running.healthy(name)
        with running.edge.client() as client:
            assert [client.get("/login").status_code for _ in range(4)] == [200] * 4
        running.processes[name] = running.start(name)
        running.wait_for(name)


def test_an_application_reaches_nobody(running: Containers) -> None:
    program = f"import socket; socket.create_connection(('127.0.0.1', {running.edge.http}), 2)"
    done = running.run("app-1", "python", "-c", program, check=False)
    assert "Connection refused" in done.stderr or "unreachable" in done.stderr


# With PostgreSQL and Valkey.


@pytest.fixture
def distributed(installed: Render) -> Iterator[Containers]:
    """Make volumes and secrets of the other kind of storage; there is no image."""
    project = installed(framework="fastapi", storage="distributed")
    with folder() as made:
        for name in ("app", "edge-of-the-test"):
            (made / name).mkdir()
        (made / "trust").touch()
        edge = Edge(project, made / "edge-of-the-test", [], certified=False)
        yield Containers(project, made, made / "app", edge)


def test_secrets_are_settings(distributed: Containers) -> None:
    project, secrets = distributed.project, str(distributed.folder / "secrets")
    environment = distributed.services["app-1"]["environment"]
    given = [f"{key}={text.replace('/run/secrets', secrets)}" for key, text in environment.items()]
    code = f"from {project.package}.config import load; s = load(); print(s.database_url)"
    url = project.run("env", *given, project.python, "-c", code).stdout
    password = (distributed.folder / "secrets" / "database_password").read_text().strip()
    assert url == f"postgresql://app:{password}@database:5432/app\n"


def test_store_keeps_everything_for_who_has_the_password(distributed: Containers) -> None:
    port = free_port()
    program, *options = distributed.services["store"]["command"]
    assert program == "valkey-server"
    here = ["--port", str(port), "--bind", "127.0.0.1"]
    words = [needs("redis-server"), *options, *here]
    url = (distributed.folder / "secrets" / "store_url").read_text("utf-8").strip()
    url = url.replace("valkey://", "redis://").replace("@store:6379", f"@127.0.0.1:{port}")
    _, probe = distributed.services["store"]["healthcheck"]["test"]
    probe = probe.replace("valkey-cli", f"redis-cli -p {port}")
    assert distributed.run("store", "sh", "-c", probe, check=False).returncode == 1
    process = subprocess.Popen(
        distributed.command("store", words), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while distributed.run("store", "sh", "-c", probe, check=False).returncode:
            assert time.monotonic() < deadline
            assert process.poll() is None
        with Redis(port=port) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        with Redis.from_url(url, decode_responses=True) as client:
            assert client.config_get("appendonly", "maxmemory", "maxmemory-policy") == {
                "appendonly": "yes",
                "maxmemory": str(512 * 1024 * 1024),
                "maxmemory-policy": "noeviction",
            }
    finally:
        stop(process)
    assert list((distributed.folder / "store").iterdir())


def test_health_of_what_is_not_there(containers: Containers) -> None:
    done = containers.run("app-1", "python", HEALTH, "/run/app/3.sock", check=False)
    assert done.returncode == 1
    assert done.stderr == "/run/app/3.sock: [Errno 2] No such file or directory\n"
