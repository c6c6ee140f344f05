# Owned by the template: extend, do not edit.
"""Links that work once: the database has only the hash of what is in them (PPL-2)."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import Begin

_MOST = 128
"""Characters of a token that are looked at: ours have 43."""
_REMEMBERED = 604_800
"""Seconds for which a link that is too old is known as one: it is no guess."""
_USED = "used"
"""Kind of one that was used or has ended, which is no guess either: people open it again, and so do
programs that look at mails, for all who share an address."""
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
        data: Mapping[str, str],
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
            "data": json.dumps(dict(data)),
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

    def take(self, digest: str) -> bool:
        """Use a link up: of two at once, one gets it."""
        good = "digest = :digest AND kind <> :used AND expires > :now"
        return self._end(good, digest=digest, now=self._now())

    def end_of_user(self, user: str) -> None:
        """End all links of a user that nobody has used."""
        self._end("user_id = :user AND kind <> :used", user=user)

    def _end(self, which: str, **values: str | int) -> bool:
        """Keep of these links that they were some; False if there are none."""
        with self._begin() as execute:
            ended = execute(
                f"UPDATE mail_link SET kind = :used, address = '', mark = '', data = :nothing"  # noqa: S608 - conditions of this module
                f" WHERE {which} RETURNING digest",
                {**values, "used": _USED, "nothing": json.dumps({})},
            )
        return bool(ended)


def digest_of(token: str) -> str:
    """Return what the database knows of a token."""
    return hashlib.sha256(token[:_MOST].encode(errors="replace")).hexdigest()


def mark_of(*facts: str | None) -> str:
    """Return what tells whether one of these has changed, and nothing of what they are."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _link(row: Sequence[Any]) -> Link:
    digest, kind, user, address, mark, data, expires = row
    return Link(digest, kind, user, address, mark, json.loads(data), expires)
