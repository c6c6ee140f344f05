"""JSON API."""

from __future__ import annotations

from fastapi import APIRouter

from .deps import CurrentNotes
from .schemas import NoteIn, NoteList, NoteOut

router = APIRouter(prefix="/api/notes")


@router.get("")
def all_notes(notes: CurrentNotes) -> NoteList:
    return NoteList(notes=[NoteOut.model_validate(note) for note in notes.all()])


@router.post("", status_code=201)
def add_note(note: NoteIn, notes: CurrentNotes) -> NoteOut:
    return NoteOut.model_validate(notes.add(note))


@router.get("/{note_id}")
def get_note(note_id: str, notes: CurrentNotes) -> NoteOut:
    return NoteOut.model_validate(notes.get(note_id))


@router.put("/{note_id}")
def change_note(note_id: str, note: NoteIn, notes: CurrentNotes) -> NoteOut:
    return NoteOut.model_validate(notes.change(note_id, note))


@router.delete("/{note_id}", status_code=204)
def delete_note(note_id: str, notes: CurrentNotes) -> None:
    notes.remove(note_id)
