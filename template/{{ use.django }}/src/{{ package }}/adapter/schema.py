# Owned by the template: extend, do not edit.
"""Versions of the tables, by Django's migrations.

Those of the application are the application's. The template's own tables, where it has any, are
those of the app `adapter`, with migrations of its own.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.text import slugify

from ..security.database_errors import is_database_away
from ..security.stores import StoreError
from .database import ERRORS
from .history import opened, pending
from .migration_lock import migration_lock
from .setup import set_up

APP = Path(__file__).parent.parent / "app"
VERSION_TABLES = {"django_migrations": ("app", "name")}
"""Tables that say which version a database is of, and the columns that say so."""
FILLED_TABLES = frozenset({"django_content_type", "auth_permission"})
"""Tables that `upgrade` fills by itself."""


def upgrade(url: str) -> list[str]:
    """Run the migrations that are missing, each in a transaction; return their names.

    Who comes second waits, and finds nothing to do. Raises `StoreError`.
    """
    set_up()
    with migration_lock(url), opened():
        done = pending(MigrationExecutor(connection))
        if done:
            try:
                call_command("migrate", interactive=False, verbosity=0)
            except ERRORS as error:
                if is_database_away(error):
                    raise
                text = f"a migration failed, and changed nothing: {error}"
                raise StoreError(text) from error
    return done


def scratch(url: str) -> None:
    """Leave it: Django asks the database of its own settings, whatever an application is given."""
    del url


def missing(url: str) -> list[str]:
    """Return what the models say and the migrations do not."""
    del url  # they are compared with each other
    set_up()
    said = StringIO()
    try:
        call_command("makemigrations", *_labels(), check=True, dry_run=True, stdout=said)
    except SystemExit:
        return [line.strip() for line in said.getvalue().splitlines() if line.strip()]
    return []


def revision(url: str, message: str, *, empty: bool = False) -> list[Path]:
    """Write the migrations that the models are ahead of the others; none without a difference.

    With `empty` it is one to be filled by hand. Raises `ValueError`.
    """
    del url  # they are compared with each other
    set_up()
    name = slugify(message).replace("-", "_")
    before = _files()
    said = StringIO()
    try:
        call_command(
            "makemigrations", *_labels(), name=name, empty=empty, interactive=False, stdout=said
        )
    except CommandError as error:
        raise ValueError(str(error)) from None
    written = sorted(_files() - before)
    if written and find_spec("ruff"):
        ruff = [sys.executable, "-m", "ruff", "format", "--quiet", *map(str, written)]
        subprocess.run(ruff, check=False)  # noqa: S603 - our own files
    return written


def _labels() -> list[str]:
    """Return the application's own: nobody makes migrations for libraries."""
    return [
        config.label
        for config in apps.get_app_configs()
        if Path(config.path).is_relative_to(APP) and config.models_module
    ]


def _files() -> set[Path]:
    return set(APP.glob("**/migrations/*.py"))
