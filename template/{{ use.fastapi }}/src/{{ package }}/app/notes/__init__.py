"""The example feature: notes, as pages and as a JSON API. Delete it when you have your own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from ...adapter import CurrentUser, FormFields, templates
from ..schemas import explain
from .schemas import NoteIn, NoteList, NoteOut
from .storage import Notes

NAVIGATION = ("notes", "/notes", "Notes")

router = APIRouter()
pages = APIRouter(prefix="/notes", include_in_schema=False)
api = APIRouter(prefix="/api/notes")


# It waits for nothing, so it needs no thread.
async def _notes(request: Request, user: CurrentUser) -> Notes:
    return Notes(request.app.state.database, user.id)


CurrentNotes = Annotated[Notes, Depends(_notes)]


@pages.get("")
def show(request: Request, notes: CurrentNotes) -> Response:
    return templates.TemplateResponse(request, "notes.html", {"notes": notes.all()})


@pages.post("")
def add(request: Request, form: FormFields, notes: CurrentNotes) -> Response:
    try:
        notes.add(NoteIn.model_validate(form))
    except ValidationError as error:
        errors = explain(error, body="Text")
        context = {"notes": notes.all(), "errors": errors, "values": form}
        return templates.TemplateResponse(request, "notes.html", context, 422)
    return RedirectResponse("/notes", 303)


@pages.post("/{note_id}/delete")
def delete(note_id: str, notes: CurrentNotes) -> Response:
    notes.remove(note_id)
    return RedirectResponse("/notes", 303)


@api.get("")
def all_notes(notes: CurrentNotes) -> NoteList:
    return NoteList(notes=[NoteOut.model_validate(note) for note in notes.all()])


@api.post("", status_code=201)
def add_note(note: NoteIn, notes: CurrentNotes) -> NoteOut:
    return NoteOut.model_validate(notes.add(note))


@api.get("/{note_id}")
def get_note(note_id: str, notes: CurrentNotes) -> NoteOut:
    return NoteOut.model_validate(notes.get(note_id))


@api.put("/{note_id}")
def change_note(note_id: str, note: NoteIn, notes: CurrentNotes) -> NoteOut:
    return NoteOut.model_validate(notes.change(note_id, note))


@api.delete("/{note_id}", status_code=204)
def delete_note(note_id: str, notes: CurrentNotes) -> None:
    notes.remove(note_id)


router.include_router(pages)
router.include_router(api)
