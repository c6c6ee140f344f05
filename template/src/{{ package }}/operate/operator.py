# Owned by the template: extend, do not edit.
"""Who works at the command line, and what a terminal may be sent."""

from __future__ import annotations

import getpass
import os


def operator() -> str:
    """Return who called sudo, else who is logged in, for the log."""
    if name := os.environ.get("SUDO_USER"):
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return f"uid {os.getuid()}"


def printable(text: object) -> str:
    """Return what anybody may have sent, with nothing in it that commands a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(text))
