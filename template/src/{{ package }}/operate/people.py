# Owned by the template: extend, do not edit.
"""Users from the command line (PPL-1). Each change is an event of the log, with who made it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches

import click

from ..adapter import versions
from ..app.users import open_users
from ..config import PACKAGE, load
from ..security import events
from ..security.accounts import Change, add_account, normalise
from ..security.factors import FactorStore
from ..security.login_counters import LoginCounters
from ..security.passwords import Passwords
from ..security.people import OwnedError, People, Person
from ..security.policy import load as load_policy
from ..security.stores import Store, StoreError, open_store
from .deployed import require_database
from .operator import operator, printable

_COLUMNS = "{:<24} {:<30} {:<9} {:<20} {:<20} {}"

tellers: list[Callable[[People, str, Change], None]] = []
"""Called with the users and a name when an operator has changed an account: see `mail`."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What operators work with."""

    people: People
    passwords: Passwords
    store: Store
    counters: LoginCounters

    def person(self, name: str) -> Person:
        """Return a user by any spelling of the name, or say that there is none."""
        found = self.people.get(normalise(name))
        if found is None:
            names = [each.name for each in self.people.all()]
            close = get_close_matches(normalise(name), names, n=1)
            guess = f", but {close[0]!r}" if close else ""
            raise click.ClickException(
                f"there is no user {name!r}{guess}; all: {PACKAGE} user list"
            )
        return found

    def factor_kinds(self) -> Mapping[str, Sequence[str]]:
        """Return the kinds of second factors of each user that has any, by the user's id."""
        return self.people.factor_kinds() if isinstance(self.people, FactorStore) else {}

    def tell(self, person: Person, change: Change) -> None:
        """Tell a user of a change, where the service has mail."""
        for tell in tellers:
            tell(self.people, person.name, change)

    def end_sessions(self, person: Person, done: str) -> int:
        """End all sessions of a user after `done`, also those of logins in flight (SES-10)."""
        try:
            return self.store.delete_of_user(person.id)
        except StoreError as error:
            raise click.ClickException(
                f"{person.name} is {done}, but the sessions did not end: {error}; run this again"
            ) from None


def open_desk(*, create: bool = False) -> Desk:
    """Read the environment; have the tables in order, with `create` also where there are none."""
    settings = load()
    if not create:
        require_database(settings)
    versions.ensure(settings)
    people = open_users(settings.database_url)
    if not isinstance(people, People):
        raise click.ClickException(
            f"app/users.py: {type(people).__name__} lacks a method of `People`; see"
            " security/people.py"
        )
    policy, store = load_policy(settings.policy), open_store(settings.store_url)
    return Desk(people, Passwords(policy.passwords), store, LoginCounters(policy.throttle, store))


def read_password() -> str:
    """Ask for a new password twice, or read it from standard input."""
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return text
    return sys.stdin.readline().rstrip("\r\n")


@click.group()
def user() -> None:
    """Look after users."""


@user.command("add")
@click.argument("name")
def add(name: str) -> None:
    """Create a user; the password is asked for, or read from standard input."""
    desk = open_desk(create=True)
    try:
        name = add_account(desk.people, desk.passwords, name, read_password(), by=operator())
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"user {name} added")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_all(*, as_json: bool) -> None:
    """Print all users: address, whether they may log in, since when, last login, second factors."""
    desk = open_desk()
    people, kinds = desk.people.all(), desk.factor_kinds()
    if as_json:
        rows = [{**_facts(person), "factors": kinds.get(person.id, [])} for person in people]
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(_COLUMNS.format("name", "e-mail", "state", "created", "last login", "factors"))
    for person in people:
        facts = {key: printable(value or "-") for key, value in _facts(person).items()}
        state = "disabled" if person.disabled else "active"
        line = _COLUMNS.format(
            facts["name"],
            facts["email"],
            state,
            facts["created"],
            facts["last_login"],
            ", ".join(kinds.get(person.id, ["-"])),
        )
        click.echo(line.rstrip())


