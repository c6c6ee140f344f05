# Owned by the template: extend, do not edit.
"""One mail to one server, by the standard library's `smtplib` (RFC 5321, 3207, 8314).

What went wrong is one of three: try again, never again, or nobody knows. A server may be slow, mad
or away; each try ends after `DEADLINE_SECONDS`.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from ipaddress import ip_address
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

DEADLINE_SECONDS = 120
"""Longest try, whatever the server sends meanwhile."""
_SILENCE_SECONDS = 30
"""Longest wait for its next byte."""
_PORTS = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
_FORM = "write it as smtps://user:password@host or smtp+starttls://user:password@host:587"
_FORWARDED = 251
"""The mail is taken, and goes on to where the user is now (RFC 5321 section 3.4)."""
_READY, _OK, _CLOSING, _PERMANENT, _CONTINUE = 220, 250, 400, 500, 354
_SHOWN = 200

Security = Literal["smtps", "smtp+starttls", "smtp"]


class TemporaryError(Exception):
    """Raised if the server has not accepted the mail: it may be sent again."""


class RefusedError(Exception):
    """Raised if the server will never accept the mail."""


class UncertainError(Exception):
    """Raised if the server fell silent after the last byte: it has the mail, or it has not."""


@dataclass(frozen=True, slots=True)
class Server:
    """The mail server by which the service sends."""

    security: Security
    host: str
    port: int
    user: str = ""
    password: str = ""
    cafile: str | None = None
    """Authority to trust instead of the system's."""

    @property
    def is_loopback(self) -> bool:
        """Tell whether nobody can be on the way."""
        if self.host == "localhost":
            return True
        with suppress(ValueError):
            return ip_address(self.host).is_loopback
        return False


