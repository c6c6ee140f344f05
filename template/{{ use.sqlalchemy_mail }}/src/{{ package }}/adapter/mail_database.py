# Owned by the template: extend, do not edit.
"""The queue and the links by SQLAlchemy, on the connections of the application."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from typing import Any

from sqlalchemy import CursorResult, event, text
from sqlalchemy.orm import Session

from ..config import ConfigError
from ..security.mail import Begin, Execute, Rows
from ..security.mail.messages import queue
from ..security.mail.sender import WAKE
from .users import SqlUsers


def transactions(users: object) -> Begin:
    """Return what opens a transaction in the database of these users."""
    if not isinstance(users, SqlUsers):
        raise ConfigError(
            f"secure(accounts=...): {type(users).__name__} is no SqlUsers, so that its database is"
            " not known; derive it from that, as app/users.py does"
        )
    opened = users.transaction

    @contextmanager
    def begin() -> Iterator[Execute]:
        with opened() as session:
            yield _executor(session)

    return begin


def queue_mail(session: Session, mail: Message) -> None:
    """Queue a mail in a session's transaction: it is sent if that is committed, and only then.

    To each in To, Cc and Bcc; from APP_MAIL_FROM unless it says otherwise. Raises `ValueError` for
    a mail without recipients, an address that is none, and more than 10 MiB.
    """
    queue(_executor(session), mail, int(time.time()))
    event.listen(session, "after_commit", lambda _: WAKE.set(), once=True)


def _executor(session: Session) -> Execute:
    def execute(sql: str, values: Mapping[str, Any]) -> Rows:
        result = session.execute(text(sql), values)
        assert isinstance(result, CursorResult)  # noqa: S101 - for the type
        return [tuple(row) for row in result] if result.returns_rows else []

    return execute
