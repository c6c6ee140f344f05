#!/usr/bin/python3
# Owned by the template: extend, do not edit.
"""Take a new version up beside the old one, check it, and move the traffic: no request is lost.

Run it as root in /opt/NAME/source, the clone, once what is to be released is committed there. The
two versions are in /opt/NAME/blue and green; the link /opt/NAME/live leads to the one that serves,
for nginx too. Where the new one is not ready, or ends, the old one goes on. Needs Python alone.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

SLOTS = ("blue", "green")
SOCKET = "app.sock"
"""Link in a version's folder to the socket of its unit."""
_UV = "/opt/uv/bin/uv"
_PYTHON = "/usr/bin/python3"
_SECONDS = 2.0
"""How long a version may take to answer that it is ready."""
_PAUSE = 0.2
_READY = 5
"""Answers in a row."""
_LOST = 3
"""Answers in a row without which a version that serves is given up."""
_WATCHED = 5.0
"""Seconds for which a version is watched while it serves, at least."""
_QUIET = 2.0
"""Seconds without a connection after which nobody uses the old version any more."""
_CONNECTED = {"02", "03"}
"""States of a connection in /proc/net/unix: waiting, and taken."""


class ReleaseError(Exception):
    """Raised if the new version does not become the one that serves."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


class Machine:
    """The places of a service on this machine, and its two units."""

    def __init__(self, source: Path, etc: Path | None) -> None:
        """Read the project in `source` and the facts in `etc`. Raises `ReleaseError`."""
        project = _toml(source / "pyproject.toml")
        self.source, self.base = source, source.parent
        self.link = self.base / "live"
        self.name = str(project["project"]["name"])
        self.package = str(project["tool"]["uv"]["build-backend"]["module-name"])
        self.etc = etc or Path("/etc") / self.name
        self.nginx = self.etc / "nginx.conf"
        facts = self.facts(source)
        found = _toml(facts)
        sockets, live = found["sockets"], str(self.link / SOCKET)
        if len(sockets) != len(SLOTS):
            raise ReleaseError(
                f"{facts}: sockets must be two, the first for {self.name}@{SLOTS[0]}, the second"
                f" for {self.name}@{SLOTS[1]}"
            )
        if found.get("live") != live:
            raise ReleaseError(f"{facts}: live must be {live!r}: nginx asks where that leads")
        self.sockets = dict(zip(SLOTS, map(str, sockets), strict=True))
        self.host = _host(_variables(self.etc / "env"))

    def facts(self, tree: Path) -> Path:
        """Return the facts of the machine: its own, else those that a version ships."""
        own = self.etc / "edge.toml"
        return own if own.exists() else tree / "deploy" / "edge.toml"

    def unit(self, slot: str) -> str:
        """Return the name of the slot's unit."""
        return f"{self.name}@{slot}"

    def command(self, slot: str) -> str:
        """Return the path of the command of the version in the slot."""
        return str(self.base / slot / ".venv" / "bin" / self.package)

    def live(self) -> str | None:
        """Return the slot that serves, None for none."""
        name = self.link.readlink().name if self.link.is_symlink() else ""
        active = [slot for slot in SLOTS if self.state(slot)["ActiveState"] == "active"]
        return name if name in active else next(iter(active), None)

    def state(self, slot: str) -> Mapping[str, str]:
        """Return what systemd knows about a slot's unit."""
        names = ("ActiveState", "NRestarts", "MainPID")
        done = subprocess.run(  # noqa: S603 - systemd's
            ["systemctl", "show", f"--property={','.join(names)}", self.unit(slot)],  # noqa: S607 - as above
            capture_output=True,
            text=True,
            check=False,
        )
        lines = (line.partition("=") for line in done.stdout.splitlines())
        return {**dict.fromkeys(names, ""), **{name: value for name, _, value in lines}}

    def answers(self, slot: str, path: str) -> bool:
        """Tell whether the version in the slot says that it is well."""
        headers = {"Host": self.host, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
        connection = _Connection(self.sockets[slot])
        try:
            connection.request("GET", path, headers={**headers, "Connection": "close"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def connections(self, slot: str, pid: str) -> int:
        """Return how many connections there are to the version in the slot, by its process.

        Its own list: with a network of its own, the machine's list does not have them.
        """
        try:
            lines = Path(f"/proc/{pid}/net/unix").read_text().splitlines()
        except OSError:
            return 0
        path = f" {self.sockets[slot]}"
        return sum(line.endswith(path) and line.split()[5] in _CONNECTED for line in lines)


class Release:
    """One release, of one version into the slot that does not serve."""

    def __init__(self, machine: Machine, options: argparse.Namespace) -> None:
        """Find out which slot serves."""
        self._machine = machine
        self._options = options
        self._old = machine.live()
        self._new = SLOTS[1 - SLOTS.index(self._old)] if self._old else SLOTS[0]
        self._moved = False

    def run(self) -> None:
        """Have the new version serve. Raises `ReleaseError` where the old one goes on."""
        machine, new, old = self._machine, self._new, self._old
        try:
            self._call("systemctl", "stop", machine.unit(new))
            if self._options.back:
                if not Path(machine.command(new)).exists():
                    raise ReleaseError(f"there is no version in {machine.base / new}")
            else:
                self._build()
                if not self._options.no_upgrade:
                    self._upgrade()
            _say(f"starting {machine.unit(new)}")
            self._call("systemctl", "start", machine.unit(new))
            self._wait()
            _say(f"{machine.unit(new)} is ready; moving the traffic")
            self._moved = True
            self._move(new)
            self._watch()
        except BaseException:
            self._go_back()
            raise
        self._call("systemctl", "enable", "--quiet", machine.unit(new))
        if old:
            self._call("systemctl", "disable", "--quiet", machine.unit(old))
            _say(f"stopping {machine.unit(old)}: requests that it has get their answer")
            self._call("systemctl", "stop", machine.unit(old))
        _say(f"{machine.unit(new)} serves")

    def _build(self) -> None:
        """Put a commit of the clone into the slot, with an environment of its own."""
        machine = self._machine
        git = ("git", "-C", str(machine.source))
        revision = f"{self._options.revision}^{{commit}}"
        try:
            commit = self._read(*git, "rev-parse", "--verify", "--quiet", revision).strip()
        except ReleaseError:
            raise ReleaseError(f"{machine.source} has no {self._options.revision!r}") from None
        if self._read(*git, "status", "--porcelain", "--untracked-files=no"):
            _say("what is not committed is not released")
        _say(f"building {commit[:12]} in {machine.base / self._new}")
        tree = machine.base / self._new
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(mode=0o755)
        archive = tree / "release.tar"
        self._call(*git, "archive", f"--output={archive}", commit)
        self._call("tar", "-xf", str(archive), "-C", str(tree))
        archive.unlink()
        (tree / SOCKET).unlink(missing_ok=True)
        (tree / SOCKET).symlink_to(machine.sockets[self._new])
        if not (tree / "uv.lock").exists():
            raise ReleaseError("the commit has no uv.lock; hooks/verify makes it: commit it")
        uv = shutil.which("uv") or _UV
        words = (uv, "sync", "--quiet", "--frozen", "--no-dev", "--compile-bytecode")
        self._call(*words, "--python", _PYTHON, cwd=tree)

    def _upgrade(self) -> None:
        """Run the migrations of the new version while the old one serves: see docs/release.md."""
        machine = self._machine
        tree = machine.base / self._new
        facts = (
            f"EnvironmentFile={machine.etc / 'env'}",
            f"WorkingDirectory={tree}",
            f"StateDirectory={machine.name}",
            "StateDirectoryMode=0700",
            "UMask=0077",
        )
        properties = [part for fact in facts for part in ("-p", fact)]
        words = ("systemd-run", "--quiet", "--collect", "--pipe", "--wait", f"--uid={machine.name}")
        # For the log: a unit has no operator of its own.
        operator = f"--setenv=SUDO_USER={os.environ.get('SUDO_USER', 'root')}"
        self._call(*words, operator, *properties, machine.command(self._new), "db", "upgrade")

    def _wait(self) -> None:
        """Return once the new version is ready, several times in a row."""
        machine, new, good = self._machine, self._new, 0
        # The version of before may meet newer tables, which it cannot say to be its own.
        path = "/healthz" if self._options.back else "/readyz"
        deadline = time.monotonic() + self._options.wait
        while good < _READY:
            self._require_alive()
            good = good + 1 if machine.answers(new, path) else 0
            if time.monotonic() > deadline:
                self._fail(f"not ready after {self._options.wait:g} s")
            time.sleep(_PAUSE)

    def _watch(self) -> None:
        """Return once nobody uses the old version any more, and the new one is well so far."""
        machine, old, lost = self._machine, self._old, 0
        pid = machine.state(old)["MainPID"] if old else ""
        begun = quiet = time.monotonic()
        while True:
            time.sleep(_PAUSE)
            self._require_alive()
            lost = 0 if machine.answers(self._new, "/healthz") else lost + 1
            if lost >= _LOST:
                self._fail("it does not answer any more")
            now = time.monotonic()
            if old and machine.connections(old, pid):
                quiet = now
            if now - begun > max(self._options.drain, _WATCHED):
                _say(f"{old} still has connections: what they do gets 30 s more")
                return
            if now - begun >= _WATCHED and now - quiet >= _QUIET:
                return

    def _require_alive(self) -> None:
        state = self._machine.state(self._new)
        if state["ActiveState"] in {"failed", "inactive"} or state["NRestarts"] not in {"", "0"}:
            self._fail("it has ended")

    def _move(self, slot: str) -> None:
        """Have the next request go to a slot, then nginx know limits and pages of its version."""
        machine = self._machine
        _lead(machine.link, slot)
        words = [machine.command(slot), "edge", str(machine.nginx)]
        words += ["--machine", str(machine.facts(machine.link))]
        words += ["--remove"] if self._options.remove else []
        before = machine.nginx.read_bytes() if machine.nginx.exists() else b""
        self._call(*words, cwd=machine.link)
        # Only then: a reload closes connections on which a client may just be asking.
        if machine.nginx.read_bytes() != before:
            self._read(*words, "--reload", cwd=machine.link)

    def _go_back(self) -> None:
        """Leave the old version as the one that serves, and stop the new one."""
        machine = self._machine
        if self._moved and self._old:
            _say(f"moving the traffic back to {machine.unit(self._old)}")
            try:
                self._move(self._old)
            except ReleaseError as error:
                # The requests are there already; limits and pages are those of the new one.
                print(f"release: {error}", file=sys.stderr)
        self._call("systemctl", "stop", machine.unit(self._new))
        _say(f"{machine.unit(self._old)} serves as before" if self._old else "nothing serves")

    def _fail(self, reason: str) -> NoReturn:
        unit = self._machine.unit(self._new)
        raise ReleaseError(f"{unit}: {reason}; why: journalctl -u {unit} -n 50")

    def _call(self, *command: str, cwd: Path | None = None) -> None:
        self._read(*command, cwd=cwd, shown=True)

    def _read(self, *command: str, cwd: Path | None = None, shown: bool = False) -> str:
        where: dict[str, Any] = {} if shown else {"stdout": subprocess.PIPE}
        try:
            # By the name of the folder, which may be a link: that one stays the same.
            own = {**os.environ, "PWD": str(cwd or Path.cwd())}
            done = subprocess.run(command, cwd=cwd, env=own, text=True, check=False, **where)  # noqa: S603 - of this file
        except OSError as error:
            raise ReleaseError(f"{command[0]}: {error.strerror}") from None
        if done.returncode:
            raise ReleaseError(f"{' '.join(command)}: exit code {done.returncode}")
        return done.stdout or ""


@contextmanager
def alone(machine: Machine) -> Iterator[None]:
    """Keep out a second release."""
    folder = os.open(machine.base, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReleaseError(f"another release is under way in {machine.base}") from None
        yield
    finally:
        os.close(folder)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ReleaseError(f"{path}: {error}") from None


def _variables(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ReleaseError(f"{path}: {error.strerror}; make it from .env.example") from None
    pairs = (line.strip().partition("=") for line in lines)
    return {name: value.strip("\"'") for name, equals, value in pairs if equals}


def _host(variables: Mapping[str, str]) -> str:
    """Return a name that the service answers for; a made-up one it would refuse."""
    names, file = variables.get("APP_HOSTS", ""), variables.get("APP_HOSTS_FILE", "")
    if file and not names:
        try:
            names = Path(file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReleaseError(f"APP_HOSTS_FILE: {file}: {error}") from None
    return names.partition(",")[0].strip() or "localhost"


def _lead(link: Path, target: str) -> None:
    """Have a symbolic link lead elsewhere, at one moment."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Release; return the exit code: 1 where the old version goes on serving."""
    parser = argparse.ArgumentParser(prog="release.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("revision", nargs="?", default="HEAD", help="what to release; HEAD")
    parser.add_argument("--back", action="store_true", help="start the version of before again")
    parser.add_argument("--no-upgrade", action="store_true", help="the tables are up to date")
    parser.add_argument("--remove", action="store_true", help="agree that names of nginx vanish")
    parser.add_argument("--wait", type=float, default=60, help="seconds until it must be ready; 60")
    parser.add_argument("--drain", type=float, default=30, help="seconds for the old one; 30")
    parser.add_argument("--etc", type=Path, help="folder of the settings; /etc/NAME")
    options = parser.parse_args(arguments)
    # As Ctrl-C: the old version must not be left without the traffic.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        machine = Machine(Path(__file__).resolve().parents[1], options.etc)
        with alone(machine):
            Release(machine, options).run()
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
