# Owned by the template: extend, do not edit.
"""Links that work once: the database has only the hash of what is in them (PPL-2)."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import Begin

_MOST = 128
"""Characters of a token that are looked at: ours have 43."""
_REMEMBERED = 604_800
"""Seconds for which a link that is too old is known as one: it is no guess."""
_COLUMNS = "digest, kind, user_id, address, mark, data, expires"


@dataclass(frozen=True, slots=True)
class Link:
    """What somebody may do who has the link."""

    digest: str
    """SHA-256 of the token, in lower-case hex."""
    kind: str
    user: str
    """Id of the user, "" where there is none yet."""
    address: str
    """Where the link was sent."""
    mark: str
    """What must not have changed meanwhile."""
    data: dict[str, str]
    expires: int


class Links:
    """The links of a service."""

    def __init__(self, begin: Begin, now: Callable[[], int]) -> None:
        """Take what opens a transaction, and the time in seconds."""
        self._begin = begin
        self._now = now

    def make(
        self,
        kind: str,
        lifetime: int,
        *,
        message: str,
        address: str,
        user: str = "",
        mark: str = "",
        **data: str,
    ) -> str:
        """Return the token of a new link, good for `lifetime` seconds.

        It takes the place of the one that an earlier try to send the same `message` had.
        """
        token = secrets.token_urlsafe(32)
        now = self._now()
        row = {
            "digest": digest_of(token),
            "kind": kind,
            "message": message,
            "user": user,
            "address": address,
            "mark": mark,
            "data": json.dumps(data),
            "expires": now + lifetime,
        }
        with self._begin() as execute:
            execute(
                "DELETE FROM mail_link WHERE message_id = :message OR expires <= :old",
                {"message": message, "old": now - _REMEMBERED},
            )
            execute(
                "INSERT INTO mail_link (digest, kind, message_id, user_id, address, mark, data,"
                " expires) VALUES"
                " (:digest, :kind, :message, :user, :address, :mark, :data, :expires)",
                row,
            )
        return token

    def find(self, digest: str) -> Link | None:
        """Return a link, perhaps one that is too old: see `is_good`."""
        with self._begin() as execute:
            rows = execute(
                f"SELECT {_COLUMNS} FROM mail_link WHERE digest = :digest",  # noqa: S608 - names of this module
                {"digest": digest},
            )
        return _link(rows[0]) if rows else None

    def is_good(self, link: Link) -> bool:
        """Tell whether a link is young enough."""
        return self._now() < link.expires

    def take(self, digest: str) -> Link | None:
        """Use a link up: of two at once, one gets it."""
        with self._begin() as execute:
            rows = execute(
                f"DELETE FROM mail_link WHERE digest = :digest AND expires > :now"  # noqa: S608 - names of this module
                f" RETURNING {_COLUMNS}",
                {"digest": digest, "now": self._now()},
            )
        return _link(rows[0]) if rows else None

    def end_of_user(self, user: str) -> None:
        """End all links of a user that nobody has used."""
        with self._begin() as execute:
            execute("DELETE FROM mail_link WHERE user_id = :user", {"user": user})


def digest_of(token: str) -> str:
    """Return what the database knows of a token."""
    return hashlib.sha256(token[:_MOST].encode(errors="replace")).hexdigest()


def mark_of(*facts: str | None) -> str:
    """Return what tells whether one of these has changed, and nothing of what they are."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _link(row: Sequence[Any]) -> Link:
    digest, kind, user, address, mark, data, expires = row
    return Link(digest, kind, user, address, mark, json.loads(data), expires)
