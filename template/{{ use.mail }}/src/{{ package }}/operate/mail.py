# Owned by the template: extend, do not edit.
"""The commands `mail list` and `mail test`: what waits, and whether the mail server takes any."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

import click

from ..adapter.mail_database import transactions
from ..app.users import open_users
from ..config import load
from ..security import events
from ..security.accounts import Change
from ..security.mail import Correspondents
from ..security.mail.addresses import normalise_address
from ..security.mail.letters import read_sender
from ..security.mail.links import Links
from ..security.mail.notices import Notices
from ..security.mail.outbox import Outbox
from ..security.mail.recovery import CHANGED
from ..security.mail.smtp import (
    DEADLINE_SECONDS,
    RefusedError,
    TemporaryError,
    UncertainError,
    deliver,
    read_url,
)
from ..security.people import People
from .operator import operator, printable
from .people import open_desk, tellers, user


@click.group()
def mail() -> None:
    """Look after the mails."""


@mail.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_all(*, as_json: bool) -> None:
    """Print what waits to be sent, oldest first."""
    users = open_users(load().database_url)
    waiting = Outbox(transactions(users), _now).waiting()
    rows = [
        {
            "id": each.id,
            "kind": each.kind,
            "to": each.recipient,
            "since": datetime.fromtimestamp(each.created, UTC).isoformat(timespec="seconds"),
            "tries": each.tries,
        }
        for each in waiting
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo("  ".join(printable(value) for value in row.values()))
    if not rows:
        click.echo("nothing waits", err=True)


@mail.command()
@click.argument("address")
def test(address: str) -> None:
    """Send a mail to ADDRESS now, past the queue, and say what the mail server says."""
    settings = load()
    if not settings.smtp_url:
        raise click.ClickException("APP_SMTP_URL is empty: in development mails go to var/mail")
    try:
        to = normalise_address(address)
    except ValueError as error:
        raise click.ClickException(f"ADDRESS: {error}") from None
    server, sender = read_url(settings.smtp_url), read_sender(settings.mail_from)
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = sender, to
    message["Subject"] = "Test"
    message["Date"] = formatdate(time.time())
    message["Message-ID"] = f"<{secrets.token_hex(16)}@{sender.domain}>"
    message.set_content("The service can send mail.\n")
    try:
        deliver(server, message, sender.addr_spec, to, lambda: True)
    except (TemporaryError, RefusedError) as error:
        raise click.ClickException(f"not sent: {printable(error)}") from None
    except UncertainError:
        raise click.ClickException(
            f"the server did not answer after the mail's end within {DEADLINE_SECONDS} s: it may"
            " have it"
        ) from None
    click.echo(f"{server.host} has taken a mail to {to}: see whether it arrives")


@user.command("email")
@click.argument("name")
@click.argument("address")
def email(name: str, address: str) -> None:
    """Give a user an e-mail address, "" for none; nobody is asked. Links under way end.

    The old address is told.
    """
    desk = open_desk()
    person = desk.person(name)
    people = desk.people
    if not isinstance(people, Correspondents):
        raise click.ClickException("app/users.py: the users have no address: see `Correspondents`")
    try:
        wanted = normalise_address(address) if address else None
        done = people.set_email(person.id, wanted, expected=person.email)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if not done:
        raise click.ClickException(f"{person.name} got another address meanwhile; look again")
    begin = transactions(people)
    Links(begin, _now).end_of_user(person.id)
    if person.email and person.email != wanted:
        Outbox(begin, _now).put(CHANGED, person.email, name=person.name)
    events.emit("user_email_changed", user=person.name, operator=operator())
    click.echo(f"{person.name}: {printable(wanted or 'no address')}")


def _tell(people: People, name: str, change: Change) -> None:
    """Tell a user what an operator has changed (ASVS 6.3.7)."""
    if isinstance(people, Correspondents):
        Notices(people, Outbox(transactions(people), _now)).tell(name, change)


def _now() -> int:
    return int(time.time())


tellers.append(_tell)
