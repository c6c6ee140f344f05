# Owned by the template: extend, do not edit.
"""All tables of a SQLite file, copied into PostgreSQL: resumed where it ended, compared at the end.

Nothing here knows the models: tables, columns and foreign keys are read off both databases. A batch
and the note how far it reaches are one transaction, so a copy that dies goes on exactly there.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import click
import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal
from psycopg.types.json import Json

from ..adapter import schema
from .move_values import digest, is_text, reader

BATCH = 1000
"""Rows in a transaction."""
NOTES = "move_progress"
"""The table of an unfinished move in the target."""
_SOURCE = "-- source"
_LINE = re.compile(r"\bline (\d+)")
_COLUMNS = """
SELECT a.attname, t.typname, a.atttypmod FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum
"""
_REFERENCES = """
SELECT conname FROM pg_constraint
WHERE contype = 'f' AND NOT condeferrable AND conrelid = %s::regclass
"""
_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = current_schema()
"""
_LISTED = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) != 'sqlite_'"
_NUMERIC = 4
"""What PostgreSQL adds to precision and scale, both in one number, of numeric(p, s)."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str
    scale: int | None
    """Digits after the point that a numeric column keeps."""

    @property
    def selected(self) -> Composed:
        """Return the column as it is read to be compared."""
        own = Identifier(self.name)
        return SQL("{}::text").format(own) if is_text(self.kind) else SQL("{}").format(own)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that both databases have."""

    name: str
    columns: tuple[_Column, ...]
    parents: frozenset[str]
    """Tables that its foreign keys lead to, itself among them."""
    numbered: bool
    """Whether SQLite numbers its rows, so that a copy can go on in the middle."""

    def fail(self, reason: object, row: Row | None = None) -> click.ClickException:
        """Return what to say of a row, without its values but the first: its key."""
        where = f"{self.name}, row {row[0]!r}" if row else self.name
        return click.ClickException(
            f"{where}: {reason}; mend it in the SQLite file, run this again"
        )


