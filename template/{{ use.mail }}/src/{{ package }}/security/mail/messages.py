# Owned by the template: extend, do not edit.
"""Mails that the application writes, in the same queue as those of the template.

They are queued in the application's own transaction: sent if that is committed, and only then.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from email import message_from_bytes
from email.errors import InvalidHeaderDefect
from email.headerregistry import AddressHeader
from email.message import EmailMessage, Message
from email.policy import SMTP
from typing import Any

from . import Execute, outbox
from .addresses import normalise_address
from .letters import Letter
from .sender import Desk

MESSAGE = "message"
MAX_BYTES = 10 << 20
"""A mail with its attachments: most servers take no more."""
_TO = ("To", "Cc", "Bcc")


def queue(execute: Execute, mail: Message, now: int, recipients: Iterable[str] = ()) -> None:
    """Queue a mail for each of its recipients, by default those in To, Cc and Bcc.

    It has no Bcc any more when it goes out; without From it is from APP_MAIL_FROM. Raises
    `ValueError` for a mail without recipients, an address that is none, or more than `MAX_BYTES`.
    """
    named = list(recipients) or [each for name in _TO for each in mail.get_all(name, [])]
    addresses = dict.fromkeys(address for each in named for address in _addresses(each))
    if not addresses:
        raise ValueError("the mail has no recipient: set To")
    content = mail.as_bytes()
    if len(content) > MAX_BYTES:
        raise ValueError(
            f"the mail has {len(content)} bytes, and may have {MAX_BYTES}: send a link to what is"
            " large"
        )
    data = {"mail": b64encode(content).decode("ascii")}
    for address in addresses:
        outbox.insert(execute, MESSAGE, address, data, now)


def _addresses(text: str) -> list[str]:
    try:
        # A header of an `EmailMessage` has been read already, and knows what was wrong with it.
        header: Any = text if isinstance(text, AddressHeader) else SMTP.header_factory("To", text)
        # What is half read would go to somebody else: `a@exa mple.com` to a@exa.
        if any(isinstance(each, InvalidHeaderDefect) for each in header.defects):
            raise ValueError("Write it as name@example.com or Name <name@example.com>.")
        return [normalise_address(each.addr_spec) for each in header.addresses]
    except (ValueError, IndexError) as error:
        # The parser itself stumbles over `a@`.
        raise ValueError(f"recipient {text!r}: {error}") from None


def prepare_message(desk: Desk, message: outbox.Message) -> Letter:  # noqa: ARG001 - nothing is looked up
    """Take the mail out of the queue."""
    mail = message_from_bytes(b64decode(message.data["mail"]), EmailMessage, policy=SMTP)
    del mail["Bcc"]
    return Letter(MESSAGE, message.recipient, {}, mail)


KINDS = {MESSAGE: prepare_message}
