"""What views ask for."""

from __future__ import annotations

from flask import current_app

from ..adapter.web import current_visit
from .notes import Notes
from .users import Users


def users() -> Users:
    """Return the users of the service."""
    return Users(current_app.extensions["database"])


def notes() -> Notes:
    """Return the notes of the signed-in user, or raise `Problem` 401."""
    return Notes(current_app.extensions["database"], current_visit().user())
