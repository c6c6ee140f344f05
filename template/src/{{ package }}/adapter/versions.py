# Owned by the template: extend, do not edit.
"""The version of the tables and that of the code: what to do when they differ (DAT-1)."""

from __future__ import annotations

from ..config import PACKAGE, Settings
from ..security.events import emit
from ..security.stores import StoreError
from .history import state

UPGRADE = f"{PACKAGE} db upgrade"


class SchemaError(StoreError):
    """Raised if the tables are not those that the code was written for."""


def prepare(settings: Settings) -> None:
    """Bring the tables up to date in development; in production only log where they are not.

    There the step is the operator's: a machine that starts shall not lock the tables of others.
    Raises `StoreError` if the database does not answer.
    """
    if not settings.production:
        _upgrade(settings)
        return
    try:
        require_current(settings.database_url)
    except SchemaError as error:
        emit("sys_schema_differs", error=str(error))


def ensure(settings: Settings) -> None:
    """Have the tables of the code, for a command: see `prepare`; in production raise instead."""
    if settings.production:
        require_current(settings.database_url)
    else:
        _upgrade(settings)


def _upgrade(settings: Settings) -> None:
    # Not above: a worker in production would hold what it never needs.
    from . import schema

    schema.upgrade(settings.database_url)


def require_current(url: str) -> None:
    """Return if the tables are those of the code, else raise `SchemaError` with the remedy."""
    pending, unknown = state(url)
    if unknown:
        raise SchemaError(
            f"the database is ahead of this release: it has {', '.join(unknown)}, which is not"
            f" among the migrations; install the release that brought it, or restore a backup"
        )
    if pending:
        raise SchemaError(
            f"the database is behind this release: {len(pending)} migrations are missing, from"
            f" {pending[0]} on; run: {UPGRADE}"
        )
