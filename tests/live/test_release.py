"""Releases by deploy/release.py, with a real nginx and the real server.

systemctl, systemd-run and uv are stand-ins that do what the units say, so that each change can
afford it; test_systemd.py is the whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import httpx
import pytest

from tests.conftest import Render
from tests.live.nginx import Edge
from tests.live.service import HOST, Service, User, folder
from tests.needs import needs
from tests.projects import Project
from tests.weekly import some

NAME = "my-service"
REQUESTS = 20_000
"""While a release is under way, by wrk."""
SECONDS = 400.0
SHORT, LONG = "8", "120"
"""Seconds until a version must be ready."""
SYSTEMCTL = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

ROOT = Path({root!r})
FACTS = json.loads((ROOT / "units.json").read_text())
words = [word for word in sys.argv[1:] if not word.startswith("-")]
options = [word for word in sys.argv[1:] if word.startswith("-")]
verb, slot = words[0], words[1].partition("@")[2]
note = ROOT / f"{{slot}}.pid"


def pid():
    # As systemd: what has ended is no process any more, even if nobody has fetched its code.
    try:
        found = int(note.read_text())
        state = Path(f"/proc/{{found}}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return 0
    return 0 if state == "Z" else found


if verb == "show":
    state = "active" if pid() else "failed" if note.exists() else "inactive"
    print(f"ActiveState={{state}}\\nNRestarts=0\\nMainPID={{pid()}}")
elif verb == "start" and not pid():
    tree = Path(FACTS["base"]) / slot
    lines = Path(FACTS["env"]).read_text().splitlines()
    own = dict(line.partition("=")[::2] for line in lines if line)
    command = [tree / ".venv/bin" / FACTS["package"], "run", "--uds", FACTS["sockets"][slot]]
    with (ROOT / f"{{slot}}.log").open("ab") as log:
        started = subprocess.Popen(
            [*command, "--workers", "2"],
            cwd=tree,
            env={{**os.environ, **own}},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    note.write_text(str(started.pid))
elif verb == "stop":
    if found := pid():
        os.kill(found, signal.SIGTERM)
        deadline = time.monotonic() + 40
        while pid():
            if time.monotonic() > deadline:
                os.killpg(found, signal.SIGKILL)
            time.sleep(0.05)
    note.unlink(missing_ok=True)
else:
    with (ROOT / "enabled").open("a") as log:
        log.write(f"{{verb}} {{slot}}\\n")
"""
SYSTEMD_RUN = """
import os, sys

words, facts = sys.argv[1:], {{}}
# A unit has none of the caller's.
os.environ.pop("SUDO_USER", None)
while words[0].startswith("-"):
    word = words.pop(0)
    if word == "-p":
        name, _, value = words.pop(0).partition("=")
        facts[name] = value
    elif word.startswith("--setenv="):
        name, _, value = word.partition("=")[2].partition("=")
        os.environ[name] = value
lines = open(facts["EnvironmentFile"]).read().splitlines()
os.environ |= dict(line.partition("=")[::2] for line in lines if line)
os.chdir(facts["WorkingDirectory"])
os.execv(words[0], words)
"""
UV = """
import os
from pathlib import Path

script = Path(".venv/bin/{package}").absolute()
script.parent.mkdir(parents=True)
script.write_text(
    f"#!/bin/sh\\nPYTHONPATH={{os.getcwd()}}/src exec {python} -m {package} \\"$@\\"\\n"
)
script.chmod(0o755)
"""
LUA = """
wrk.resolve = function(host, service) wrk.addrs = wrk.lookup("127.0.0.1", service) end
"""
MIGRATIONS = {
    "fastapi": (
        "migrations/0002_more.py",
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        'revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None\n\n\n'
        "def upgrade() -> None:\n"
        '    op.add_column("note", sa.Column("more", sa.String(10), nullable=True))\n',
    ),
    "django": (
        "notes/migrations/0002_more.py",
        "from django.db import migrations\n\n\n"
        "class Migration(migrations.Migration):\n"
        '    dependencies = [("notes", "0001_initial")]\n'
        "    operations = [migrations.RunSQL('ALTER TABLE notes_note ADD COLUMN more TEXT')]\n",
    ),
}


