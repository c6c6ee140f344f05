# Owned by the template: extend, do not edit.
"""Which migrations there are, and which of them a database has.

Read without Alembic: the service asks at its start and for `/readyz`, and each worker would hold
what alone runs migrations.
"""

from __future__ import annotations

import ast
import logging
import runpy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

from sqlalchemy import Connection, Engine, column, inspect, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ..security.database_errors import cannot_connect, is_database_away
from .engine import create_engine

# Before it is imported: it names its plugins then, and at each look the kind of database.
logging.getLogger("alembic").setLevel(logging.WARNING)
_HERE = Path(__file__).parent
_AFTER = ("down_revision", "depends_on")
"""Where a migration names those that come before it: one, several, or None."""
_SAID = frozenset({"revision", *_AFTER})


@dataclass(frozen=True, slots=True)
class History:
    """Migrations that follow on each other."""

    name: str
    folder: Path
    table: str
    """Where the database keeps the version."""

    def state(self, connection: Connection) -> tuple[list[str], list[str]]:
        """Return what is missing in the database, oldest first, and what is not known here."""
        before = self._migrations()
        current = self._current(connection)
        if unknown := [f"{self.name}/{each}" for each in current if each not in before]:
            return [], unknown
        applied: set[str] = set()
        while current:
            revision = current.pop()
            applied.add(revision)
            current += before.get(revision, ())
        order = TopologicalSorter(before).static_order()
        known = [each for each in order if each in before]
        return [f"{self.name}/{each}" for each in known if each not in applied], []

    def _current(self, connection: Connection) -> list[str]:
        if not inspect(connection).has_table(self.table):
            return []
        return [*connection.scalars(select(column("version_num")).select_from(table(self.table)))]

    def _migrations(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the migrations, each with those that come before it."""
        found = {}
        for file in sorted(self.folder.glob("*.py")):
            said = _assigned(file, file.stat().st_mtime_ns)
            if isinstance(revision := said.get("revision"), str):
                found[revision] = tuple(chain(*(_names(said.get(each)) for each in _AFTER)))
        return found


CORE = History("core", _HERE / "migrations" / "core", "core_version")
APP = History("app", _HERE.parent / "app" / "migrations", "alembic_version")


def state(url: str) -> tuple[list[str], list[str]]:
    """Return which migrations the database lacks, and of which this release knows nothing."""
    with opened(create_engine(url, poolclass=NullPool)) as connection:
        states = [history.state(connection) for history in (CORE, APP)]
    pending, unknown = zip(*states, strict=True)
    return [*chain(*pending)], [*chain(*unknown)]


@contextmanager
def opened(engine: Engine) -> Iterator[Connection]:
    """Give one connection. Raises `StoreError` if the database does not answer."""
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        if not is_database_away(error):
            raise
        raise cannot_connect(error.orig) from None
    finally:
        engine.dispose()


@cache
def _assigned(file: Path, _changed: int) -> Mapping[str, object]:
    """Return what a migration says of itself; one that computes it is run, as Alembic does.

    Each is read once, as it stands since it was `_changed`: `/readyz` asks every few seconds.
    """
    found: dict[str, object] = {}
    for each in ast.parse(file.read_bytes()).body:
        if not (isinstance(each, ast.Assign | ast.AnnAssign) and each.value):
            continue
        targets = each.targets if isinstance(each, ast.Assign) else [each.target]
        for target in targets:
            names = [name.id for name in ast.walk(target) if isinstance(name, ast.Name)]
            if _SAID.isdisjoint(names):
                continue
            value = each.value if isinstance(target, ast.Name) else None
            if not isinstance(value, ast.Constant | ast.Tuple | ast.List):
                return runpy.run_path(str(file))
            try:
                found[names[0]] = ast.literal_eval(value)
            except ValueError:
                return runpy.run_path(str(file))
    return found


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, tuple | list) else ()
