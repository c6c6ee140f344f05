# Owned by the template: extend, do not edit.
"""What operators do with users (PPL-1), whatever keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from .accounts import Accounts


@dataclass(frozen=True, slots=True)
class Person:
    """A user, as operators see one. Times are in UTC, or None where nobody knows."""

    id: str
    name: str
    email: str | None
    created: datetime | None
    last_login: datetime | None
    disabled: bool


class OwnedError(Exception):
    """Raised if a user cannot be deleted: what belongs to them does not go along."""


@runtime_checkable
class People(Accounts, Protocol):
    """The application's users, those too who may not log in."""

    def all(self) -> Sequence[Person]:
        """Return everybody, by name."""

    def get(self, name: str) -> Person | None:
        """Return the user of a normalised name, if there is one."""

    def replace_password(self, user_id: str, password_hash: str) -> None:
        """Store a new hash, whatever the present one is."""

    def set_disabled(self, user_id: str, *, disabled: bool) -> None:
        """Say whether the user may not log in. The caller ends the sessions."""

    def delete(self, user_id: str) -> Mapping[str, int]:
        """Delete the user and what belongs to them; return how many rows of which table.

        Raises `OwnedError` if something that belongs to them would stay behind.
        """
