"""What handlers ask for in their arguments."""

from __future__ import annotations

from litestar.di import NamedDependency, Provide

from ..adapter.web import Request
from .notes import Notes
from .users import Users


def _users(request: Request) -> Users:
    return Users(request.app.state.database)


def _notes(request: Request) -> Notes:
    return Notes(request.app.state.database, request.user)


CurrentUsers = NamedDependency[Users]
CurrentNotes = NamedDependency[Notes]

DEPENDENCIES = {
    "users": Provide(_users, sync_to_thread=False),
    "notes": Provide(_notes, sync_to_thread=False),
}
