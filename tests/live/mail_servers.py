"""Mail servers for tests: one that works, by aiosmtpd, and some that no one should have to meet."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.live.nginx import Authority
from tests.ports import free_port

USER, PASSWORD = "post", "k@ffee/tee#1"


@dataclass
class MailServer:
    """A mail server on loopback, and what it has got."""

    port: int
    refuse: str = ""
    """What it says to each recipient, "" to take them."""
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    # The names are aiosmtpd's.
    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take a recipient, or not."""
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Take a mail."""
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        """Judge a login."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    def wait(self, number: int, seconds: float = 120) -> list[EmailMessage]:
        """Return the mails once there are so many."""
        deadline = time.monotonic() + seconds
        while len(self.mails) < number:
            assert time.monotonic() < deadline, f"{len(self.mails)} of {number} mails"
            time.sleep(0.05)
        return self.mails


@contextmanager
def mail_server(
    folder: Path | None = None, *, implicit: bool = False, refuse: str = ""
) -> Iterator[MailServer]:
    """Run a mail server; with the `folder` of a certificate it wants TLS and a login."""
    server = MailServer(free_port(), refuse=refuse)
    options: dict[str, Any] = {}
    if folder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
        options = {"authenticator": server.authenticate}
        if implicit:
            # It would not know that this is TLS.
            options |= {"ssl_context": context, "auth_require_tls": False}
        else:
            options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **options)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@contextmanager
def odd_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run what says whatever `talk` says to each connection; yield its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        over.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def dialogue(*says: bytes) -> Callable[[socket.socket], None]:
    """Say one thing after the other, each once the client has said something; then hang up.

    At once where the last is empty.
    """

    def talk(connection: socket.socket) -> None:
        for number, text in enumerate(says):
            if number:
                connection.recv(65536)
            connection.sendall(text)
        if says[-1]:
            connection.recv(65536)

    return talk


def certificate(made: Path, name: str) -> tuple[Path, Path]:
    """Return an authority's file, and the folder of a certificate for a name."""
    authority = Authority(made)
    authority.issue(made / "certificates", name, "ecdsa")
    return authority.file, made / "certificates" / f"{name}-ecdsa"
