"""The edge as it ships: a real nginx with the project's own configuration, on ports of loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.live import commands
from tests.live.service import HOST, Client, Line, Service, folder, running, stop
from tests.needs import needs
from tests.ports import free_port
from tests.projects import Project, clean_environment

START_SECONDS = 120.0

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Authority:
    """An authority that tests trust, and the certificates of the services."""

    def __init__(self, made: Path) -> None:
        """Make a root in a folder."""
        self.file = made / "ca.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self._root = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(self._usage(sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        # As Let's Encrypt has it; nobody fetches it here.
        url = x509.UniformResourceIdentifier("http://crl.example.com/1.crl")
        self._revoked = x509.DistributionPoint([url], None, None, None)
        self.file.write_bytes(self._root.public_bytes(serialization.Encoding.PEM))

    def issue(self, certificates: Path, name: str, key_type: str) -> None:
        """Put a certificate where certbot would."""
        key: Key = (
            ec.generate_private_key(ec.SECP256R1())
            if key_type == "ecdsa"
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        issued = (
            self._builder(subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(self._usage(sign=False), critical=True)
            .add_extension(x509.CRLDistributionPoints([self._revoked]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        target = certificates / f"{name}-{key_type}"
        target.mkdir(parents=True, exist_ok=True)
        (target / "fullchain.pem").write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        (target / "privkey.pem").write_bytes(_pem(key))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=80))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )

    @staticmethod
    def _usage(*, sign: bool) -> x509.KeyUsage:
        others = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        return x509.KeyUsage(digital_signature=True, key_cert_sign=sign, crl_sign=sign, **others)


def has_ipv6() -> bool:
    """Tell whether this machine has an IPv6 loopback: some containers have none."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Chain(httpx.BaseTransport):
    """The way of a browser: to the address that the edge has here, whatever the URL's name."""

    def __init__(self, edge: Edge, source: str = "127.0.0.1", target: str = "127.0.0.1") -> None:
        """Take the client's own address and the edge's."""
        self._target = target
        self._inner = httpx.HTTPTransport(
            verify=edge.trust(), http2=False, local_address=source, trust_env=False
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request on."""
        passed = httpx.Request(
            request.method,
            request.url.copy_with(host=self._target),
            headers=request.headers,
            stream=request.stream,
            extensions={"sni_hostname": request.url.host, **request.extensions},
        )
        return self._inner.handle_request(passed)

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()


@dataclass
class Edge:
    """An nginx in front of a service's sockets."""

    project: Project
    folder: Path
    sockets: Sequence[str]
    addresses: Sequence[str] = field(
        default_factory=lambda: ["127.0.0.1", "[::1]"] if has_ipv6() else ["127.0.0.1"]
    )
    http: int = field(default_factory=free_port)
    https: int = field(default_factory=free_port)
    certified: bool = True
    """Whether to have certificates from the start."""
    facts: dict[str, Any] = field(default_factory=dict)
    """More lines of edge.toml."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def policy(self) -> str:
        """The project's policy, at the end of the ladder of HSTS."""
        path = self.folder / "edge-policy.toml"
        own = (self.project.path / "policy.toml").read_text("utf-8")
        path.write_text(own.replace("hsts-max-age = 300", "hsts-max-age = 63072000"), "utf-8")
        return str(path)

    def __post_init__(self) -> None:
        """Make the folders, and what certbot would have made."""
        for name in ("logs", "cache", "acme", "live"):
            (self.folder / name).mkdir(mode=0o755)
        self.authority = Authority(self.folder)
        if self.certified:
            for key_type in ("ecdsa", "rsa"):
                self.authority.issue(self.folder / "live", HOST, key_type)

    @property
    def origin(self) -> str:
        """The service's origin as browsers see it."""
        return f"https://{HOST}:{self.https}"

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.folder / "nginx.conf"

    def machine(self) -> Path:
        """Write the project's edge.toml with the places of this test, and return its path."""
        shipped = (self.project.path / "deploy" / "edge.toml").read_text("utf-8")
        own: dict[str, Any] = {
            "addresses": list(self.addresses),
            "http-port": self.http,
            "https-port": self.https,
            "sockets": list(self.sockets),
            "live": "",
            "nginx": needs("nginx"),
            # The sockets' folder is this account's alone.
            "user": "root",
            "pid": str(self.folder / "pid"),
            "logs": str(self.folder / "logs"),
            "cache": str(self.folder / "cache"),
            "certificates": str(self.folder / "live"),
            "webroot": str(self.folder / "acme"),
            **self.facts,
        }
        lines = [line for line in shipped.splitlines() if line.partition(" = ")[0] not in own]
        lines += [f"{name} = {json.dumps(value)}" for name, value in own.items()]
        path = self.folder / "edge.toml"
        path.write_text("\n".join(lines), "utf-8")
        return path

    def render(self, *, check: bool = True, policy: str = "") -> str:
        """Write the configuration with the project's command; return what it printed."""
        done = commands.run(self.project, self.words(policy), clean_environment())
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout + done.stderr

    def words(self, policy: str = "") -> tuple[str, ...]:
        """Return the words of the project's command that writes the configuration."""
        options = ("--machine", str(self.machine()), "--policy", policy or self.policy)
        return ("edge", str(self.file), *options)

    def start(self) -> None:
        """Start nginx, and return once it listens."""
        self.process = subprocess.Popen(
            [needs("nginx"), "-e", "stderr", "-c", str(self.file), "-g", "daemon off;"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.process.poll() is None, self.errors()
            try:
                socket.create_connection(("127.0.0.1", self.http)).close()
            except OSError:
                assert time.monotonic() < deadline, self.errors()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> int:
        """Stop nginx as systemd does, and return its exit code."""
        assert self.process
        return stop(self.process, signal.SIGQUIT)

    def reload(self) -> None:
        """Make nginx read its configuration again, as systemd does."""
        command = [needs("nginx"), "-e", "stderr", "-c", str(self.file), "-s", "reload"]
        subprocess.run(command, check=True, capture_output=True)

    def wait_until(self, check: Callable[[], object]) -> None:
        """Return once `check` raises nothing: nginx takes a moment to read its configuration."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                check()
            except (AssertionError, OSError, httpx.TransportError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _children(self) -> dict[int, bytes]:
        """Return nginx's processes below the master, each with the title that it has given itself.

        One that has just begun bears the master's.
        """
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = {}
        for number in children.read_text().split():
            # One that has ended meanwhile is none.
            with suppress(OSError):
                found[int(number)] = Path(f"/proc/{number}/cmdline").read_bytes()
        return found

    def workers(self) -> set[int]:
        """Return the process ids of nginx's workers, those that are shutting down too."""
        return {number for number, title in self._children().items() if b"worker process" in title}

    def settled(self) -> bool:
        """Tell whether all workers have the configuration that one of them was seen to have.

        Until then an older one may answer, also one that has not heard yet that it is to end.
        """
        others = [title for title in self._children().values() if b": cache " not in title]
        serve = [title for title in others if b"worker process" in title]
        ending = any(b"shutting down" in title for title in serve)
        return len(others) == len(serve) == os.cpu_count() and not ending

    def wait_for_new(self, old: set[int]) -> None:
        """Return once workers serve that are none of the `old` ones."""

        def some() -> None:
            assert self.workers() - old

        self.wait_until(some)

    def errors(self) -> str:
        """Return nginx's error log."""
        log = self.folder / "logs" / "error.log"
        return log.read_text("utf-8") if log.exists() else ""

    def lines(self) -> list[Line]:
        """Return the access log; each line must be a JSON object."""
        text = (self.folder / "logs" / "access.log").read_text("utf-8")
        return [json.loads(line) for line in text.split("\n") if line]

    def lines_of(self, request_id: str) -> list[Line]:
        """Return what the access log says of a request that was answered, once it says something.

        nginx writes its line after the answer. Who reads until the connection ends, like `raw`,
        finds it at once; who keeps the connection may be faster than nginx.
        """
        found: list[Line] = []

        def logged() -> None:
            found[:] = [line for line in self.lines() if line["request_id"] == request_id]
            assert found

        self.wait_until(logged)
        return found

    def trust(self) -> ssl.SSLContext:
        """Return what a client trusts."""
        return ssl.create_default_context(cafile=str(self.authority.file))

    def client(self, source: str = "127.0.0.1") -> Client:
        """Return a browser at an address of this machine."""
        target = "::1" if ":" in source else "127.0.0.1"
        return Client(Chain(self, source, target), self.origin)

    def raw(self, request: bytes, *, tls: bool = True, port: int = 0, sni: str = HOST) -> bytes:
        """Send bytes as they stand, and return what comes until the edge closes."""
        where = ("127.0.0.1", port or (self.https if tls else self.http))
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection(where, timeout=START_SECONDS))
            if tls:
                wrapped = self.trust().wrap_socket(connection, server_hostname=sni)
                connection = stack.enter_context(wrapped)
            connection.sendall(request)
            received = b""
            with suppress(ConnectionResetError):
                while data := connection.recv(65536):
                    received += data
            return received

    def curl(self, *arguments: str) -> str:
        """Run curl on the edge, insist on success, and return what it prints."""
        resolve = []
        for port in (self.http, self.https):
            resolve += ["--resolve", f"{HOST}:{port}:127.0.0.1"]
        done = subprocess.run(
            [needs("curl"), "-sS", "--cacert", str(self.authority.file), *resolve, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass
class Deployed:
    """A service and the edge in front of it."""

    service: Service
    edge: Edge


@contextmanager
def deployed(project: Project, **facts: Any) -> Iterator[Deployed]:
    """Start a service and the edge, and stop both in the end; `facts` are more fields of `Edge`."""
    with ExitStack() as stack:
        made = stack.enter_context(folder())
        edge = Edge(project, made, [], **facts)
        hosts = {"APP_HOSTS": f"{HOST}:{edge.https}", "APP_POLICY": edge.policy}
        service = stack.enter_context(running(project, variables=hosts, origin=edge.origin))
        edge.sockets = [service.socket]
        edge.render()
        edge.start()
        stack.callback(edge.stop)
        yield Deployed(service, edge)
