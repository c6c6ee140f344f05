# Owned by the template: extend, do not edit.
"""What a deployed service remembers on its machine, below /etc/<project>: see deploy/README.md."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import click

from ..adapter import versions
from ..config import PACKAGE, ConfigError, Settings, load
from ..security import events

_ETC = Path("/etc")
_MACHINE = re.compile(r"^# machine: (.+)$", re.MULTILINE)
_NAMES = re.compile(r"^\s*(server_name|listen) ([^;]+);", re.MULTILINE)
_SOCKETS = re.compile(r"^\s*server '(unix:[^']+)'", re.MULTILINE)


def folder() -> Path:
    """Return the folder of this project's settings on the machine; it may not exist."""
    try:
        name = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["name"]
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        name = PACKAGE.replace("_", "-")
    return _ETC / str(name)


def made_by(file: Path) -> Path | None:
    """Return the facts by which `file`, nginx's configuration, was made, None if unknown."""
    found = _MACHINE.search(_read(file))
    return Path(found[1]) if found else None


def machine_file(file: Path, shipped: Path) -> Path:
    """Return the facts of the machine by which `file`, nginx's configuration, is to be made.

    That is what `file` says it was made by, else the machine's own edge.toml, else the `shipped`
    one, by the name that it has in `file`: that leads by a link to the version that serves, which
    a unit that was started in the folder does not know. Raises `FileNotFoundError` if what made
    it is gone.
    """
    own = folder() / "edge.toml"
    named = made_by(file) or shipped
    if named.resolve() == shipped.resolve():
        return own if own.exists() else named
    if named.exists():
        return named
    raise FileNotFoundError(f"{file} was made by {named}, which is gone: name another one")


def lost(file: Path, text: str) -> list[str]:
    """Return names, addresses and sockets that `file` has and the new `text` has not."""
    before, after = _served(_read(file)), _served(text)
    return [each for each in before if each not in after]


def adopt(env_file: Path | None) -> Path | None:
    """Put the service's settings into the environment; return the file that they came from.

    By default that is /etc/<project>/env, where it exists and nothing says another environment.
    Raises `click.ClickException` if it cannot be read.
    """
    file = env_file
    if not file:
        if "APP_ENV" in os.environ:
            return None
        file = folder() / "env"
        if not file.exists():
            return None
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.ClickException(
            f"{file}: {reason}: the settings of the service on this machine; run as root, or say"
            " APP_ENV=development to work without them"
        ) from None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier() or "\0" in value:
            raise click.ClickException(f"{file}, line {number}: write it as NAME=value")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        os.environ[name.strip()] = value
    return file


def announce(file: Path | None, *, before: bool) -> None:
    """Say which service a command speaks of, and log its events as that service does.

    On standard error: standard output is the command's own, perhaps JSON. Unless the command may
    come `before` there is a database, production must have one.
    """
    events.configure(production=os.environ.get("APP_ENV") == "production")
    try:
        settings = load()
    except ConfigError:
        click.echo(_origin(os.environ.get("APP_ENV", "development"), file), err=True)
        return
    where = f"{settings.env}, database {_shown(settings.database_url)}"
    click.echo(_origin(where, file), err=True)
    if settings.production and not before:
        require_database(settings)


def require_database(settings: Settings) -> None:
    """Raise `click.ClickException` if there is no database yet: who only asks creates none."""
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    if settings.database_url.startswith("sqlite:") and not path.exists():
        raise click.ClickException(
            f"{path} is not there: name the settings of the service by --env-file, or make it:"
            f" {versions.UPGRADE}"
        )


def _origin(text: str, file: Path | None) -> str:
    return f"{text}, settings of {file}" if file else text


def _shown(url: str) -> str:
    """Return an address without its password."""
    if url.startswith("sqlite:"):
        return url
    scheme, mark, rest = url.partition("?")[0].partition("://")
    name, at, host = rest.rpartition("@")
    return f"{scheme}{mark}{name.partition(':')[0]}{at}{host}"


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise click.ClickException(
            f"{file} is no text, so no configuration of nginx, and stays as it was; name another"
        ) from None


def _served(text: str) -> dict[str, None]:
    found: dict[str, None] = {}
    for kind, value in _NAMES.findall(text):
        # What follows the address in a `listen` is about TLS, which may come and go.
        words = value.split() if kind == "server_name" else value.split()[:1]
        found |= dict.fromkeys(f"{kind} {word}" for word in words if word != "_")
    return found | dict.fromkeys(f"socket {path}" for path in _SOCKETS.findall(text))
