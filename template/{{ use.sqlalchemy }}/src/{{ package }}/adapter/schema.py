# Owned by the template: extend, do not edit.
"""Versions of the tables, by Alembic.

Two histories, each with a table of its own for its version: that of the template, in
`migrations/core`, and that of the application, in `app/migrations`. The template's comes first. So
an update may bring a table, or a column of the users, and no file of the application changes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, Literal, cast

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Column, Connection, Engine, MetaData, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql.elements import False_, True_

from ..config import PACKAGE, load
from ..security.stores import StoreError
from .engine import create_engine
from .factors import TABLES
from .history import APP as _APP
from .history import CORE as _CORE
from .history import History, opened
from .migration_lock import migration_lock
from .users import USER_TABLE, UserColumns

_HERE = Path(__file__).parent
_FILES = "%%(year)d%%(month).2d%%(day).2d_%%(rev)s_%%(slug)s"
_CORE_TABLES = ("mail_message", "mail_link")
"""Tables of the core that have no models."""
_FIRST_EDITION = {"id", "name", "password_hash"}
"""Columns of the users in databases that were made before there were versions."""


VERSION_TABLES = {each.table: ("version_num",) for each in (_CORE, _APP)}
"""Tables that say which version a database is of, and the columns that say so."""
FILLED_TABLES = frozenset[str]()
"""Tables that `upgrade` fills by itself."""


def _config(history: History, **attributes: object) -> Config:
    """Return what Alembic's commands take; `attributes` are for migrations/env.py."""
    config = Config(stdout=StringIO())
    options = {
        "script_location": str(_HERE / "migrations"),
        "version_locations": str(history.folder),
        "path_separator": "newline",
    }
    for name, value in options.items():
        config.set_main_option(name, value.replace("%", "%%"))
    config.set_main_option("file_template", _FILES)
    config.attributes.update(attributes, version_table=history.table)
    return config


def upgrade(url: str) -> list[str]:
    """Run the migrations that are missing, each in a transaction; return their names.

    Who comes second waits, and finds nothing to do. A database that was made before there were
    versions is taken as it is, if it is what the models say. Raises `StoreError`.
    """
    with (
        migration_lock(url),
        opened(_migrating(create_engine(url, poolclass=NullPool))) as connection,
    ):
        return _upgrade(connection)


def scratch(url: str) -> None:
    """Make the tables of a database that is thrown away, for an application that reads them."""
    upgrade(url)


def missing(url: str) -> list[str]:
    """Return what the models say and the application's migrations do not; see `_models`."""
    with _models(url) as connection:
        return _differences(connection)


def revision(url: str, message: str, *, empty: bool = False) -> list[Path]:
    """Write the migration that the models are ahead of the others; none if there is no difference.

    With `empty` it is one to be filled by hand. Raises `StoreError` and `ValueError`.
    """

    def keep(_: object, __: object, directives: list[MigrationScript]) -> None:
        operations = directives[0].upgrade_ops
        if not empty and operations and operations.is_empty():
            directives.clear()

    with _models(url) as connection:
        config = _config(_APP, connection=connection, metadata=_metadata())
        try:
            made = command.revision(
                config, message, autogenerate=not empty, process_revision_directives=keep
            )
        except CommandError as error:
            raise ValueError(str(error)) from None
    written = [Path(script.path) for script in _scripts(made)]
    _format(written)
    return written


def environment(config: Config, run: Callable[..., None]) -> None:
    """Do what migrations/env.py is for: `run(connection, **options)` configures Alembic and runs.

    The options are those of `context.configure`. Alembic's own command line comes without a
    connection, and means the migrations of the application.
    """
    attributes = config.attributes
    options = {
        "version_table": attributes.get("version_table", _APP.table),
        "target_metadata": attributes["metadata"] if "metadata" in attributes else _metadata(),
        "include_object": _is_of_app,
        "render_item": _render,
        "on_version_apply": _keep_references,
        "render_as_batch": True,
        "transaction_per_migration": True,
        "transactional_ddl": True,
    }
    if connection := attributes.get("connection"):
        run(connection=connection, **options)
        return
    url = load().database_url
    with (
        migration_lock(url),
        opened(_migrating(create_engine(url, poolclass=NullPool))) as connection,
    ):
        run(connection=connection, **options)


def _upgrade(connection: Connection) -> list[str]:
    done = []
    for history in (_CORE, _APP):
        _adopt(connection, history)
        pending, _ = history.state(connection)
        # Alembic begins its own transactions.
        connection.rollback()
        if pending:
            config = _config(history, connection=connection, metadata=None)
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StoreError(f"migrations of {history.name}: {error}") from None
            except DBAPIError as error:
                raise StoreError(
                    f"a migration of {history.name} failed, and changed nothing: {error.orig};"
                    f" it said: {error.statement}"
                ) from error
            done += pending
    return done


