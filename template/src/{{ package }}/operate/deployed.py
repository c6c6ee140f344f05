# Owned by the template: extend, do not edit.
"""What a deployed service remembers on its machine, below /etc/<project>: see deploy/README.md."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_PACKAGE = __name__.partition(".")[0]
_ETC = Path("/etc")
_MACHINE = re.compile(r"^# machine: (.+)$", re.MULTILINE)
_NAMES = re.compile(r"^\s*(server_name|listen) ([^;]+);", re.MULTILINE)
_SOCKETS = re.compile(r"^\s*server '(unix:[^']+)'", re.MULTILINE)


def folder() -> Path:
    """Return the folder of this project's settings on the machine; it may not exist."""
    try:
        name = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["name"]
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        name = _PACKAGE.replace("_", "-")
    return _ETC / str(name)


def made_by(file: Path) -> Path | None:
    """Return the facts by which `file`, nginx's configuration, was made, None if unsaid."""
    found = _MACHINE.search(_read(file))
    return Path(found[1]) if found else None


def machine_file(file: Path, shipped: Path) -> Path:
    """Return the facts of the machine by which `file`, nginx's configuration, is to be made.

    That is what `file` says it was made by, else the machine's own edge.toml, else the `shipped`
    one. Raises `FileNotFoundError` if what made it is gone.
    """
    own = folder() / "edge.toml"
    named = made_by(file) or shipped
    if named.resolve() == shipped.resolve():
        return own if own.exists() else shipped
    if named.exists():
        return named
    raise FileNotFoundError(f"{file} was made by {named}, which is gone: name another one")


def lost(file: Path, text: str) -> list[str]:
    """Return names, addresses and sockets that `file` has and the new `text` has not."""
    before, after = _served(_read(file)), _served(text)
    return [each for each in before if each not in after]


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return ""


def _served(text: str) -> dict[str, None]:
    found: dict[str, None] = {}
    for kind, value in _NAMES.findall(text):
        # Of a line to listen on, what follows the address is TLS: that may come and go.
        words = value.split() if kind == "server_name" else value.split()[:1]
        found |= dict.fromkeys(f"{kind} {word}" for word in words if word != "_")
    return found | dict.fromkeys(f"socket {path}" for path in _SOCKETS.findall(text))