@user.command("password")
@click.argument("name")
def password(name: str) -> None:
    """Give a user a new password, asked for or from standard input; end all sessions."""
    desk = open_desk()
    person = desk.person(name)
    new = read_password()
    if objection := desk.passwords.objection(new, person.name):
        raise click.ClickException(objection)
    desk.people.replace_password(person.id, desk.passwords.hash(new))
    desk.tell(person, Change.PASSWORD)
    ended = desk.end_sessions(person, "given the new password")
    events.emit("authn_password_change", user=person.name, operator=operator(), sessions=ended)
    click.echo(f"{person.name} has a new password; {ended} sessions ended")


@user.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Keep a user from logging in, and end all sessions; the data stays."""
    desk = open_desk()
    person = desk.person(name)
    desk.people.set_disabled(person.id, disabled=True)
    ended = desk.end_sessions(person, "disabled")
    events.emit("user_disabled", user=person.name, operator=operator(), sessions=ended)
    click.echo(f"{person.name} may not log in any more; {ended} sessions ended")


@user.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Let a user log in again."""
    desk = open_desk()
    person = desk.person(name)
    desk.people.set_disabled(person.id, disabled=False)
    events.emit("user_enabled", user=person.name, operator=operator())
    click.echo(f"{person.name} may log in")


@user.command("delete")
@click.argument("name")
def delete(name: str) -> None:
    """Delete a user, all sessions, and all data that belongs to them."""
    desk = open_desk()
    person = desk.person(name)
    if sys.stdin.isatty():
        click.confirm(f"Delete {person.name} and all that belongs to them?", abort=True)
    # Else a login in flight could still leave a session.
    desk.people.set_disabled(person.id, disabled=True)
    ended = desk.end_sessions(person, "disabled")
    try:
        taken = desk.people.delete(person.id)
    except OwnedError as error:
        raise click.ClickException(f"{person.name} is disabled, but not deleted: {error}") from None
    took = ", ".join(f"{rows} {what}" for what, rows in taken.items())
    events.emit(
        "user_deleted", user=person.name, operator=operator(), sessions=ended, took=took or None
    )
    click.echo(f"{person.name} deleted, with {ended} sessions{', ' if took else ''}{took}")


@user.command("unlock")
@click.argument("name")
@click.option(
    "--lost-factors",
    is_flag=True,
    help="Also remove the second factors and recovery codes, and end all sessions.",
)
def unlock(name: str, *, lost_factors: bool) -> None:
    """Forget the failed logins of a user, and lift the blocks that they brought.

    Of somebody who has lost their phone, --lost-factors removes what it was asked for: make sure
    first who is asking.
    """
    desk = open_desk()
    person = desk.person(name)
    if lost_factors:
        _remove_factors(desk, person)
    # A name may look like an address; what counts against that one is not the user's.
    counters = desk.counters.of(person.name, int(time.time()))
    found = [each for each in counters if each.name]
    desk.counters.lift(found)
    events.emit("authn_login_unlock", user=person.name, operator=operator(), counters=len(found))
    click.echo(f"{len(found)} counters of {person.name} cleared")


@click.group()
def sessions() -> None:
    """Look after sessions."""


@sessions.command("revoke")
@click.argument("name")
def sessions_revoke(name: str) -> None:
    """End all sessions of a user."""
    desk = open_desk()
    person = desk.person(name)
    ended = desk.store.delete_of_user(person.id)
    events.emit("session_revoked", user=person.name, operator=operator(), sessions=ended)
    click.echo(f"{ended} sessions of {person.name} ended")


def _remove_factors(desk: Desk, person: Person) -> None:
    if not isinstance(desk.people, FactorStore):
        raise click.ClickException("the users of this service keep no second factors")
    removed = desk.people.remove_factors(person.id)
    if removed:
        desk.tell(person, Change.FACTOR_REMOVED)
    ended = desk.end_sessions(person, "without second factors")
    events.emit(
        "authn_factor_removed",
        user=person.name,
        operator=operator(),
        factors=removed,
        sessions=ended,
    )
    click.echo(f"{removed} second factors of {person.name} removed; {ended} sessions ended")


def _facts(person: Person) -> dict[str, str | bool | None]:
    times = {
        name: time.isoformat(timespec="seconds").replace("+00:00", "Z") if time else None
        for name, time in (("created", person.created), ("last_login", person.last_login))
    }
    return {**asdict(person), **times}