def _adopt(connection: Connection, history: History) -> None:
    """Give a database that has the tables but no version the version that they are of."""
    tables = set(inspect(connection).get_table_names())
    if history.table in tables:
        return
    if history is _CORE:
        found = USER_TABLE in tables
        target = "0001"
        if found:
            columns = {each["name"] for each in inspect(connection).get_columns(USER_TABLE)}
            found = columns >= _FIRST_EDITION and "email" not in columns
    else:
        found = bool(tables & {*_metadata().tables} - {USER_TABLE})
        target = "head"
        if found and (differences := _differences(connection)):
            raise StoreError(
                "the database has tables but no version, and they are not those of the models:"
                f" {'; '.join(differences)}; change them by hand, then run this again"
            )
    connection.rollback()
    if found:
        command.stamp(_config(history, connection=connection, metadata=None), target)


@contextmanager
def _models(url: str) -> Iterator[Connection]:
    """Open a database to compare the models with: one with all migrations, and no others.

    For SQLite it is an empty one in memory, so that it does not matter what a developer's own is
    like. For PostgreSQL it is the one at `url`, which must be up to date.
    """
    if url.startswith("sqlite:"):
        with opened(_migrating(create_engine("sqlite://", poolclass=StaticPool))) as connection:
            _upgrade(connection)
            yield connection
        return
    with opened(create_engine(url, poolclass=NullPool)) as connection:
        if any(any(history.state(connection)) for history in (_CORE, _APP)):
            raise StoreError(f"the database is not up to date; run: {PACKAGE} db upgrade")
        yield connection


def _differences(connection: Connection) -> list[str]:
    context = MigrationContext.configure(
        connection, opts={"include_object": _is_of_app, "version_table": _APP.table}
    )
    return [_said(each) for each in compare_metadata(context, _metadata())]


def _said(difference: Any) -> str:
    """Return one line for what `compare_metadata` found: see its documentation."""
    if isinstance(difference, list):
        return ", ".join(map(_said, difference))
    what, *rest = difference
    names = [
        str(getattr(each, "name", each)) for each in rest if isinstance(each, str | SchemaItem)
    ]
    return f"{what.replace('_', ' ')} {'.'.join(names)}"


def _metadata() -> MetaData:
    """Return the models of the application, all of them: `main` imports its features."""
    import_module(f"{PACKAGE}.app.main")
    return cast("MetaData", import_module(f"{PACKAGE}.app.models").Base.metadata)


def _is_of_app(
    item: SchemaItem, name: str | None, kind: str, reflected: bool, other: SchemaItem | None
) -> bool:
    """Tell whether the migrations of the application look after that table, column or index."""
    del reflected, other
    if kind == "table":
        return name not in {_CORE.table, _APP.table, *(own.name for own in TABLES), *_CORE_TABLES}
    table = getattr(item, "table", None)
    if table is None or table.name != USER_TABLE:
        return table is None or table.name not in {own.name for own in TABLES}
    columns = [item] if isinstance(item, Column) else list(getattr(item, "columns", ()))
    return not {column.name for column in columns} & {*UserColumns.__annotations__}


def _render(kind: str, item: Any, _: object) -> str | Literal[False]:
    """Write what Alembic would write as SQLite has it, so that PostgreSQL takes it, too."""
    if kind == "server_default" and isinstance(getattr(item, "arg", None), False_ | True_):
        return f"sa.{'true' if isinstance(item.arg, True_) else 'false'}()"
    return False


def _keep_references(ctx: MigrationContext, **_: object) -> None:
    """Refuse a migration after which a row belongs to another one that is not there."""
    connection = ctx.connection
    if connection is None or connection.dialect.name != "sqlite":
        return
    if rows := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        raise StoreError(
            f"the migration leaves rows of {rows[0][0]} without their {rows[0][2]}; let it delete"
            " those, too, or keep what they belong to"
        )


def _migrating(engine: Engine) -> Engine:
    """Have SQLite change tables in transactions, and not delete what belongs to a changed table.

    There most changes copy the table and drop the old one, which would take along all rows that
    belong to its rows.
    """
    if engine.dialect.name == "sqlite":

        def connect(connection: Any, _: object) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA foreign_keys = OFF")

        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        event.listen(engine, "connect", connect)
        event.listen(engine, "begin", begin)
    return engine


def _scripts(made: Any) -> list[Any]:
    return [each for each in (made if isinstance(made, list) else [made]) if each]


def _format(files: list[Path]) -> None:
    """Have new files look like the others, where the tool for it is installed."""
    if files and find_spec("ruff"):
        names = [str(file) for file in files]
        for what in (["check", "--fix", "--quiet"], ["format", "--quiet"]):
            ruff = [sys.executable, "-m", "ruff", *what, *names]
            subprocess.run(ruff, check=False)  # noqa: S603 - our own files
