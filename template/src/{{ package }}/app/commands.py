"""Commands of your own, beside those of the template: `uv run <package> NAME`."""

from __future__ import annotations

import click

COMMANDS: tuple[click.Command, ...] = ()
