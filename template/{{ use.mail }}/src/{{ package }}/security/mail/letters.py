# Owned by the template: extend, do not edit.
"""What is written in a mail: the texts are the application's, `app/mails/*.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate
from pathlib import Path
from string import Template
from typing import ClassVar

from .addresses import normalise_address

DEVELOPMENT_SENDER = "development@example.com"
"""Where APP_MAIL_FROM is empty; in production it may not be."""
_BRACKETS = re.compile(r'\A(?:"?([^"<>\r\n]*?)"?\s*)?<([^<>]+)>\Z')


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail before it is one."""

    template: str
    """Name of the file with its text, without `.txt`."""
    to: str
    fields: dict[str, str]
    """What `$name` in the text stands for."""
    mail: EmailMessage | None = None
    """What the application wrote itself, in the place of a text."""

    @property
    def link(self) -> str:
        """The link in it, "" without one."""
        return self.fields.get("link", "")


class _Text(Template):
    flags: ClassVar[re.RegexFlag] = re.ASCII


class Letters:
    """Writes mails of one sender."""

    def __init__(self, folder: Path, sender: Address, service: str, names: Iterable[str]) -> None:
        """Read the texts. Raises `ValueError` for one that is missing or has no subject."""
        self._sender = sender
        self._service = service
        self._texts = {name: _read(folder / f"{name}.txt") for name in names}

    def write(self, letter: Letter, message_id: str, at: int) -> EmailMessage:
        """Return the mail; `at` is its date in seconds."""
        if letter.mail is not None:
            return self._stamped(letter.mail, message_id, at)
        subject, text = self._texts[letter.template]
        fields = {"service": self._service, **letter.fields}
        mail = EmailMessage(policy=SMTP if letter.to.isascii() else SMTPUTF8)
        mail["To"] = letter.to if not letter.to.isascii() else Address(addr_spec=letter.to)
        mail["Subject"] = _one_line(subject.substitute(fields))
        mail.set_content(text.substitute(fields))
        return self._stamped(mail, message_id, at)

    def _stamped(self, mail: EmailMessage, message_id: str, at: int) -> EmailMessage:
        """Add what each mail of the service has; by its id the logs of both sides name it."""
        del mail["Message-ID"]
        mail["Message-ID"] = f"<{message_id}@{self._sender.domain}>"
        # No answer of a machine to a machine (RFC 3834).
        own = {"From": self._sender, "Date": formatdate(at), "Auto-Submitted": "auto-generated"}
        for name, value in own.items():
            if name not in mail:
                mail[name] = value
        return mail


def read_sender(text: str) -> Address:
    """Return the address of APP_MAIL_FROM, with or without a name. Raises `ValueError`."""
    found = _BRACKETS.match(text.strip())
    name, address = (found[1] or "", found[2]) if found else ("", text.strip())
    try:
        return Address(name.strip(), addr_spec=normalise_address(address))
    except (ValueError, HeaderParseError, IndexError):
        raise ValueError("write it as address@example.com or Name <address@example.com>") from None


def _read(path: Path) -> tuple[Template, Template]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ValueError(
            f"app/mails/{path.name}: {error.strerror}; write it, or take it from a new project:"
            " docs/operate.md"
        ) from None
    first, _, rest = text.partition("\n")
    if not first.startswith("Subject: "):
        raise ValueError(f"app/mails/{path.name}: the first line must be: Subject: ...")
    return _Text(first.removeprefix("Subject: ")), _Text(rest.lstrip("\n"))


def _one_line(text: str) -> str:
    return " ".join(text.split())
