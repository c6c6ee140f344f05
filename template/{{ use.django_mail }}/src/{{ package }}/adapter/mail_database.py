# Owned by the template: extend, do not edit.
"""The queue and the links by Django's connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import close_old_connections, connection, transaction

from ..security.mail import Begin, Execute, Rows
from .current import CURRENT
from .database import answering

_NAME = re.compile(r":([a-z_]+)")


def transactions(users: object) -> Begin:
    """Return what opens a transaction; the database is that of Django's settings."""
    del users

    @contextmanager
    def begin() -> Iterator[Execute]:
        if CURRENT.get() is None and not connection.in_atomic_block:
            # Outside of requests nobody else gives up a connection that is gone.
            close_old_connections()
        with answering(), transaction.atomic(), connection.cursor() as cursor:

            def execute(sql: str, values: Mapping[str, Any]) -> Rows:
                cursor.execute(_NAME.sub(r"%(\1)s", sql), dict(values))
                return cursor.fetchall() if cursor.description else []

            yield execute

    return begin
