"""What endpoints ask for."""

from __future__ import annotations

from starlette.requests import Request

from ..adapter.web import visit_of
from .notes import Notes
from .users import Users


def users(request: Request) -> Users:
    """Return the users of the service."""
    return Users(request.app.state.database)


def notes(request: Request) -> Notes:
    """Return the notes of the signed-in user, or raise `Problem` 401."""
    return Notes(request.app.state.database, visit_of(request).user())
