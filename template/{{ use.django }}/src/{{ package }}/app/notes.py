"""The example feature. Every query is bound to the owner, so another user's note does not exist."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from ..adapter.middleware import Request
from ..adapter.web import member
from .models import Note
from .schemas import NoteIn

_MOST = 200


class Notes:
    """The notes of the signed-in user."""

    def __init__(self, request: Request) -> None:
        """Take the request; raises `Problem` 401."""
        self._owner = member(request)

    def _query(self) -> QuerySet[Note]:
        return Note.objects.filter(owner=self._owner)

    def all(self) -> QuerySet[Note]:
        """Return the newest notes, newest first."""
        return self._query()[:_MOST]

    def add(self, note: NoteIn) -> Note:
        """Store a new note."""
        return Note.objects.create(owner=self._owner, title=note.title, body=note.body)

    def get(self, note_id: str) -> Note:
        """Return a note. Raises `Http404`, not 403, which would say that it exists."""
        return get_object_or_404(self._query(), id=note_id)

    def change(self, note_id: str, note: NoteIn) -> Note:
        """Replace a note, or raise `Http404`."""
        stored = self.get(note_id)
        stored.title, stored.body = note.title, note.body
        stored.save(update_fields=["title", "body"])
        return stored

    def remove(self, note_id: str) -> None:
        """Delete a note, or raise `Http404`."""
        self.get(note_id).delete()
