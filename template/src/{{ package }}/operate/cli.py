# Owned by the template: extend, do not edit.
"""The command line."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from ..adapter.compose import framework_problems
from ..config import ConfigError, Settings, load
from ..security.events import emit
from ..security.policy import Policy, PolicyError
from ..security.policy import load as load_policy
from ..security.policy import settings as flatten
from ..security.stores import StoreError
from . import audit as auditing
from . import checks, deployed, template
from . import drift as drifting
from .backup import backup, restore
from .data import db
from .edge import certificates, edge
from .end_of_life import locked, unhashed
from .move import move
from .operator import operator
from .people import open_desk, user
from .throttle import throttle


class _Group(click.Group):
    """Prints what is wrong instead of a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (ConfigError, PolicyError, StoreError) as error:
            raise click.ClickException(str(error)) from None


_ELSEWHERE = frozenset({"audit", "certificates", "drift", "edge", "run"})
"""Commands that do not look after a service that runs somewhere."""
_BEFORE = frozenset({"check", "db", "move", "policy", "restore", "routes"})
"""Commands that may come before there is a database."""


@click.group(cls=_Group)
@click.version_option(template.version() or "of no version", message="template %(version)s")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    help="Settings of the service. By default, without APP_ENV, /etc/<project>/env if it is there.",
)
@click.pass_context
def main(context: click.Context, env_file: Path | None) -> None:
    """Run and look after the service."""
    command = context.invoked_subcommand
    if command not in _ELSEWHERE or env_file:
        file = deployed.adopt(env_file)
        if command not in _ELSEWHERE:
            deployed.announce(file, before=command in _BEFORE)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--uds", type=click.Path(path_type=Path), help="Unix socket instead of host and port."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256))
@click.option("--reload", is_flag=True, help="Start again when a file changes (development).")
def run(host: str, port: int, uds: Path | None, workers: int, *, reload: bool) -> None:
    """Start the server."""
    settings = load()
    if reload:
        if settings.production:
            raise click.ClickException("--reload is for development; in production leave it out")
        from . import reloading

        place = ["--uds", str(uds)] if uds else ["--host", host, "--port", str(port)]
        reloading.run(["run", *place, "--workers", str(workers)])
        return
    from . import serve

    if not settings.production:
        click.echo(f"http://localhost:{port} (development)", err=True)
    serve.run(settings, host=host, port=port, uds=uds, workers=workers)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(as_json: bool) -> None:
    """Compare the service with the policy; exit 1 on a failure."""
    try:
        settings = load()
        problems = framework_problems(settings)
    except ConfigError as error:
        settings, problems = Settings.model_construct(), str(error).splitlines()
    policy = load_policy(settings.policy)
    try:
        versions, bare = locked(Path("uv.lock")), unhashed(Path("uv.lock"))
    except (OSError, ValueError):
        versions, bare = None, []
    items = checks.run(
        policy,
        problems,
        today=datetime.now(UTC).date(),
        versions=versions,
        unencrypted=settings.dangerously_unencrypted_hosts,
        unhashed=bare,
        facts=_facts(policy, settings, problems),
        template=template.version(),
        affecting=[each.id for each in template.affecting(template.known())],
    )
    if as_json:
        click.echo(json.dumps([item.as_dict() for item in items], indent=2))
    else:
        for item in items:
            click.echo(item.as_text())
    sys.exit(any(item.state == "fail" for item in items))