@dataclass
class Machine:
    """A machine of a service: the clone, the two slots, nginx, and what stands in for systemd."""

    project: Project
    root: Path
    edge: Edge
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        """The folder of the clone and of the slots."""
        return self.root / "opt"

    @property
    def source(self) -> Project:
        """The clone."""
        return Project(self.base / "source")

    @property
    def package(self) -> Path:
        """The folder of the package in the clone."""
        return self.source.path / "src" / self.project.package

    def set_up(self) -> None:
        """Do what deploy/README.md does before the first release."""
        left_out = shutil.ignore_patterns(".git", ".venv", ".*_cache", "var", "__pycache__")
        shutil.copytree(self.project.path, self.source.path, ignore=left_out)
        self.source.commit()
        sockets = {slot: str(self.root / slot) for slot in ("blue", "green")}
        self.edge.sockets = [*sockets.values()]
        self.edge.facts["live"] = str(self.base / "live" / "app.sock")
        self.edge.machine()
        state = Service(self.project, self.root, {"APP_HOSTS": f"{HOST}:{self.edge.https}"})
        own = state.environment()
        lines = [f"{name}={own[name]}" for name in own if name.startswith("APP_")]
        (self.edge.folder / "env").write_text("\n".join(lines), "utf-8")
        units = {"base": str(self.base), "env": str(self.edge.folder / "env"), "sockets": sockets}
        units["package"] = self.project.package
        (self.root / "units.json").write_text(json.dumps(units), "utf-8")
        names = {"root": str(self.root), "python": self.project.python}
        names["package"] = self.project.package
        for name, text in (("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN), ("uv", UV)):
            program = self.root / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!{sys.executable}\n{text.format(**names)}", "utf-8")
            program.chmod(0o755)
        (self.root / "wrk.lua").write_text(LUA, "utf-8")

    def begin(self, *options: str) -> subprocess.Popen[str]:
        """Begin a release."""
        environment = {name: v for name, v in os.environ.items() if not name.startswith("APP_")}
        path = f"{self.root / 'bin'}{os.pathsep}{environment['PATH']}"
        return subprocess.Popen(
            [sys.executable, "deploy/release.py", "--etc", str(self.edge.folder), *options],
            cwd=self.source.path,
            env={**environment, "PATH": path, "SUDO_USER": "eve"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def release(self, *options: str) -> tuple[int, str]:
        """Release; return the exit code and what was said."""
        process = self.begin(*options)
        said, _ = process.communicate(timeout=SECONDS)
        return process.returncode, said

    def change(self, path: str, old: str, new: str) -> None:
        """Commit a change of a file of the package."""
        file = self.package / path
        text = file.read_text("utf-8") if file.exists() else ""
        assert old in text
        file.write_text(text.replace(old, new, 1) if old else text + new, "utf-8")
        self.source.commit()

    def back(self) -> None:
        """Leave out the last commit."""
        self.source.git("reset", "--quiet", "--hard", "HEAD^")

    @property
    def live(self) -> str:
        """The slot that serves."""
        return str((self.base / "live").readlink())

    def add_user(self) -> User:
        """Create a user."""
        command = [str(self.base / "live" / ".venv" / "bin" / self.project.package)]
        done = subprocess.run(
            [*command, "--env-file", str(self.edge.folder / "env"), "user", "add", "ada"],
            input="some words 4 Tisch\n",
            cwd=self.base / "live",
            text=True,
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return User("ada", "some words 4 Tisch")

    def close(self) -> None:
        """End all that runs."""
        for slot in ("blue", "green"):
            subprocess.run([self.root / "bin" / "systemctl", "stop", f"{NAME}@{slot}"], check=True)

    def wrk(self, seconds: int) -> tuple[int, int]:
        """Ask for pages as fast as they come; return how many there were, and how many failed."""
        url, script = f"https://{HOST}:{self.edge.https}/", str(self.root / "wrk.lua")
        done = subprocess.run(
            [needs("wrk"), *f"-t1 -c8 -d{seconds}s --timeout 30s -s".split(), script, url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        made = re.search(r"(\d+) requests in", done)
        assert made, done
        failed = sum(
            int(number)
            for line in re.findall(r"(?:Socket errors:|Non-2xx).*", done)
            for number in re.findall(r"\d+(?!xx)", line.replace("2xx", "").replace("3xx", ""))
        )
        return int(made[1]), failed


@pytest.fixture(scope="module", params=some(["fastapi", "django"], ["django"]))
def machine(request: pytest.FixtureRequest, installed: Render) -> Iterator[Machine]:
    """Release a first version; one for each interface to the server and each database layer."""
    project = installed(framework=request.param)
    with ExitStack() as stack:
        root, made = stack.enter_context(folder()), stack.enter_context(folder())
        machine = Machine(project, root, Edge(project, made, []))
        machine.set_up()
        stack.callback(machine.close)
        code, said = machine.release()
        assert code == 0, said + machine.edge.errors()
        machine.edge.start()
        stack.callback(machine.edge.stop)
        yield machine


@contextmanager
def visited(machine: Machine) -> Iterator[list[object]]:
    """Visit the service until the end; what is in the list then went wrong."""
    done, wrong = Event(), list[object]()

    def visit() -> None:
        while not done.is_set():
            with machine.edge.client() as client:
                try:
                    status = client.get("/").status_code
                except httpx.HTTPError as error:
                    wrong.append(error)
                else:
                    if status != 200:
                        wrong.append(status)
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as pool:
        visitor = pool.submit(visit)
        try:
            yield wrong
        finally:
            done.set()
        visitor.result()


@pytest.mark.weekly
def test_no_request_is_lost(machine: Machine) -> None:
    before = machine.live
    user, done = machine.add_user(), Event()
    machine.change("app/templates/home.html", "<h1>", "<h1>Second ")

    def write() -> list[int]:
        seen = []
        with machine.edge.client("127.0.0.9") as client:
            assert client.login(user).is_redirect
            while not done.is_set():
                note = {"title": "Tea", "body": ""}
                seen.append(client.post("/api/notes", json=note).status_code)
        return seen

    def load() -> tuple[int, int]:
        made = failed = 0
        while made < REQUESTS or not done.is_set():
            more, lost = machine.wrk(5)
            made, failed = made + more, failed + lost
        return made, failed

    with ThreadPoolExecutor(2) as pool:
        loading, writing = pool.submit(load), pool.submit(write)
        try:
            time.sleep(2)
            code, said = machine.release()
        finally:
            done.set()
        made, failed = loading.result()
        written = writing.result()
    print(f"{made} requests, {failed} failed; {len(written)} notes written")
    assert code == 0, said
    assert machine.live != before
    assert made >= REQUESTS
    assert failed == 0, machine.edge.errors()
    assert set(written) == {201}, machine.edge.errors()
    with machine.edge.client() as client:
        assert "Second" in client.get("/").text
    assert (machine.root / "opt" / "live" / "app.sock").resolve().name == machine.live
    # At the next start of the machine it is the one that starts.
    last = (machine.root / "enabled").read_text().splitlines()[-2:]
    assert last == [f"enable {machine.live}", f"disable {before}"]


def never_ready(machine: Machine) -> None:
    machine.change("security/health.py", "            check()", '            raise OSError("no")')


def ends_at_once(machine: Machine) -> None:
    machine.change("app/main.py", "", '\nraise RuntimeError("it ends")\n')


def ends_when_it_serves(machine: Machine) -> None:
    machine.change(
        "operate/serve.py",
        "    app = finishing(server_app(require_secured(create_app(settings))))\n",
        "    inner = server_app(require_secured(create_app(settings)))\n\n"
        "    async def app(scope, receive, send):\n"
        '        if scope.get("path") == "/healthz":\n'
        "            os.kill(os.getppid(), 9)\n"
        "            os._exit(9)\n"
        "        await inner(scope, receive, send)\n\n",
    )


@pytest.mark.parametrize(
    ("harm", "wait", "said"),
    [
        (never_ready, SHORT, "not ready after"),
        (ends_at_once, LONG, "it has ended"),
        (ends_when_it_serves, LONG, "moving the traffic back"),
    ],
)
def test_it_goes_back(
    machine: Machine, harm: Callable[[Machine], None], wait: str, said: str
) -> None:
    before, nginx = machine.live, machine.edge.file.read_text()
    harm(machine)
    with visited(machine) as wrong:
        code, told = machine.release("--wait", wait)
    machine.back()
    assert code == 1, told
    assert said in told
    assert f"{NAME}@{before} serves as before" in told
    assert "journalctl" in told
    assert wrong == []
    assert machine.live == before
    assert machine.edge.file.read_text() == nginx


def test_tables_that_are_behind(machine: Machine) -> None:
    before = machine.live
    path, text = MIGRATIONS[machine.project.answers["framework"]]
    machine.change(f"app/{path}", "", text)
    with visited(machine) as wrong:
        code, told = machine.release("--no-upgrade", "--wait", SHORT)
        assert code == 1, told
        assert "not ready after" in told
        assert machine.live == before
        # With the migration, which the old version can live with.
        code, told = machine.release()
        assert code == 0, told
        assert '"operator": "eve", "migrations"' in told
        assert "alembic" not in told
        assert machine.live != before
        # The version of before, on the newer tables.
        code, told = machine.release("--back")
        assert code == 0, told
        assert machine.live == before
    assert wrong == []
    code, told = machine.release("--back")
    assert code == 0, told


def test_one_at_a_time(machine: Machine) -> None:
    first = machine.begin()
    try:
        assert first.stdout
        assert "building" in first.stdout.readline()
        code, told = machine.release()
        assert code == 1
        assert "another release" in told
    finally:
        first.communicate(timeout=SECONDS)
    assert first.returncode == 0


def test_mistakes_are_named(machine: Machine) -> None:
    code, told = machine.release("no-such-revision")
    assert code == 1
    assert "no-such-revision" in told
    file = machine.edge.folder / "edge.toml"
    text = file.read_text()
    file.write_text(text.replace("sockets = [", 'sockets = ["/x", '))
    try:
        code, told = machine.release()
    finally:
        file.write_text(text)
    assert code == 1
    assert "sockets must be two" in told
    assert "Traceback" not in told
