"""docs/containers.md on a Debian 13 with Docker, from the first command to a machine without power.

No registry is there: Debian with its Python stands for the image of Python that the Dockerfile
names, and the tests' uv for that of uv, so their digests are taken out. The machine reaches what
this one does, by a network that is a process of this one; its ports are its own.
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
from tests.containers import stages
from tests.live.nginx import Authority
from tests.live.test_certificates import STEADY
from tests.live.test_systemd import HOST, NAME, PASSWORD, SECONDS, Machine, script
from tests.needs import missing, needs
from tests.projects import BIN, ROOT, Project

ADDRESS = "10.0.2.100"
"""What slirp4netns gives the machine."""
HERE = "cd /srv/project"
ACME = "acme.example.com"
PACKAGES = "docker.io docker-cli docker-compose docker-buildx iproute2 iptables python3"
PARTS = "bin etc home lib lib64 root sbin tmp usr var"

pytestmark = pytest.mark.weekly


class Host(Machine):
    """A Debian that may do what Docker's daemon does."""

    suite = "trixie"
    may = ("--capability=all", "--system-call-filter=@keyring bpf", "--resolv-conf=off")
    variables = MappingProxyType({"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"})
    _network: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start it, and give it a network and the authority for certificates."""
        super().boot()
        where = ["--configure", "--mtu=1500", self.leader(), "tap0"]
        self._network = subprocess.Popen(
            [needs("slirp4netns"), *where],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait_for(f"ip address show tap0 | grep -q {ADDRESS}")
        self.wait_for("docker info")
        self.run(
            "systemd-run -q --unit=names /usr/local/bin/pebble-challtestsrv"
            f" -defaultIPv4 {ADDRESS} -defaultIPv6 '' -dns01 127.0.0.1:8053"
            " -http01 '' -https01 '' -tlsalpn01 '' -management 127.0.0.1:8055"
        )
        settings = " ".join(f"-E {name}={value}" for name, value in STEADY.items())
        self.run(
            f"systemd-run -q --unit=acme {settings}"
            " /usr/local/bin/pebble -config /srv/acme/pebble.json -dnsserver 127.0.0.1:8053"
        )

    def cut(self) -> None:
        """Take its power away."""
        assert self._process
        os.kill(int(self.leader()), 9)
        self._process.wait()
        self.off()

    def off(self) -> None:
        """Shut it down."""
        super().off()
        if self._network:
            self._network.terminate()
            self._network.wait()
            self._network = None

    def wait_for(self, command: str) -> None:
        """Return once a command succeeds."""
        deadline = time.monotonic() + SECONDS
        while "it does" not in self.run(
            f"({command}) > /dev/null 2>&1 && echo it does", check=False
        ):
            assert time.monotonic() < deadline, self.run(f"{HERE}; {command}; docker compose logs")
            time.sleep(0.5)

    def do(self, heading: str, *, block: int = 0, words: Mapping[str, str] = {}) -> str:
        """Run what the page says below a heading, with other words for some of it."""
        page = (ROOT / "docs" / "containers.md").read_text("utf-8")
        section = page.split(f"\n## {heading}\n")[1].partition("\n## ")[0]
        text = re.findall(r"```console\n(.*?)```", section, re.DOTALL)[block]
        commands = []
        for line in text.splitlines():
            command = line.removeprefix("$ ").partition("  #")[0].rstrip()
            command = command.replace("myapp", "my_service").replace(
                "compose exec", "compose exec -T"
            )
            for old, new in words.items():
                command = command.replace(old, new)
            if "user add" in command:
                command = f"echo '{PASSWORD}' | {command}"
            if command != "hooks/verify":
                commands.append(command)
        return self.run(f"{HERE} && {{ {script(commands)}\n}}")


def images(machine: Host, project: Project) -> None:
    """Make the images that the Dockerfile begins with, and take their digests out."""
    named = {
        stage.base.partition("@")[0] for stage in stages(project).values() if "@" in stage.base
    }
    (uv,) = (name for name in named if "/uv:" in name)
    (python,) = named - {uv}
    path = "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    trust = "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    machine.run(f"tar -C /srv/python -c . | docker import -c '{path}' -c '{trust}' - {python}")
    machine.run(f"tar -C /srv/uv -c . | docker import - {uv}")
    machine.run("rm -r /srv/python /srv/uv")
    for name in ("Dockerfile", "compose.yaml"):
        file = machine.root / "srv/project" / name
        file.write_text(re.sub("@sha256:[0-9a-f]{64}", "", file.read_text("utf-8")))


def acme(root: Path) -> None:
    """Put an authority for certificates on the machine, and lead certbot to it."""
    for program in ("pebble", "pebble-challtestsrv"):
        shutil.copy(needs(program), root / "usr/local/bin")
    folder = root / "srv/acme"
    folder.mkdir()
    Authority(folder).issue(folder, ACME, "ecdsa")
    made = f"/srv/acme/{ACME}-ecdsa"
    config = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": f"{made}/fullchain.pem",
        "privateKey": f"{made}/privkey.pem",
        "httpPort": 80,
        "tlsPort": 443,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    command = ["sh", "deploy/docker/edge", "--server", f"https://{ACME}:14000/dir"]
    edge = {
        "extra_hosts": [f"{ACME}:host-gateway"],
        "environment": {"REQUESTS_CA_BUNDLE": "/run/acme.pem"},
        "volumes": ["/srv/acme/ca.pem:/run/acme.pem:ro"],
        "command": command,
    }
    override = json.dumps({"services": {"edge": edge}})
    (root / "srv/project/compose.override.yaml").write_text(override)


@pytest.fixture(scope="module")
def machine(installed: Render, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Do what the page says to start."""
    if os.geteuid() != 0:
        missing("root", "run the tests as root, on a machine that lets it boot another one")
    needs("slirp4netns")
    project = installed(framework="fastapi")
    cache = tmp_path_factory.mktemp("cache")
    machine = Host(tmp_path_factory.mktemp("debian") / "root", cache)
    root = machine.root
    machine.prepare(
        "apt-get update -q && apt-get install -y -q python3\n"
        "mkdir /srv/python && cd /srv/python && mkdir run proc sys dev srv\n"
        f"tar -C / --one-file-system -c {PARTS} | tar -x\n"
        "ln -s /usr/bin/python3 usr/local/bin/python\n"
        "cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs\n"
        f"apt-get install -y -q --no-install-recommends {PACKAGES}\n"
    )
    # The first version of control groups comes in read-only, as Docker starts its containers.
    mount = "while read each; do mount -o remount,rw,bind $$each || exit 1; done"
    unit = root / "etc/systemd/system/docker.service.d/groups.conf"
    unit.parent.mkdir()
    command = f'/bin/sh -c "mount -t cgroup | cut -d\\" \\" -f3 | {mount}"'
    unit.write_text(f"[Service]\nExecStartPre={command}\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")
    (root / "srv/uv").mkdir()
    shutil.copy((BIN / "uv").resolve(), root / "srv/uv/uv")
    left_out = shutil.ignore_patterns(".venv", ".*_cache", "var", ".git")
    shutil.copytree(project.path, root / "srv/project", ignore=left_out)
    acme(root)
    try:
        machine.boot()
        images(machine, project)
        machine.do("Start", words={"$USER": "eve"})
        wait(machine)
        yield machine
    finally:
        machine.off()


