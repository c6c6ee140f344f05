"""JSON API."""

from __future__ import annotations

from litestar import Controller, delete, get, post, put
from litestar.params import FromPath, JSONBody

from ..adapter.web import login_required
from .deps import CurrentNotes
from .schemas import NoteIn, NoteList, NoteOut


class NotesApi(Controller):
    path = "/api/notes"
    guards = (login_required,)

    @get(sync_to_thread=True)
    def all_notes(self, notes: CurrentNotes) -> NoteList:
        return NoteList(notes=[NoteOut.model_validate(note) for note in notes.all()])

    @post(sync_to_thread=True)
    def add_note(self, data: JSONBody[NoteIn], notes: CurrentNotes) -> NoteOut:
        return NoteOut.model_validate(notes.add(data))

    @get("/{note_id:str}", sync_to_thread=True)
    def get_note(self, note_id: FromPath[str], notes: CurrentNotes) -> NoteOut:
        return NoteOut.model_validate(notes.get(note_id))

    @put("/{note_id:str}", sync_to_thread=True)
    def change_note(
        self, note_id: FromPath[str], data: JSONBody[NoteIn], notes: CurrentNotes
    ) -> NoteOut:
        return NoteOut.model_validate(notes.change(note_id, data))

    @delete("/{note_id:str}", sync_to_thread=True)
    def delete_note(self, note_id: FromPath[str], notes: CurrentNotes) -> None:
        notes.remove(note_id)
