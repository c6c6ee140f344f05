"""What views ask for in their arguments."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from ..adapter.web import CurrentVisit
from .notes import Notes
from .users import Users


def _users(request: Request) -> Users:
    return Users(request.app.state.database)


def _notes(request: Request, visit: CurrentVisit) -> Notes:
    return Notes(request.app.state.database, visit.user())


CurrentUsers = Annotated[Users, Depends(_users)]
CurrentNotes = Annotated[Notes, Depends(_notes)]