def wait(machine: Host) -> None:
    """Return once it serves by https."""
    machine.wait_for(f"curl -skf -o /dev/null https://{HOST}/")


def renews(machine: Host) -> None:
    """Insist on a process that renews the certificates."""
    look = "docker compose exec -T edge sh -c 'cat /proc/[0-9]*/cmdline || true'"
    said = machine.run(f"{HERE}; {look} | tr '\\0' ' '")
    assert "sh deploy/docker/certificates" in said


def test_the_first_user_logs_in(machine: Host) -> None:
    machine.log_in()
    said = machine.run(f"{HERE}; docker compose exec -T app-1 my_service check")
    assert "fail" not in said
    assert "no uv.lock" not in said


def test_nobody_but_the_edge_is_reachable(machine: Host) -> None:
    found = machine.run("ss -Hltn | awk '{print $4}' | grep -v '^127' | sed 's/.*://' | sort -u")
    assert found.split() == ["14000", "443", "80"]
    for name in ("app-1", "app-2"):
        inside = f"{HERE}; docker compose exec -T {name} sh -c"
        assert machine.run(f"{inside} 'ls /sys/class/net'") == "lo"
        assert "CapBnd:\t0000000000000000" in machine.run(f"{inside} 'cat /proc/1/status'")
        assert "Read-only file system" in machine.run(f"{inside} 'echo > /app/x'", check=False)


