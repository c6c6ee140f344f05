"""The example feature: notes, as pages and as a JSON API. Delete it when you have your own."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ...adapter import current_user, form_fields, json_body, templates
from ..schemas import explain, parse
from .schemas import NoteIn, NoteList, NoteOut
from .storage import Notes

NAVIGATION = ("notes", "/notes", "Notes")


def _notes(request: Request) -> Notes:
    return Notes(request.app.state.database, current_user(request).id)


def show(request: Request) -> Response:
    return templates.TemplateResponse(request, "notes.html", {"notes": _notes(request).all()})


def add(request: Request) -> Response:
    form, notes = form_fields(request), _notes(request)
    try:
        notes.add(NoteIn.model_validate(form))
    except ValidationError as error:
        errors = explain(error, body="Text")
        context = {"notes": notes.all(), "errors": errors, "values": form}
        return templates.TemplateResponse(request, "notes.html", context, 422)
    return RedirectResponse("/notes", 303)


def delete(request: Request) -> Response:
    _notes(request).remove(request.path_params["note_id"])
    return RedirectResponse("/notes", 303)


def all_notes(request: Request) -> Response:
    found = _notes(request).all()
    return _json(NoteList(notes=[NoteOut.model_validate(note) for note in found]))


def add_note(request: Request) -> Response:
    note = _notes(request).add(parse(NoteIn, json_body(request)))
    return _json(NoteOut.model_validate(note), 201)


def get_note(request: Request) -> Response:
    note = _notes(request).get(request.path_params["note_id"])
    return _json(NoteOut.model_validate(note))


def change_note(request: Request) -> Response:
    note = parse(NoteIn, json_body(request))
    changed = _notes(request).change(request.path_params["note_id"], note)
    return _json(NoteOut.model_validate(changed))


def delete_note(request: Request) -> Response:
    _notes(request).remove(request.path_params["note_id"])
    return Response(status_code=204)


def _json(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(), status, media_type="application/json")


routes = [
    Route("/notes", show),
    Route("/notes", add, methods=["POST"]),
    Route("/notes/{note_id}/delete", delete, methods=["POST"]),
    Route("/api/notes", all_notes),
    Route("/api/notes", add_note, methods=["POST"]),
    Route("/api/notes/{note_id}", get_note),
    Route("/api/notes/{note_id}", change_note, methods=["PUT"]),
    Route("/api/notes/{note_id}", delete_note, methods=["DELETE"]),
]