def read_url(url: str) -> Server:
    """Return the server of APP_SMTP_URL. Raises `ValueError`, without the URL: it has a password.

    A `?cafile=/path` names an authority of your own.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        # Without its words: they repeat what is between the brackets, of a password, too.
        raise ValueError(f"write [ and ] in the password as %5B and %5D; {_FORM}") from None
    if parts.scheme not in _PORTS:
        raise ValueError(f"the scheme is {parts.scheme!r}; {_FORM}")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise ValueError(f"the port is no number up to 65535; {_FORM}") from None
    if not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError(
            f"there is no host, or something behind it; {_FORM}, with %40 for @, %2F for /,"
            " %23 for # and %3F for ? in the password"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    cafile = options.pop("cafile", None)
    if options:
        raise ValueError(f"there is no option {', '.join(options)}; cafile is the only one")
    if bool(parts.username) != bool(parts.password):
        raise ValueError(f"it has a user without a password, or no user to its password; {_FORM}")
    if re.search(r"[\x00-\x20\x7f]", unquote(parts.netloc)):
        raise ValueError("it has a space or a control character; write a space as %20")
    return Server(
        security=parts.scheme,  # type: ignore[arg-type] # one of `_PORTS`
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        cafile=cafile,
    )


def deliver(
    server: Server, message: EmailMessage, sender: str, recipient: str, last: Callable[[], bool]
) -> None:
    """Send a mail. `last` is called before the last byte; if it returns False nothing was sent.

    Raises `TemporaryError`, `RefusedError` and `UncertainError`.
    """
    international = not (recipient + sender).isascii()
    content = _stuffed(message.as_bytes(policy=SMTP.clone(utf8=international)))
    ended = False
    try:
        with _session(server, sender.rpartition("@")[2]) as smtp:
            options = ["SMTPUTF8", "BODY=8BITMIME"] if international else []
            if international and not smtp.has_extn("smtputf8"):
                raise RefusedError("the server takes no address in that script (SMTPUTF8)")
            _insist(smtp.mail(sender, options), _OK, "MAIL")
            code, said = smtp.rcpt(recipient)
            if code >= _PERMANENT:
                raise RefusedError(f"RCPT: {_shown(code, said)}")
            _insist((code, said), _OK, "RCPT", also=_FORWARDED)
            _insist(smtp.docmd("DATA"), _CONTINUE, "DATA")
            smtp.send(content)
            if not last():
                return
            ended = True
            smtp.send(b".\r\n")
            code, _ = smtp.getreply()
            # Not what it said: that may be the mail.
            if _PERMANENT <= code < _PERMANENT + 100:
                ended = False
                raise RefusedError(f"the mail itself: {code}")
            if _CLOSING <= code < _PERMANENT:
                ended = False
                raise TemporaryError(f"the mail itself: {code}")
            if code // 100 != _OK // 100:
                raise UncertainError(f"no reply, but {code}")
    except (TemporaryError, RefusedError, UncertainError):
        raise
    except Exception as error:
        # Whatever a server may send: no SMTP, no TLS, no base64, no text.
        if ended:
            raise UncertainError(type(error).__name__) from error
        raise TemporaryError(_reason(error)) from error


@contextmanager
def _session(server: Server, name: str) -> Iterator[smtplib.SMTP]:
    """Open a session, which is over at the deadline."""
    # Else it would look its own name up in the DNS, and tell it.
    smtp = smtplib.SMTP(local_hostname=name, timeout=_SILENCE_SECONDS)
    raw = socket.create_connection((server.host, server.port), timeout=_SILENCE_SECONDS)
    smtp.sock = raw
    over = threading.Timer(DEADLINE_SECONDS, _hang_up, [smtp])
    over.daemon = True
    over.start()
    try:
        if server.security == "smtps":
            _encrypt(server, smtp, raw)
        _insist(smtp.getreply(), _READY, "greeting")
        _insist(smtp.ehlo(), _OK, "EHLO")
        if server.security == "smtp+starttls":
            if not smtp.has_extn("starttls"):
                raise TemporaryError("STARTTLS: the server has none, or somebody took it away")
            _insist(smtp.docmd("STARTTLS"), _READY, "STARTTLS")
            _encrypt(server, smtp, raw)
            # What came before it may be anybody's, also what waits to be read (RFC 3207 4.2).
            smtp.file = None
            smtp.esmtp_features = {}
            smtp.ehlo_resp = smtp.helo_resp = None
            _insist(smtp.ehlo(), _OK, "EHLO")
        if server.user:
            smtp.login(server.user, server.password)
        yield smtp
        with suppress(Exception):
            # The mail is sent; how the server says goodbye does not matter.
            smtp.sock.settimeout(1)
            smtp.quit()
    finally:
        over.cancel()
        smtp.close()


def _hang_up(smtp: smtplib.SMTP) -> None:
    if smtp.sock:
        with suppress(OSError):
            # Not by the method of an encrypted one: it takes the TLS off first.
            socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)


def _encrypt(server: Server, smtp: smtplib.SMTP, raw: socket.socket) -> None:
    """Begin TLS; the server proves its name. Later than `sock` is set, for `_hang_up`."""
    context = ssl.create_default_context(cafile=server.cafile)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    encrypted = context.wrap_socket(raw, server_hostname=server.host, do_handshake_on_connect=False)
    smtp.sock = encrypted
    encrypted.do_handshake()


def _insist(reply: tuple[int, bytes], expected: int, step: str, *, also: int = 0) -> None:
    if reply[0] not in {expected, also}:
        raise TemporaryError(f"{step}: {_shown(*reply)}")


def _shown(code: int, said: bytes) -> str:
    return f"{code} {said.decode('ascii', 'replace')}"[:_SHOWN]


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return _shown(error.smtp_code, said if isinstance(said, bytes) else said.encode())
    return f"{type(error).__name__}: {error}"[:_SHOWN]


def _stuffed(content: bytes) -> bytes:
    """Return a mail as it goes out, all but its last line, the dot (RFC 5321 section 4.5.2)."""
    content = re.sub(rb"(?m)^\.", b"..", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"
