# Owned by the template: extend, do not edit.
"""`move`: from the SQLite files of one machine to PostgreSQL and Redis or Valkey (DAT-5)."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import psycopg

from ..adapter import versions
from ..adapter.migration_lock import migration_lock
from ..config import ConfigError, Settings, load
from ..security import events
from ..security.stores import StoreError, open_store
from ..security.stores.moving import MovingStore, held
from . import deployed
from .backup import require_unused
from .move_tables import Tables, opened, shown
from .operator import operator
from .serving import files, stopped

_SOON = 60
"""Seconds: what is over so soon may be gone before it is compared."""

_Stores = tuple[sqlite3.Connection, MovingStore]


@dataclass(frozen=True, slots=True)
class _Plan:
    source: Settings
    target: Settings

    @property
    def database(self) -> Path | None:
        """The file whose tables are moved."""
        return self._file("app.sqlite3", self.target.database_url)

    @property
    def store(self) -> Path | None:
        """The file whose sessions and counters are moved."""
        return self._file("store.sqlite3", self.target.store_url)

    def _file(self, name: str, url: str) -> Path | None:
        file = files(self.source).get(name)
        return file if file and not url.startswith("sqlite:") else None


@click.command()
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    help="Settings of the service as they are to be: a copy of its env file with new addresses.",
)
@click.option("--dry-run", is_flag=True, help="Try every row, and keep none; the service may run.")
@click.option("--restart", is_flag=True, help="Throw away what an unfinished move has copied.")
def move(file: Path, *, dry_run: bool, restart: bool) -> None:
    """Copy users, all other tables, sessions and login counters from SQLite to servers.

    The service must not run. What was interrupted goes on where it was when it is run again.
    """
    plan = _plan(load(), file)
    versions.require_current(plan.source.database_url)
    if plan.store:
        # Brings an old file up to date.
        with closing(open_store(plan.source.store_url, create=False)) as known:
            known.ping()
    with ExitStack() as stack:
        tables, stores = _opened(stack, plan, dry_run=dry_run)
        counts = _try(tables) if dry_run else _move(tables, stores, plan, restart=restart)
        if stores:
            counts |= Counter(row.kind for row in held(stores[0], int(time.time())))
    for line in shown(counts):
        click.echo(line)
    for line in stores[1].advice() if stores else ():
        click.echo(f"APP_STORE_URL of {file}: {line}", err=True)
    if dry_run:
        click.echo("dry run: every row can be moved; nothing was changed")
        return
    events.emit("sys_moved", operator=operator(), rows=sum(counts.values()))
    click.echo(
        f"moved, and compared row by row; put {file} in the place of the settings, then start the"
        " service"
    )


def _plan(source: Settings, file: Path) -> _Plan:
    """Read the settings that are to be, and refuse what is no way from here to there."""
    plan = _Plan(source, _settings_of(file))
    for name in ("database_url", "store_url"):
        old, new = getattr(plan.source, name), getattr(plan.target, name)
        if new.startswith("sqlite:") and new != old:
            raise click.ClickException(
                f"APP_{name.upper()} of {file}: another file; bring SQLite there by `backup` and"
                " `restore`"
            )
    if not plan.database and not plan.store:
        raise click.ClickException(
            f"{file}: nothing to move; APP_DATABASE_URL and APP_STORE_URL there must be those of"
            " servers, and here those of SQLite files"
        )
    if lost := set(plan.source.secret_keys) - set(plan.target.secret_keys):
        raise click.ClickException(
            f"APP_SECRET_KEYS of {file}: {len(lost)} keys of the service are missing; without them"
            " no cookie of before is known: keep them behind the new ones"
        )
    return plan


def _settings_of(file: Path) -> Settings:
    """Read a file of settings, without those of this process."""
    kept = dict(os.environ)
    for name in [name for name in kept if name.startswith("APP_")]:
        del os.environ[name]
    try:
        deployed.adopt(file)
        return load()
    except ConfigError as error:
        raise click.ClickException(f"{file}: {error}") from None
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _opened(
    stack: ExitStack, plan: _Plan, *, dry_run: bool
) -> tuple[Tables | None, _Stores | None]:
    """Open what is moved and where to, until the end; refuse where somebody uses it."""
    tables = stores = None
    if not dry_run:
        stack.enter_context(stopped(plan.source))
        for path in filter(None, (plan.database, plan.store)):
            require_unused(path)
    if plan.database:
        tables = _tables(stack, plan.database, plan.target.database_url, writing=not dry_run)
    if plan.store:
        source = stack.enter_context(opened(plan.store, writing=not dry_run))
        stores = source, MovingStore(plan.target.store_url)
        if not (tables and tables.finished):
            _require_free(stores[1], str(plan.store), dry_run=dry_run)
    return tables, stores


def _tables(stack: ExitStack, path: Path, url: str, *, writing: bool) -> Tables:
    """Open both databases; nobody else changes the target's tables until the end."""
    stack.enter_context(migration_lock(url))
    target = stack.enter_context(psycopg.connect(url, autocommit=True))
    stack.enter_context(_named())
    target.execute("SET TimeZone TO 'UTC'")
    return Tables(stack.enter_context(opened(path, writing=writing)), target)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        reason = error.diag.message_primary or str(error)
        raise click.ClickException(
            f"the target's database: {reason}; mend that, then run this again: it goes on"
        ) from None


def _require_free(target: MovingStore, origin: str, *, dry_run: bool) -> None:
    """Refuse a store that has something in it, unless a move from here has put it there."""
    found = target.origin()
    if found is not None and found != origin:
        raise click.ClickException(
            f"the target's store has an unfinished move of {found}; finish that one, or take an"
            " empty store"
        )
    if (found is None or dry_run) and target.used():
        raise click.ClickException(
            "the target's store holds sessions or counters of this service already; take an empty"
            " one: another number at the end of APP_STORE_URL"
        )


def _try(tables: Tables | None) -> Counter[str]:
    """Move all tables, compare them, and take it back."""
    if not tables:
        return Counter()
    with tables.given_back():
        tables.copy(lambda _: None, notes=False)
        return tables.compare()


def _move(
    tables: Tables | None, stores: _Stores | None, plan: _Plan, *, restart: bool
) -> Counter[str]:
    """Move what is not there yet. The notes of the tables go last: they know what is finished."""
    counts = Counter[str]()
    if tables:
        tables.begin(str(plan.database))
        if restart:
            tables.restart(str(plan.database))
        tables.copy(lambda line: click.echo(line, err=True), notes=True)
        counts = tables.compare()
    if stores and not (tables and tables.finished):
        source, target = stores
        now = int(time.time())
        target.begin(str(plan.store))
        target.fill(held(source, now), now)
        for row in held(source, now + _SOON):
            if target.differs(row):
                raise StoreError(f"{row.kind}: one is not there as it is here; run this again")
    if tables:
        tables.finish()
    if stores:
        stores[1].finish()
    if tables:
        tables.forget()
    return counts
