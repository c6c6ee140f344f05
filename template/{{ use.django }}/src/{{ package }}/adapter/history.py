# Owned by the template: extend, do not edit.
"""Which of Django's migrations a database has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from ..security.database_errors import cannot_connect, is_database_away
from .database import ERRORS
from .setup import set_up


def state(url: str) -> tuple[list[str], list[str]]:
    """Return which migrations the database lacks, and of which this release knows nothing."""
    del url  # Django's settings hold it already
    set_up()
    with opened():
        executor = MigrationExecutor(connection)
        loader = executor.loader
        installed = {config.label for config in apps.get_app_configs()}
        unknown = [
            f"{label}/{name}"
            for label, name in sorted(loader.applied_migrations)
            # A migration that was squashed away is known by the one in its place.
            if label in installed
            and (label, name) not in loader.graph.nodes
            and (label, name) not in _replaced(loader)
        ]
        return ([], unknown) if unknown else (pending(executor), [])


def pending(executor: MigrationExecutor) -> list[str]:
    """Return which migrations the database lacks, as a new executor sees them."""
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}/{migration.name}" for migration, _ in plan]


def _replaced(loader: MigrationLoader) -> set[tuple[str, str]]:
    return {each for made in loader.replacements.values() for each in made.replaces}


@contextmanager
def opened() -> Iterator[None]:
    """Use Django's connections, and close them. Raises `StoreError` if the database is away."""
    try:
        yield
    except ERRORS as error:
        if not is_database_away(error):
            raise
        raise cannot_connect(error) from None
    finally:
        # Before workers are forked: two processes must not share a connection.
        connections.close_all()
