# Owned by the template: extend, do not edit.
"""The queue and the links by SQLAlchemy, on the connections of the application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import CursorResult, text

from ..config import ConfigError
from ..security.mail import Begin, Execute, Rows
from .users import SqlUsers


def transactions(users: object) -> Begin:
    """Return what opens a transaction in the database of these users."""
    if not isinstance(users, SqlUsers):
        raise ConfigError(f"{type(users).__name__} is no SqlUsers: its database is not known")
    opened = users.transaction

    @contextmanager
    def begin() -> Iterator[Execute]:
        with opened() as session:

            def execute(sql: str, values: Mapping[str, Any]) -> Rows:
                result = session.execute(text(sql), values)
                assert isinstance(result, CursorResult)  # noqa: S101 - for the type
                return [tuple(row) for row in result] if result.returns_rows else []

            yield execute

    return begin
