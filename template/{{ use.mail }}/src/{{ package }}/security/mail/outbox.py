# Owned by the template: extend, do not edit.
"""The queue of mails, a table of the service's database: it survives restarts.

A row is claimed for `LEASE_SECONDS` by one of those who send, whatever process or machine. Before
the last byte of a mail goes out the row says so. So of one that never came back it is known whether
the mail may be sent again: until then it was not accepted by any server, and after it nobody knows.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import Begin, Execute

LEASE_SECONDS = 600
"""Longer than the longest try: see `smtp.DEADLINE_SECONDS`."""
APART_SECONDS = 2
"""How long a mail waits at first. To write to somebody takes longer than to find nobody: beside the
request, its time would tell which it was (PPL-2)."""
_COLUMNS = "id, kind, recipient, data, created, tries"
# The outer conditions are looked at again once the row is locked: of two only one gets it.
_CLAIM = f"""UPDATE mail_message SET lease = :lease, leased_until = :until, tries = tries + 1
  WHERE id = :id AND state = 'waiting' AND due <= :now AND leased_until <= :now
  RETURNING {_COLUMNS}"""  # noqa: S608 - names of this module
_DUE = """SELECT id FROM mail_message
  WHERE state = 'waiting' AND due <= :now AND leased_until <= :now
  ORDER BY due, id LIMIT 1"""
_END = """UPDATE mail_message SET state = 'ending', leased_until = :until
  WHERE id = :id AND lease = :lease AND state = 'waiting' RETURNING id"""
_AGAIN = """UPDATE mail_message SET lease = '', leased_until = 0, due = :due, state = 'waiting'
  WHERE id = :id AND lease = :lease"""
_ANY_LOST = """SELECT id FROM mail_message
  WHERE state = 'ending' AND leased_until <= :now LIMIT 1"""
_LOST = f"""DELETE FROM mail_message
  WHERE state = 'ending' AND leased_until <= :now
  RETURNING {_COLUMNS}"""  # noqa: S608 - names of this module


@dataclass(frozen=True, slots=True)
class Message:
    """One mail to be made and sent."""

    id: str
    """256 random bits; also the left side of its Message-ID."""
    kind: str
    """Which text it has."""
    recipient: str
    data: dict[str, str]
    """What the text needs besides; no secret."""
    created: int
    tries: int
    """How often it was claimed."""
    lease: str = ""


def insert(execute: Execute, kind: str, recipient: str, data: Mapping[str, str], now: int) -> str:
    """Queue a mail within a transaction; return its id."""
    message_id = secrets.token_hex(32)
    row = {
        "id": message_id,
        "kind": kind,
        "recipient": recipient,
        "data": json.dumps(data),
        "now": now,
        "due": now + APART_SECONDS,
        "state": "waiting",
    }
    execute(
        "INSERT INTO mail_message (id, kind, recipient, data, created, due, tries, lease,"
        " leased_until, state) VALUES"
        " (:id, :kind, :recipient, :data, :now, :due, 0, '', 0, :state)",
        row,
    )
    return message_id


class Outbox:
    """The queue."""

    def __init__(self, begin: Begin, now: Callable[[], int]) -> None:
        """Take what opens a transaction, and the time in seconds."""
        self._begin = begin
        self.now = now

    def put(self, kind: str, recipient: str, **data: str) -> str:
        """Queue a mail; return its id."""
        with self._begin() as execute:
            return insert(execute, kind, recipient, data, self.now())

    def claim(self) -> Message | None:
        """Take the mail that is due for longest, so that nobody else has it."""
        now = self.now()
        with self._begin() as execute:
            found = execute(_DUE, {"now": now})
        if not found:
            return None
        lease = secrets.token_hex(16)
        row = {"id": found[0][0], "lease": lease, "now": now, "until": now + LEASE_SECONDS}
        with self._begin() as execute:
            claimed = execute(_CLAIM, row)
        return _message(claimed[0], lease) if claimed else None

    def begin_end(self, message: Message) -> bool:
        """Note that the last byte goes out now; False if the mail is somebody else's meanwhile."""
        row = {"id": message.id, "lease": message.lease, "until": self.now() + LEASE_SECONDS}
        with self._begin() as execute:
            return bool(execute(_END, row))

    def try_again(self, message: Message, due: int) -> None:
        """Give a mail back that no server has accepted."""
        with self._begin() as execute:
            execute(_AGAIN, {"id": message.id, "lease": message.lease, "due": due})

    def remove(self, message: Message) -> None:
        """Forget a mail that was sent or is given up."""
        with self._begin() as execute:
            execute(
                "DELETE FROM mail_message WHERE id = :id AND lease = :lease",
                {"id": message.id, "lease": message.lease},
            )

    def take_lost(self) -> list[Message]:
        """Remove the mails of those who died within their last byte, and return them."""
        now = {"now": self.now()}
        with self._begin() as execute:
            # Who sends looks every few seconds: what only reads locks nobody out.
            if not execute(_ANY_LOST, now):
                return []
            return [_message(row) for row in execute(_LOST, now)]

    def waiting(self) -> list[Message]:
        """Return what is in the queue, oldest first."""
        with self._begin() as execute:
            rows = execute(
                f"SELECT {_COLUMNS} FROM mail_message ORDER BY created, id",  # noqa: S608 - as above
                {},
            )
        return [_message(row) for row in rows]


def _message(row: Sequence[Any], lease: str = "") -> Message:
    message_id, kind, recipient, data, created, tries = row
    return Message(message_id, kind, recipient, json.loads(data), created, tries, lease)
