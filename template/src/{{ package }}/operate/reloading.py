# Owned by the template: extend, do not edit.
"""Starts the server again when a file of the project changes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from ..config import PACKAGE


def run(arguments: list[str]) -> None:
    """Run this program with `arguments`, again after each change. Raises `click.ClickException`."""
    try:
        from watchfiles import run_process
    except ImportError:
        raise click.ClickException(
            "--reload needs watchfiles, a dependency for development: run uv sync"
        ) from None
    watched = [Path(__file__).parent.parent, Path("policy.toml")]
    # A process of its own for each start: what was imported is never imported half anew.
    run_process(
        *(path for path in watched if path.exists()),
        target=shlex.join([sys.executable, "-m", PACKAGE, *arguments]),
        target_type="command",
        callback=lambda changes: click.echo(f"changed: {min(changes)[1]}", err=True),
    )