class Tables:
    """The tables of a source and its target."""

    def __init__(self, source: sqlite3.Connection, target: psycopg.Connection[Row]) -> None:
        """Take both. Raises `click.ClickException` if they do not have the same tables."""
        self._source, self._target = source, target
        self._versions = schema.VERSION_TABLES
        self.all = [self._table(name) for name in self._shared()]

    def begin(self, origin: str) -> None:
        """Note that a move from `origin` is under way, or find that it is.

        Raises `click.ClickException` where the target has rows, or is somebody else's.
        """
        found = self._noted()
        if found is not None:
            if found != origin:
                raise click.ClickException(
                    f"the target has an unfinished move of {found}; finish that one, or take an"
                    " empty database"
                )
            return
        self._refuse_rows()
        with self._target.transaction():
            self._run(
                "CREATE TABLE {} (name text PRIMARY KEY, last bigint, done boolean NOT NULL)",
                Identifier(NOTES),
            )
            self._note(_SOURCE, None, done=False)
            self._run("COMMENT ON TABLE {} IS {}", Identifier(NOTES), Literal(origin))
            self._clear_filled()

    def restart(self, origin: str) -> None:
        """Empty the target of an unfinished move from `origin`."""
        if self._noted() != origin:
            raise click.ClickException(
                "the target has no unfinished move of this service; leave --restart out"
            )
        names = SQL(", ").join(Identifier(table.name) for table in self.all)
        self._target.execute(SQL("TRUNCATE {}").format(names))
        self._run("DELETE FROM {} WHERE name != {}", Identifier(NOTES), Literal(_SOURCE))

    def copy(self, told: Callable[[str], None], *, notes: bool) -> None:
        """Copy what is not there yet; without `notes` all, for somebody who takes it back."""
        if not notes:
            self._refuse_rows()
            self._clear_filled()
        for group in self._groups():
            (first, *others) = group
            if notes and not others and first.numbered and first.name not in first.parents:
                self._copy_in_batches(first, told)
            else:
                self._copy_at_once(group, told, notes=notes)
        if notes:
            # No transaction takes a sequence back.
            for table in self.all:
                self._number_on(table)

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Undo at the end what is done in the target."""
        if self._noted() is not None:
            raise click.ClickException("an unfinished move is there; go on without --dry-run")
        with self._target.transaction(force_rollback=True):
            yield

    def compare(self) -> Counter[str]:
        """Return how many rows each table has, here and there the same ones."""
        counts = Counter[str]()
        for table in self.all:
            mine, theirs = digest(self._mine(table)), digest(self._theirs(table))
            if mine != theirs:
                raise click.ClickException(
                    f"{table.name}: {mine[0]} rows here, {theirs[0]} there, and not the same ones:"
                    " one of them was written to since the move began; begin anew: --restart"
                )
            counts[table.name] = mine[0]
        return counts

    @property
    def finished(self) -> bool:
        """Whether all of it was compared by a run that ended later."""
        return self._noted() is not None and self._done(_SOURCE)

    def finish(self) -> None:
        """Note that all is there, for a run that ends before the rest of the move is."""
        self._note(_SOURCE, None, done=True)

    def forget(self) -> None:
        """Delete the notes: the move is over."""
        self._run("DROP TABLE {}", Identifier(NOTES))

    def _run(self, text: LiteralString, *parts: Identifier | Literal) -> None:
        self._target.execute(SQL(text).format(*parts))

    def _shared(self) -> list[str]:
        """Return the names of tables to copy."""
        mine = {name for (name,) in self._source.execute(_LISTED)}
        theirs = {name for (name,) in self._target.execute(_TABLES)}
        if not mine & theirs:
            raise click.ClickException("the target has no tables yet; make them by `db upgrade`")
        for table, columns in self._versions.items():
            if table not in mine | theirs:
                continue
            listed = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names of the adapter
            names = SQL(", ").join(map(Identifier, columns))
            query = SQL("SELECT {} FROM {}").format(names, Identifier(table))
            there: set[Row] = {*self._target.execute(query)} if table in theirs else set()
            if table not in mine or {*self._source.execute(listed)} != there:
                raise click.ClickException(
                    f"the tables of the target are of another version (by {table}); bring both up"
                    " to date by `db upgrade`"
                )
        lost = sorted(name for name in mine - theirs - self._versions.keys() if self._count(name))
        if lost:
            raise click.ClickException(
                f"the target has no table {', '.join(lost)}: the rows would be lost; make it by a"
                " migration, or drop it here"
            )
        return sorted(mine & theirs - self._versions.keys())

    def _count(self, name: str) -> int:
        (count,) = self._source.execute(f"SELECT count(*) FROM {_quoted(name)}").fetchone()  # noqa: S608 - quoted
        return int(count)

    def _table(self, name: str) -> Table:
        mine = {row[1] for row in self._source.execute(f"PRAGMA table_info({_quoted(name)})")}
        own = SQL("{}").format(Identifier(name)).as_string(self._target)
        found = self._target.execute(_COLUMNS, [own]).fetchall()
        columns = tuple(
            _Column(column, kind, _scale(modifier) if kind == "numeric" else None)
            for column, kind, modifier in found
            if column in mine
        )
        if missing := mine - {column.name for column in columns}:
            raise click.ClickException(
                f"{name}: the target has no column {', '.join(sorted(missing))}; the tables must be"
                " of one version"
            )
        keys = self._source.execute(f"PRAGMA foreign_key_list({_quoted(name)})").fetchall()
        try:
            self._source.execute(f"SELECT rowid FROM {_quoted(name)} LIMIT 0")  # noqa: S608 - quoted
        except sqlite3.OperationalError:
            return Table(name, columns, frozenset(key[2] for key in keys), numbered=False)
        return Table(name, columns, frozenset(key[2] for key in keys), numbered=True)

    def _clear_filled(self) -> None:
        """Empty the tables that `db upgrade` fills by itself: the source has the same rows."""
        for group in reversed(self._groups()):
            for table in group:
                if table.name in schema.FILLED_TABLES:
                    self._run("DELETE FROM {}", Identifier(table.name))

    def _refuse_rows(self) -> None:
        for table in self.all:
            if table.name in schema.FILLED_TABLES:
                continue
            query = SQL("SELECT count(*) FROM {}").format(Identifier(table.name))
            (count,) = self._target.execute(query).fetchone() or (0,)
            if count:
                raise click.ClickException(
                    f"the target's table {table.name} has {count} rows already: take an empty"
                    " database, or delete them if a migration has put them there"
                )

    def _groups(self) -> list[list[Table]]:
        """Return the tables so that what a row belongs to comes first; a circle is one group."""
        left, done, groups = {table.name: table for table in self.all}, set[str](), []
        while left:
            free = [
                table
                for table in left.values()
                if not (table.parents - {table.name} - done) & left.keys()
            ]
            groups += [[table] for table in free] if free else [[*left.values()]]
            done |= {table.name for table in free or left.values()}
            left = {name: table for name, table in left.items() if name not in done}
        return groups

    def _copy_in_batches(self, table: Table, told: Callable[[str], None]) -> None:
        total, copied = self._count(table.name), 0
        if self._done(table.name):
            return
        last = self._last(table.name)
        while True:
            rows = self._source.execute(
                f"SELECT rowid, {_list(table)} FROM {_quoted(table.name)}"  # noqa: S608 - quoted
                " WHERE rowid > ? ORDER BY rowid LIMIT ?",
                (last, BATCH),
            ).fetchall()
            with self._target.transaction():
                if rows:
                    last = rows[-1][0]
                    self._put(table, [self._read(table, row[1:]) for row in rows])
                self._note(table.name, last, done=not rows)
            copied += len(rows)
            if not rows:
                return
            told(f"{table.name}: {copied} of {total}")

    def _copy_at_once(
        self, group: list[Table], told: Callable[[str], None], *, notes: bool
    ) -> None:
        """Copy tables whose rows may belong to rows that come later; they are looked at last."""
        if notes and all(self._done(table.name) for table in group):
            return
        with self._target.transaction(), self._references_later(group):
            for table in group:
                rows = self._source.execute(f"SELECT {_list(table)} FROM {_quoted(table.name)}")  # noqa: S608 - quoted
                while batch := rows.fetchmany(BATCH):
                    self._put(table, [self._read(table, row) for row in batch])
                if notes:
                    self._note(table.name, None, done=True)
                told(f"{table.name}: {self._count(table.name)} rows")

    @contextmanager
    def _references_later(self, group: list[Table]) -> Iterator[None]:
        changed = []
        for table in group:
            if len(group) == 1 and table.name not in table.parents:
                continue
            own = SQL("{}").format(Identifier(table.name)).as_string(self._target)
            for (name,) in self._target.execute(_REFERENCES, [own]).fetchall():
                changed.append((Identifier(table.name), Identifier(name)))
        for pair in changed:
            self._run("ALTER TABLE {} ALTER CONSTRAINT {} DEFERRABLE INITIALLY DEFERRED", *pair)
        yield
        self._target.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for pair in changed:
            self._run("ALTER TABLE {} ALTER CONSTRAINT {} NOT DEFERRABLE", *pair)

    def _read(self, table: Table, row: Row) -> Row:
        """Return a row of SQLite as the columns of PostgreSQL mean it."""
        values = []
        for column, value in zip(table.columns, row, strict=True):
            try:
                made = None if value is None else reader(column.kind, column.scale)(value)
            except (ValueError, ArithmeticError) as error:
                raise table.fail(f"{column.name}: {error}", row) from None
            values.append(made)
        return tuple(values)

    def _put(self, table: Table, rows: list[Row]) -> None:
        names = SQL(", ").join(Identifier(column.name) for column in table.columns)
        copy = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), names)
        packed = {
            place for place, column in enumerate(table.columns) if column.kind in {"json", "jsonb"}
        }
        try:
            with self._target.cursor() as cursor, cursor.copy(copy) as stream:
                for row in rows:
                    stream.write_row(
                        [
                            Json(value) if place in packed and value is not None else value
                            for place, value in enumerate(row)
                        ]
                    )
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise table.fail(error.diag.message_primary, _at(error, rows)) from None

    def _number_on(self, table: Table) -> None:
        """Have the target give new rows numbers that are free."""
        own = SQL("{}").format(Identifier(table.name)).as_string(self._target)
        for column in table.columns:
            query = "SELECT pg_get_serial_sequence(%s, %s)"
            (sequence,) = self._target.execute(query, [own, column.name]).fetchone() or (None,)
            if sequence:
                following = SQL(
                    "SELECT setval({}, coalesce((SELECT max({}) FROM {}), 0) + 1, false)"
                ).format(Literal(sequence), Identifier(column.name), Identifier(table.name))
                self._target.execute(following)

    def _mine(self, table: Table) -> Iterator[Row]:
        query = f"SELECT {_list(table)} FROM {_quoted(table.name)}"  # noqa: S608 - quoted
        return (self._read(table, row) for row in self._source.execute(query))

    def _theirs(self, table: Table) -> Iterator[Row]:
        columns = SQL(", ").join(column.selected for column in table.columns)
        query = SQL("SELECT {} FROM {}").format(columns, Identifier(table.name))
        with self._target.transaction(), self._target.cursor(name="compare") as cursor:
            cursor.itersize = BATCH
            yield from cursor.execute(query)

    def _noted(self) -> str | None:
        """Return what an unfinished move came from, None if there is none."""
        query = "SELECT obj_description(to_regclass(%s)), to_regclass(%s) IS NOT NULL"
        origin, there = self._target.execute(query, [NOTES, NOTES]).fetchone() or (None, False)
        return str(origin or "") if there else None

    def _note(self, name: str, last: int | None, *, done: bool) -> None:
        query = SQL(
            "INSERT INTO {} VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET last = excluded.last, done = excluded.done"
        )
        self._target.execute(query.format(Identifier(NOTES)), [name, last, done])

    def _done(self, name: str) -> bool:
        query = SQL("SELECT done FROM {} WHERE name = %s").format(Identifier(NOTES))
        return bool((self._target.execute(query, [name]).fetchone() or (False,))[0])

    def _last(self, name: str) -> int:
        query = SQL("SELECT last FROM {} WHERE name = %s").format(Identifier(NOTES))
        found = (self._target.execute(query, [name]).fetchone() or (None,))[0]
        return -(1 << 63) if found is None else int(found)


@contextmanager
def opened(path: Path, *, writing: bool) -> Iterator[sqlite3.Connection]:
    """Open the file as it is at one moment; with `writing` nobody else can write meanwhile.

    Raises `click.ClickException` where it is damaged, or has rows that belong to no row.
    """
    with closing(sqlite3.connect(path.as_uri() + "?mode=rw", uri=True, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
            (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise click.ClickException(f"{path} is damaged: {state}; restore a backup first")
            if lost := db.execute("PRAGMA foreign_key_check").fetchone():
                raise click.ClickException(
                    f"{path}: row {lost[1]} of {lost[0]} belongs to a row of {lost[2]} that is not"
                    " there; delete it, or put that row back"
                )
            yield db
        except sqlite3.Error as error:
            raise click.ClickException(
                f"{path}: {error}; nothing is lost, run this again"
            ) from None


def shown(counts: Mapping[str, int]) -> list[str]:
    """Return a line for each table that has rows."""
    return [f"  {name}: {rows} rows" for name, rows in counts.items() if rows]


def _scale(modifier: int) -> int | None:
    return (modifier - _NUMERIC) & 0xFFFF if modifier >= _NUMERIC else None


def _at(error: psycopg.Error, rows: list[Row]) -> Row | None:
    found = _LINE.search(error.diag.context or "")
    place = int(found[1]) - 1 if found else -1
    return rows[place] if 0 <= place < len(rows) else None


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _list(table: Table) -> str:
    return ", ".join(_quoted(column.name) for column in table.columns)
