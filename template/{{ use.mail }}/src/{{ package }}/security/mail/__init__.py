# Owned by the template: extend, do not edit.
"""Mail to the users: a queue in the service's database, links that work once, and what sends.

A page never waits for a mail server. What a request does is the same whoever asks: it puts one
row into the queue. Who has an address, and what is written to them, is found out when the mail is
made (PPL-2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from ..accounts import Accounts
from ..people import Person

Rows = Sequence[Sequence[Any]]
Execute = Callable[[str, Mapping[str, Any]], Rows]
"""Runs one statement with parameters written as `:name`; returns its rows, if it has any."""
Begin = Callable[[], AbstractContextManager[Execute]]
"""Opens a transaction, which commits at its end. Raises `StoreError` while the database is away."""


@runtime_checkable
class Correspondents(Accounts, Protocol):
    """Users with an e-mail address."""

    def get(self, name: str) -> Person | None:
        """Return the user of a normalised name, if there is one."""

    def by_email(self, email: str) -> Person | None:
        """Return the user with an address, however it is written."""

    def set_email(self, user_id: str, email: str | None, *, expected: str | None) -> bool:
        """Store an address if the present one is `expected`; False if it is not.

        Raises `ValueError` if another user has it.
        """

    def add_with_email(self, name: str, password_hash: str, email: str) -> str:
        """Store a new user in one step, and return the id.

        Raises `ValueError` if the name or the address is taken.
        """
