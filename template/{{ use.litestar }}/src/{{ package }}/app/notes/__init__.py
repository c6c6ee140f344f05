"""The example feature: notes, as pages and as a JSON API. Delete it when you have your own."""

from __future__ import annotations

from litestar import Controller, Router, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, URLEncodedBody
from litestar.response import Redirect, Template
from pydantic import ValidationError

from ...adapter import CurrentUser, Request, single_values
from ..schemas import explain
from .schemas import NoteIn, NoteList, NoteOut
from .storage import Notes

NAVIGATION = ("notes", "/notes", "Notes")

CurrentNotes = NamedDependency[Notes]


def _notes(request: Request, user: CurrentUser) -> Notes:
    return Notes(request.app.state.database, user.id)


class NotesPages(Controller):
    path = "/notes"
    include_in_schema = False

    @get(sync_to_thread=True)
    def show(self, notes: CurrentNotes) -> Template:
        return Template("notes.html", context={"notes": notes.all()})

    @post(before_request=single_values, sync_to_thread=True)
    def add(self, data: URLEncodedBody[dict[str, str]], notes: CurrentNotes) -> Template | Redirect:
        try:
            notes.add(NoteIn.model_validate(data))
        except ValidationError as error:
            errors = explain(error, body="Text")
            context = {"notes": notes.all(), "errors": errors, "values": data}
            return Template("notes.html", context=context, status_code=422)
        return Redirect("/notes", status_code=303)

    @post("/{note_id:str}/delete", sync_to_thread=True)
    def delete(self, note_id: FromPath[str], notes: CurrentNotes) -> Redirect:
        notes.remove(note_id)
        return Redirect("/notes", status_code=303)


class NotesApi(Controller):
    path = "/api/notes"

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


router = Router(
    "/",
    route_handlers=[NotesPages, NotesApi],
    dependencies={"notes": Provide(_notes, sync_to_thread=False)},
)
