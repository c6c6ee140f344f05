"""Certificates by the real ACME protocol, through the files that ship (TLS-2).

Let's Encrypt's own test server, pebble, checks the challenges at the edge's port; certbot asks.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.conftest import Render
from tests.live.nginx import Authority, Deployed, deployed
from tests.live.service import HOST, START_SECONDS, folder, stop
from tests.live.test_edge import under_load
from tests.needs import needs
from tests.ports import free_port
from tests.projects import clean_environment

SUITES = {"ecdsa": "ECDHE-ECDSA-AES128-GCM-SHA256", "rsa": "ECDHE-RSA-AES128-GCM-SHA256"}

STEADY = {
    "PEBBLE_VA_NOSLEEP": "1",
    # Every order has a challenge of its own.
    "PEBBLE_AUTHZREUSE": "0",
    # Else every twentieth request is refused by chance, and certbot asks again only once.
    "PEBBLE_WFE_NONCEREJECT": "0",
}


@dataclass
class Acme:
    """pebble, and the name server that it asks."""

    folder: Path
    api: int
    management: int
    names: int

    @property
    def directory(self) -> str:
        """Where clients begin."""
        return f"https://localhost:{self.api}/dir"

    def client(self) -> httpx.Client:
        """Return a client for the management interface."""
        trust = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        return httpx.Client(verify=trust, trust_env=False)

    def root(self) -> str:
        """Return the root certificate, new at each start."""
        with self.client() as client:
            return client.get(f"https://localhost:{self.management}/roots/0").text

    def point(self, address: str) -> None:
        """Let all names be at an address."""
        url = f"http://127.0.0.1:{self.names}/set-default-ipv4"
        assert httpx.post(url, json={"ip": address}, trust_env=False).status_code == 200


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once something listens on the port."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def chain(installed: Render) -> Iterator[Deployed]:
    """Run a service and its edge before there is any certificate."""
    with deployed(installed(framework="fastapi"), certified=False) as started:
        yield started


@pytest.fixture(scope="module")
def acme(chain: Deployed) -> Iterator[Acme]:
    """Run pebble: it looks for challenges at the edge's port for http."""
    pebble, names_server = needs("pebble"), needs("pebble-challtestsrv")
    with ExitStack() as stack:
        made = stack.enter_context(folder())
        Authority(made).issue(made, "localhost", "ecdsa")
        acme = Acme(made, free_port(), free_port(), free_port())
        dns = free_port()
        config = {
            "listenAddress": f"127.0.0.1:{acme.api}",
            "managementListenAddress": f"127.0.0.1:{acme.management}",
            "certificate": str(made / "localhost-ecdsa" / "fullchain.pem"),
            "privateKey": str(made / "localhost-ecdsa" / "privkey.pem"),
            "httpPort": chain.edge.http,
            "tlsPort": chain.edge.https,
        }
        (made / "pebble.json").write_text(json.dumps({"pebble": config}))
        off = ("-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "")
        where = ("-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{acme.names}")
        commands = (
            ([names_server, *off, *where, "-defaultIPv4", "127.0.0.1"], acme.names),
            (
                [pebble, "-config", f"{made}/pebble.json", "-dnsserver", f"127.0.0.1:{dns}"],
                acme.api,
            ),
        )
        for command, port in commands:
            process = subprocess.Popen(
                command,
                env={**os.environ, **STEADY},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(stop, process)
            wait_for(port, process)
        yield acme


def environment(chain: Deployed, acme: Acme) -> dict[str, str]:
    """Return the environment in which certbot trusts pebble."""
    return {**clean_environment(), "REQUESTS_CA_BUNDLE": str(acme.folder / "ca.pem")}


def certbot(chain: Deployed, acme: Acme, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run certbot as the timer does, apart from where its files are."""
    made = chain.edge.folder
    places = [f"--{name}-dir={made / name}" for name in ("config", "work", "logs")]
    return subprocess.run(
        [needs("certbot"), *arguments, *places],
        env=environment(chain, acme),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def served(chain: Deployed, acme: Acme, key_type: str) -> x509.Certificate:
    """Return the certificate that a client of one kind gets, after checking it."""
    context = ssl.create_default_context(cadata=acme.root())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES[key_type])
    with (
        socket.create_connection(
            ("127.0.0.1", chain.edge.https), timeout=START_SECONDS
        ) as connection,
        context.wrap_socket(connection, server_hostname=HOST) as wrapped,
    ):
        found = x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True) or b"")
    kind: Any = ec.EllipticCurvePublicKey if key_type == "ecdsa" else rsa.RSAPublicKey
    assert isinstance(found.public_key(), kind)
    return found


def serials(chain: Deployed, acme: Acme) -> dict[str, int]:
    """Return the serial numbers of what is served."""
    return {key_type: served(chain, acme, key_type).serial_number for key_type in SUITES}


@pytest.fixture(scope="module")
def certified(chain: Deployed, acme: Acme) -> Deployed:
    """Get the first certificates, as a new user does."""
    edge = chain.edge
    assert "none yet" in edge.render()
    with pytest.raises(ssl.SSLError):
        edge.raw(b"")
    edge.facts["certificates"] = str(edge.folder / "config" / "live")
    service = edge.project
    options = (f"--server={acme.directory}", f"--work-dir={edge.folder / 'work'}")
    done = subprocess.run(
        [
            *(service.python, "-m", service.package, "certificates", str(edge.file)),
            *("--machine", str(edge.machine()), *options, f"--logs-dir={edge.folder / 'logs'}"),
        ],
        cwd=service.path,
        env=environment(chain, acme),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    def has_both() -> None:
        serials(chain, acme)
        assert edge.settled()

    edge.wait_until(has_both)
    return chain


def test_bootstrap_and_first_certificates(certified: Deployed, acme: Acme) -> None:
    names = served(certified, acme, "rsa").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == [HOST]
    assert not certified.edge.file.with_name("nginx.conf.new").exists()


def test_certificates_that_are_fresh_stay(certified: Deployed, acme: Acme) -> None:
    before = serials(certified, acme)
    done = certbot(certified, acme, "renew")
    assert done.returncode == 0, done.stderr
    assert "not yet due" in done.stdout + done.stderr
    assert serials(certified, acme) == before


def test_renewal_loses_no_request(certified: Deployed, acme: Acme) -> None:
    before = serials(certified, acme)
    certified.edge.authority.file.write_text(acme.root())

    def renew() -> None:
        done = certbot(certified, acme, "renew", "--force-renewal", "--no-random-sleep-on-renew")
        assert done.returncode == 0, done.stdout + done.stderr

    statuses = under_load(certified.edge, renew)
    assert len(statuses) > 3
    assert set(statuses) == {405}

    def renewed() -> None:
        assert not set(serials(certified, acme).values()) & set(before.values())
        assert certified.edge.settled()

    certified.edge.wait_until(renewed)


def test_failed_issuance_keeps_the_old_certificate(certified: Deployed, acme: Acme) -> None:
    before, configuration = serials(certified, acme), certified.edge.file.read_bytes()
    # Nobody answers there.
    acme.point("127.0.0.99")
    done = certbot(certified, acme, "renew", "--force-renewal", "--no-random-sleep-on-renew")
    acme.point("127.0.0.1")
    assert done.returncode == 1
    assert serials(certified, acme) == before
    assert certified.edge.file.read_bytes() == configuration
    certified.edge.reload()
    assert serials(certified, acme) == before


def test_broken_certificate_never_reaches_nginx(certified: Deployed, acme: Acme) -> None:
    before, configuration = serials(certified, acme), certified.edge.file.read_bytes()
    live = certified.edge.folder / "config" / "live" / f"{HOST}-ecdsa" / "privkey.pem"
    target = live.resolve()
    key = target.read_bytes()
    target.write_bytes(b"no key")
    said = certified.edge.render(check=False)
    target.write_bytes(key)
    assert "nginx refuses" in said
    assert certified.edge.file.read_bytes() == configuration
    assert serials(certified, acme) == before
