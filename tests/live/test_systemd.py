"""deploy/README.md, from its first line on, on a Debian with systemd that is made for it.

The machine is a folder (debootstrap, systemd-nspawn) whose network is its own loopback: packages
come in before it is booted, wheels by uv's cache, certificates from a pebble that runs in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.conftest import Render
from tests.live.nginx import Authority
from tests.live.test_certificates import STEADY
from tests.needs import missing, needs
from tests.projects import BIN, Project

NAME = "my-service"
HOST = f"{NAME}.example.com"
SECONDS = 600
"""Until something is given up, on a busy machine."""
MIRROR = "http://deb.debian.org/debian"
INSIDE = "systemd,systemd-sysv,dbus,ca-certificates,curl,openssl"
CACHE = "/var/cache/uv"
ACME = "/etc/ssl/acme.pem"
"""Who signed the certificate of the authority."""
PASSWORD = "Vierzehn alte Birken rauschen"  # noqa: S105 - of a machine that lives as long as the test

pytestmark = pytest.mark.weekly


class Machine:
    """A Debian in a folder, as root sees it."""

    suite = "bookworm"
    may: tuple[str, ...] = ()
    """More options of systemd-nspawn, for the machine that is booted."""
    variables: Mapping[str, str] = MappingProxyType({})
    """What the environment of systemd-nspawn has then, beside that of the tests."""

    def __init__(self, root: Path, cache: Path) -> None:
        """Make the system; `cache` is uv's, of which it takes what it installs."""
        self.root = root
        self._cache = cache
        self._process: subprocess.Popen[bytes] | None = None
        made = ["--variant=minbase", f"--include={INSIDE}", self.suite, str(root), MIRROR]
        _done([needs("debootstrap"), *made])
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost {HOST}\n")

    def _nspawn(self, *options: str) -> list[str]:
        # It registers with no machined, which is not everywhere.
        common = ["--quiet", "--register=no", "--keep-unit", f"--bind={self._cache}:{CACHE}"]
        return [needs("systemd-nspawn"), *common, "--directory", str(self.root), *options]

    def prepare(self, command: str) -> None:
        """Run a command before the machine is booted, with the network of this one."""
        # Each service that a package brings stays off.
        files = ["--bind-ro=/etc/ssl/certs", "--resolv-conf=copy-host"]
        settings = [f"--setenv={name}" for name in os.environ if name.startswith(("PIP_", "SSL_"))]
        settings += ["--setenv=DEBIAN_FRONTEND=noninteractive", f"--setenv=UV_CACHE_DIR={CACHE}"]
        _done([*self._nspawn(*files, *settings), "/bin/bash", "-ec", command])

    def boot(self) -> None:
        """Start systemd, and return when it has started all that starts with the machine."""
        self._process = subprocess.Popen(
            self._nspawn("--private-network", *self.may, "--boot"),
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + SECONDS
        while self.run("systemctl is-system-running", check=False) not in {"running", "degraded"}:
            assert self._process.poll() is None, "the machine does not boot"
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def off(self) -> None:
        """Shut it down."""
        if self._process and self._process.poll() is None:
            self.run("systemctl poweroff", check=False)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def leader(self) -> str:
        """Return the process id of its systemd, or nothing while there is none."""
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return next(iter(children.read_text().split()), "")

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a command as root, in bash; return what it says."""
        leader = self.leader()
        if not leader:
            return ""
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "UV_CACHE_DIR": CACHE,
            "UV_OFFLINE": "1",
            "REQUESTS_CA_BUNDLE": ACME,
            "SUDO_USER": "eve",
        }
        done = subprocess.run(
            [needs("nsenter"), "-t", leader, "-a", "/bin/bash", "-c", command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout.strip()

    def status(self, path: str, *options: str) -> str:
        """Return the status with which the service answers a browser on the machine."""
        words = " ".join(options)
        return self.run(f"curl -sk -o /dev/null -w '%{{http_code}}' {words} https://{HOST}{path}")

    def log_in(self) -> None:
        """Insist on a login, and on a session."""
        form = f"--data-urlencode 'username=ada' --data-urlencode 'password={PASSWORD}'"
        origin = f"-H 'Origin: https://{HOST}' -H 'Sec-Fetch-Site: same-origin'"
        assert self.status("/login", "-c /root/jar", form, origin) == "303"
        assert self.status("/account", "-b /root/jar") == "200"


def _done(command: list[str]) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def lines(project: Project) -> list[str]:
    """Return the commands by which an empty machine comes to serve."""
    page = (project.path / "deploy" / "README.md").read_text("utf-8")
    block = page.split("```console\n")[1].partition("```")[0]
    return [line.removeprefix("# ") for line in block.splitlines()]


def script(commands: list[str]) -> str:
    """Return them as a script that ends with the first that fails."""
    return "\n".join(f"{{ {command}; }} || exit 1" for command in commands)


@pytest.fixture(scope="module")
def project(installed: Render, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with its lock committed."""
    made = installed(framework="fastapi")
    copy = Project(tmp_path_factory.mktemp("clone") / NAME)
    left_out = shutil.ignore_patterns(".venv", ".*_cache", "var", ".git")
    shutil.copytree(made.path, copy.path, ignore=left_out)
    copy.commit()
    return copy


@pytest.fixture(scope="module")
def machine(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Do all that the page says."""
    if os.geteuid() != 0:
        missing("root", "run the tests as root, on a machine that lets it boot another one")
    cache = subprocess.run(
        [str(BIN / "uv"), "cache", "dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    machine = Machine(tmp_path_factory.mktemp("debian") / "root", Path(cache))
    packages = ("apt-get ", "python3 -m venv")
    first = [line for line in lines(project) if line.startswith(packages)]
    assert len(first) == 2
    machine.prepare(script(["apt-get update -q", *first]))
    bare = f"{machine.root}/srv/{NAME}.git"
    _done(["git", "clone", "--quiet", "--bare", str(project.path), bare])
    # Debian's Python may need wheels that this one does not: into the cache with them.
    sync = "/opt/uv/bin/uv sync --quiet --frozen --no-dev --python /usr/bin/python3"
    warm = f"git clone -q /srv/{NAME}.git /root/warm && cd /root/warm && {sync}"
    machine.prepare(f"{warm} && rm -r /root/warm")
    acme(machine.root)
    machine.boot()
    bin_ = "/usr/local/bin"
    try:
        machine.run(
            f"systemd-run -q --unit=names {bin_}/pebble-challtestsrv"
            " -defaultIPv4 127.0.0.1 -defaultIPv6 '' -dns01 127.0.0.1:8053"
            " -http01 '' -https01 '' -tlsalpn01 '' -management 127.0.0.1:8055"
        )
        settings = " ".join(f"-E {name}={value}" for name, value in STEADY.items())
        machine.run(
            f"systemd-run -q --unit=acme {settings} {bin_}/pebble -config /root/pebble.json"
            " -dnsserver 127.0.0.1:8053"
        )
        rest = [line for line in lines(project) if not line.startswith(packages)]
        clone = re.compile(rf"https://\S+/{NAME}\.git")
        assert clone.search(rest[0])
        said = machine.run(script([clone.sub(f"/srv/{NAME}.git", line) for line in rest]))
        assert f"{NAME}@blue serves" in said
        yield machine
    finally:
        machine.off()


def acme(root: Path) -> None:
    """Put an authority for certificates on the machine, in the place of the usual one."""
    for program in ("pebble", "pebble-challtestsrv"):
        shutil.copy(needs(program), root / "usr/local/bin")
    made = root / "root"
    Authority(made).issue(made, "localhost", "ecdsa")
    folder = "/root/localhost-ecdsa"
    config = {
        "listenAddress": "127.0.0.1:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": f"{folder}/fullchain.pem",
        "privateKey": f"{folder}/privkey.pem",
        "httpPort": 80,
        "tlsPort": 443,
    }
    # The unit that renews does not see /root.
    shutil.copy(made / "ca.pem", f"{root}{ACME}")
    (made / "pebble.json").write_text(json.dumps({"pebble": config}))
    with (root / "etc/letsencrypt/cli.ini").open("a") as file:
        file.write("server = https://localhost:14000/dir\n")


def test_it_serves(machine: Machine) -> None:
    assert machine.status("/") == "200"
    assert machine.run("systemctl --failed --no-legend") == ""
    head = machine.run(f"curl -skI https://{HOST}/")
    assert "strict-transport-security" in head
    assert "server:" not in head.lower()


def test_the_first_user_logs_in(machine: Machine, project: Project) -> None:
    page = (project.path / "deploy" / "README.md").read_text("utf-8")
    command = page.split("```console\n# ")[2].partition("\n")[0].replace("--pty", "--pipe")
    here = f"cd /opt/{NAME}/live && echo '{PASSWORD}' | {command}"
    said = machine.run(here)
    assert '"operator": "eve"' in said
    machine.log_in()


def test_what_check_says(machine: Machine) -> None:
    said = machine.run(f"cd /opt/{NAME}/live && .venv/bin/my_service check")
    assert "fail" not in said
    assert "behind" not in said


def test_a_renewal_leaves_the_configuration_alone(machine: Machine) -> None:
    before = machine.run(f"cat /etc/{NAME}/nginx.conf")
    override = f"/run/systemd/system/{NAME}-certificates.service.d"
    renew = "/usr/bin/certbot renew --quiet --no-random-sleep-on-renew --force-renewal"
    lines = ("[Service]", f"Environment=REQUESTS_CA_BUNDLE={ACME}", "ExecStart=")
    text = "\\n".join([*lines, f"ExecStart={renew}"])
    machine.run(f"mkdir -p {override} && printf '{text}\\n' > {override}/now.conf")
    machine.run(f"systemctl daemon-reload && systemctl start {NAME}-certificates")
    archive = f"/etc/letsencrypt/archive/{HOST}-ecdsa/fullchain2.pem"
    assert machine.run(f"ls {archive}") == archive
    assert machine.run(f"cat /etc/{NAME}/nginx.conf") == before
    assert machine.status("/") == "200"


def test_a_release_loses_no_request(machine: Machine) -> None:
    asks = f"curl -sk -o /dev/null -w '%{{http_code}}\\n' https://{HOST}/"
    said = machine.run(
        f"cd /opt/{NAME}/source && git -c user.name=a -c user.email=a@b.example commit -q"
        " --allow-empty -m two;"
        f" touch /root/on; (while [ -e /root/on ]; do {asks}; sleep 0.05; done > /root/seen) &"
        " python3 deploy/release.py && python3 deploy/release.py --back; code=$?;"
        " rm /root/on; wait; sort /root/seen | uniq -c; exit $code"
    )
    assert f"{NAME}@green serves" in said
    assert f"{NAME}@blue serves" in said
    assert re.fullmatch(r"\s*\d+ 200", said.splitlines()[-1])
    assert machine.run("sort -u /root/seen") == "200"


def test_backup_and_restore(machine: Machine) -> None:
    machine.run(f"systemctl start {NAME}-backup")
    folder = machine.run(f"ls -d /var/lib/{NAME}-backup/*")
    command = f"cd /opt/{NAME}/live && .venv/bin/my_service restore {folder}"
    assert "the service runs" in machine.run(command, check=False)
    machine.run(f"systemctl stop '{NAME}@*'")
    try:
        assert "all sessions have ended" in machine.run(command)
    finally:
        machine.run(f"systemctl start {NAME}@$(basename $(readlink /opt/{NAME}/live))")
    wait(machine)


def test_a_worker_that_hangs_is_replaced_and_so_is_the_service(machine: Machine) -> None:
    main = f"$(systemctl show -p MainPID --value {NAME}@blue)"
    machine.run(f"kill -KILL {main}")
    deadline = time.monotonic() + SECONDS
    while machine.run(f"systemctl show -p NRestarts --value {NAME}@blue") == "0":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    wait(machine)
    # Nobody tells systemd that a worker is well any more.
    machine.run(f"kill -STOP {main}")
    while machine.run(f"systemctl show -p NRestarts --value {NAME}@blue") != "2":
        assert time.monotonic() < deadline
        time.sleep(1)
    wait(machine)
    assert "Watchdog timeout" in machine.run(f"journalctl --no-pager -u {NAME}@blue")


def test_it_starts_with_the_machine(machine: Machine) -> None:
    machine.off()
    machine.boot()
    wait(machine)
    assert machine.run("systemctl --failed --no-legend") == ""
    timers = machine.run("systemctl list-timers --no-legend")
    assert f"{NAME}-certificates.timer" in timers


def wait(machine: Machine) -> None:
    """Return once the service answers."""
    deadline = time.monotonic() + SECONDS
    while machine.status("/") != "200":
        assert time.monotonic() < deadline
        time.sleep(0.2)
