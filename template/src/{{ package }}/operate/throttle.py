# Owned by the template: extend, do not edit.
"""The commands `throttle show` and `throttle clear`: who is blocked, and no longer (THR-9)."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from itertools import islice

import click

from ..config import load
from ..security.events import emit
from ..security.login_counters import LoginCounter, LoginCounters
from ..security.policy import load as load_policy
from ..security.stores import open_store
from .operator import operator, printable

_MOST = 100
"""Lines that are shown: whoever guesses through many names fills the store with them."""


@click.group()
def throttle() -> None:
    """Look at blocked logins and lift blocks."""


@throttle.command("show")
@click.argument("who", metavar="[NAME|ADDRESS]", default="")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(who: str, *, as_json: bool) -> None:
    """Show what counts against a user name or an address; without one, who is blocked now."""
    now = int(time.time())
    counters = _counters()
    chosen = counters.of(who, now) if who else (each for each in counters.all(now) if _blocks(each))
    found = list(islice(chosen, _MOST + 1))
    shown = sorted(found[:_MOST], key=lambda each: (-each.blocked_until, each.kind, each.name))
    if as_json:
        click.echo(json.dumps([_as_dict(each) for each in shown], indent=2))
    else:
        for each in shown:
            click.echo(_as_text(each))
        if not shown:
            click.echo("nothing counts against it" if who else "nobody is blocked", err=True)
    if len(found) > _MOST:
        click.echo(f"more than {_MOST}; name one to see what counts against it", err=True)


@throttle.command("clear")
@click.argument("who", metavar="[NAME|ADDRESS]", default="")
@click.option("--all", "everybody", is_flag=True, help="Forget all failures of everybody.")
def clear(who: str, *, everybody: bool) -> None:
    """Forget the failures of a user name or an address, and lift its blocks."""
    if bool(who) == everybody:
        raise click.UsageError("name a user or an address, or give --all")
    now = int(time.time())
    counters = _counters()
    found = list(counters.all(now) if everybody else counters.of(who, now))
    counters.lift(found)
    blocks = sum(map(_blocks, found))
    emit(
        "authn_login_unlock",
        subject=who or "all",
        operator=operator(),
        counters=len(found),
        blocks=blocks,
    )
    click.echo(f"{len(found)} counters cleared, {blocks} of them blocked")


def _counters() -> LoginCounters:
    settings = load()
    return LoginCounters(
        load_policy(settings.policy).throttle, open_store(settings.store_url, create=False)
    )


def _blocks(counter: LoginCounter) -> bool:
    return counter.blocked_until > 0


def _as_dict(counter: LoginCounter) -> dict[str, object]:
    return {
        "kind": counter.kind,
        "name": counter.name,
        "from": counter.where,
        "failures": counter.failures,
        "blocked_until": _time(counter.blocked_until) if _blocks(counter) else None,
        "forgotten": _time(counter.forgotten),
    }


def _as_text(counter: LoginCounter) -> str:
    who = " from ".join(printable(each) for each in (counter.name, counter.where) if each)
    until = (
        f"blocked until {_time(counter.blocked_until)}"
        if _blocks(counter)
        else f"forgotten at {_time(counter.forgotten)}"
    )
    return f"{counter.kind}: {who}: {counter.failures} failures, {until}"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
