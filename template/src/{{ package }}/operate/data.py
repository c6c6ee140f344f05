# Owned by the template: extend, do not edit.
"""The tables from the command line: `db upgrade`, `db revision`, `db check`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..adapter import history, versions
from ..config import PACKAGE, load
from ..security import events
from .operator import operator


@click.group()
def db() -> None:
    """Look after the tables."""


@db.command()
def upgrade() -> None:
    """Run the migrations that the database lacks; who comes second waits.

    In development `run` does so by itself.
    """
    from ..adapter import schema

    settings = load()
    done = schema.upgrade(settings.database_url)
    _, unknown = history.state(settings.database_url)
    if unknown:
        versions.require_current(settings.database_url)
    for name in done:
        click.echo(f"ran {name}")
    if done:
        events.emit("sys_schema_upgraded", operator=operator(), migrations=len(done))
    click.echo("the database is up to date")


@db.command()
@click.argument("message")
@click.option("--empty", is_flag=True, help="Write one to be filled by hand, for data.")
def revision(message: str, *, empty: bool) -> None:
    """Write the migration that brings the tables to what the models say."""
    from ..adapter import schema

    try:
        written = schema.revision(load().database_url, message, empty=empty)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if not written:
        click.echo("the migrations say what the models say: nothing to write")
    for path in written:
        click.echo(f"wrote {os.path.relpath(path, Path.cwd())}; read it before you run it")


@db.command()
def check() -> None:
    """Tell whether the migrations make what the models say; exit 1 if not.

    In production, whether the database has them all, too.
    """
    from ..adapter import schema

    settings = load()
    if settings.production:
        versions.require_current(settings.database_url)
    differences = schema.missing(settings.database_url)
    for line in differences:
        click.echo(line)
    if differences:
        click.echo(f"no migration for this; write it: {PACKAGE} db revision MESSAGE")
        sys.exit(1)
    click.echo("the migrations say what the models say")
