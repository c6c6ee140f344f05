# Owned by the template: extend, do not edit.
"""Tells users by mail that the way they log in has changed (PPL-5, ASVS 6.3.7)."""

from __future__ import annotations

from datetime import UTC, datetime

from ..accounts import Change
from ..events import emit
from ..stores import StoreError
from . import Correspondents
from .letters import Letter
from .outbox import Message, Outbox
from .sender import WAKE, Desk

TEXTS: tuple[str, ...] = tuple(Change)
"""The texts of these mails in app/mails/."""


class Notices:
    """Writes to the address that a user has at the time of a change."""

    def __init__(self, users: Correspondents, outbox: Outbox) -> None:
        """Take the users and the queue."""
        self._users = users
        self._outbox = outbox

    def tell(self, name: str, change: Change) -> None:
        """Queue a mail to a user, if there is an address.

        Not counted as mails on request are: else whoever asks for many keeps this one away. What
        has changed stays, even if the database is away by now.
        """
        try:
            person = self._users.get(name)
            if person and person.email:
                self._outbox.put(change, person.email, name=person.name)
                WAKE.set()
        except StoreError as error:
            emit("sys_store_unavailable", error=str(error))


def prepare_notice(desk: Desk, message: Message) -> Letter:  # noqa: ARG001 - nothing is looked up
    """Write to the address of then: meanwhile it may be that of who has made the change."""
    when = f"{datetime.fromtimestamp(message.created, UTC):%Y-%m-%d %H:%M} UTC"
    fields = {"name": message.data["name"], "when": when}
    return Letter(message.kind, message.recipient, fields)


KINDS = dict.fromkeys(TEXTS, prepare_notice)
"""What makes each of these mails."""