def test_certificates_are_renewed(machine: Host) -> None:
    serial = (
        f"openssl s_client -connect {HOST}:443 -servername {HOST} < /dev/null 2> /dev/null"
        " | openssl x509 -noout -serial"
    )
    machine.wait_for(f"{HERE}; docker compose logs edge | grep -q 'certificates: ecdsa, rsa'")
    before = machine.run(serial)
    machine.do(
        "Start",
        block=1,
        words={"edge.toml": f"edge.toml --force-renewal --server https://{ACME}:14000/dir"},
    )
    machine.wait_for(f"test '{before}' != \"$({serial})\"")


def test_an_update_loses_no_request(machine: Host) -> None:
    machine.run("echo '# Two.' >> /srv/project/src/my_service/__init__.py")
    asks = f"curl -sk -o /dev/null -w '%{{http_code}}\\n' https://{HOST}/login"
    machine.run(
        "touch /root/on; systemd-run -q --unit=visitor bash -c"
        f' "while [ -e /root/on ]; do {asks}; sleep 0.05; done > /root/seen"'
    )
    ids = f"{HERE}; docker compose ps --quiet app-1 app-2 edge"
    before = machine.run(ids).split()
    try:
        machine.do("Update")
    finally:
        machine.run("rm /root/on; while systemctl -q is-active visitor; do sleep 0.1; done")
    assert machine.run("sort -u /root/seen") == "200"
    after = machine.run(ids).split()
    assert len(set(before) & set(after)) == 1, "the edge stays, the others are new"
    machine.do("Update", block=1)
    wait(machine)
    renews(machine)


def test_a_backup_comes_back(machine: Host) -> None:
    machine.do("Backups")
    (name,) = machine.run("ls /srv/project/backups").split()
    command = "docker compose run --rm --no-deps tables my_service restore"
    said = machine.run(f"{HERE}; {command} /var/lib/app/backups/{name}", check=False)
    assert "the service runs" in said
    gone = "docker compose rm --stop --force app-1 app-2 tables && docker volume rm"
    machine.run(f"{HERE}; {gone} {NAME}_data")
    said = machine.do("Backups", block=1, words={"20261126T031500Z": name})
    assert "all sessions have ended" in said
    wait(machine)
    machine.log_in()


@pytest.mark.parametrize("name", ["app-1", "edge"])
def test_what_crashes_comes_back(machine: Host, name: str) -> None:
    number = f"docker inspect -f '{{{{.State.Pid}}}}' {NAME}-{name}-1"
    before = machine.run(number)
    machine.run(f"kill -KILL {before}")
    machine.wait_for(f"test $({number}) != {before} && test $({number}) != 0")
    wait(machine)
    renews(machine)


def test_it_starts_with_the_machine(machine: Host) -> None:
    # What depends on the order in which containers start does not fail each time.
    for _ in range(3):
        machine.cut()
        machine.boot()
        wait(machine)
        renews(machine)
    machine.log_in()
