"""Notes in the database. Every query is bound to the owner: another user's note does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...adapter import Problem
from ..database import Database
from .models import Note
from .schemas import NoteIn

_MOST = 200


class Notes:
    """The notes of one user."""

    def __init__(self, database: Database, owner: str) -> None:
        """Take the database and the id of the user who asks."""
        self._database = database
        self._owner = owner

    def all(self) -> Sequence[Note]:
        """Return the newest notes, newest first."""
        query = select(Note).where(Note.owner == self._owner)
        query = query.order_by(Note.created_at.desc(), Note.id).limit(_MOST)
        with self._database.session() as session:
            return session.scalars(query).all()

    def add(self, note: NoteIn) -> Note:
        """Store a new note."""
        with self._database.session() as session:
            stored = Note(owner=self._owner, title=note.title, body=note.body)
            session.add(stored)
        return stored

    def get(self, note_id: str) -> Note:
        """Return a note, or raise `Problem` 404."""
        with self._database.session() as session:
            return self._find(session, note_id)

    def change(self, note_id: str, note: NoteIn) -> Note:
        """Replace a note, or raise `Problem` 404."""
        with self._database.session() as session:
            stored = self._find(session, note_id)
            stored.title, stored.body = note.title, note.body
        return stored

    def remove(self, note_id: str) -> None:
        """Delete a note, or raise `Problem` 404."""
        with self._database.session() as session:
            session.delete(self._find(session, note_id))

    def _find(self, session: Session, note_id: str) -> Note:
        query = select(Note).where(Note.id == note_id, Note.owner == self._owner)
        note = session.scalars(query).one_or_none()
        if note is None:
            # Not 403, which would say that it exists.
            raise Problem(404)
        return note
