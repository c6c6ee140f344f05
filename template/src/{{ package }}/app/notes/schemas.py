"""Notes as clients write and read them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ..schemas import Line, Strict, Text


class NoteIn(Strict):
    """A note as a client writes it."""

    title: Line
    body: Text = ""


class NoteOut(BaseModel):
    """A note as the API returns it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    title: str
    body: str
    created: datetime


class NoteList(BaseModel):
    """All notes of a user."""

    notes: list[NoteOut]