def _facts(policy: Policy, settings: Settings, problems: list[str]) -> list[tuple[str, str]]:
    """Return what is wrong with the facts about routes, each with its state.

    In production the application is made without any, too: what it refuses is a failure.
    """
    if not (policy.routes or settings.production):
        return []
    if problems:
        return [("warn", "the routes were not looked at: see PS001")]
    from . import routes as listing

    try:
        return list(
            listing.objections(policy, listing.found(settings), production=settings.production)
        )
    except (ConfigError, PolicyError) as error:
        return [("fail", str(error))]
    except Exception as error:  # noqa: BLE001 - of the application, which does not start
        return [("warn", f"the routes were not looked at: {type(error).__name__}: {error}")]


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def routes(*, as_json: bool) -> None:
    """List every route: who may see it, who said so, and what is open there."""
    from . import routes as listing

    settings = load()
    policy = load_policy(settings.policy)
    table = listing.rows(policy, listing.found(settings))
    if as_json:
        click.echo(json.dumps([row.as_dict() for row in table], indent=2))
    else:
        click.echo(listing.as_text(table, policy))


@main.command()
@click.option("--sarif", type=click.Path(path_type=Path), help="Write the findings there, too.")
@click.option(
    "--service-url",
    envvar="AUDIT_SERVICE_URL",
    help="OSV service to ask instead of the public one; also AUDIT_SERVICE_URL.",
)
@click.option("--tool", type=click.Choice(["uv", "pip-audit"]), default="uv", show_default=True)
def audit(sarif: Path | None, service_url: str | None, tool: str) -> None:
    """Look for known vulnerabilities in the locked dependencies.

    Exit codes: 0 clean or only excepted findings, 1 findings, 3 not audited (nothing is known),
    4 an exception has expired.
    """
    exceptions = load_policy(load().policy).advisory_exceptions
    today = datetime.now(UTC).date()
    try:
        report = auditing.audit(exceptions, today=today, tool=tool, service=service_url)
    except auditing.NotAuditedError as error:
        click.echo(f"audit: not audited: {error}", err=True)
        sys.exit(auditing.NOT_AUDITED)
    if sarif:
        sarif.write_text(json.dumps(report.as_sarif(), indent=2), "utf-8")
    click.echo(report.as_text())
    sys.exit(report.code)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def drift(as_json: bool) -> None:
    """Say which files of the template differ from what it made.

    Exit codes: 0 none, 1 some, 2 it cannot be told.
    """
    try:
        report = drifting.compare(Path.cwd())
    except drifting.ManifestError as error:
        click.echo(f"drift: {error}", err=True)
        sys.exit(drifting.UNKNOWN)
    click.echo(json.dumps(report.as_dict(), indent=2) if as_json else report.as_text())
    sys.exit(report.code)


@main.group()
def sessions() -> None:
    """Look after sessions."""


@sessions.command("revoke")
@click.argument("name")
def sessions_revoke(name: str) -> None:
    """End all sessions of a user."""
    desk = open_desk()
    person = desk.person(name)
    ended = desk.store.delete_of_user(person.id)
    emit("session_revoked", user=person.name, operator=operator(), sessions=ended)
    click.echo(f"{ended} sessions of {person.name} ended")


@main.group("policy")
def policy_group() -> None:
    """Look at the policy."""


@policy_group.command("show")
def policy_show() -> None:
    """Print every setting in force, and what it replaces."""
    policy = load_policy(load().policy)
    hidden = {"exceptions", "advisory_exceptions", "replaced"}
    data = policy.model_dump(mode="json", by_alias=True, exclude=hidden)
    for name, value in flatten(data).items():
        before = (
            f"  # baseline: {json.dumps(policy.replaced[name])}" if name in policy.replaced else ""
        )
        click.echo(f"{name} = {json.dumps(value, ensure_ascii=False)}{before}")


def _add_own_commands() -> None:
    """Add the commands of the application: see app/commands.py."""
    try:
        from ..app import commands
    except ModuleNotFoundError as error:
        # The module is the application's to delete; what it imports is not ours to hide.
        if error.name != f"{__name__.partition('.')[0]}.app.commands":
            raise
        return
    for command in commands.COMMANDS:
        main.add_command(command)


_add_own_commands()
for command in (user, db, backup, restore, move, throttle, edge, certificates):
    main.add_command(command)
