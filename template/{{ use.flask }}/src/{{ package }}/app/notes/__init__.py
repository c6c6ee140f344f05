"""The example feature: notes, as pages and as a JSON API. Delete it when you have your own."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ValidationError

from ...adapter import current_user, form_fields
from ..schemas import explain, parse
from .schemas import NoteIn, NoteList, NoteOut
from .storage import Notes

NAVIGATION = ("notes", "/notes", "Notes")

blueprint = Blueprint("notes", __name__, template_folder="templates")
pages = Blueprint("pages", __name__, url_prefix="/notes")
api = Blueprint("api", __name__, url_prefix="/api/notes")


def _notes() -> Notes:
    return Notes(current_app.extensions["database"], current_user.id)


@pages.get("")
def show() -> ResponseReturnValue:
    return render_template("notes.html", notes=_notes().all())


@pages.post("")
def add() -> ResponseReturnValue:
    form, notes = form_fields(), _notes()
    try:
        notes.add(NoteIn.model_validate(form))
    except ValidationError as error:
        errors = explain(error, body="Text")
        page = render_template("notes.html", notes=notes.all(), errors=errors, values=form)
        return page, 422
    return redirect("/notes", 303)


@pages.post("/<note_id>/delete")
def delete(note_id: str) -> ResponseReturnValue:
    _notes().remove(note_id)
    return redirect("/notes", 303)


@api.get("")
def all_notes() -> ResponseReturnValue:
    return _json(NoteList(notes=[NoteOut.model_validate(note) for note in _notes().all()]))


@api.post("")
def add_note() -> ResponseReturnValue:
    return _json(NoteOut.model_validate(_notes().add(_note())), 201)


@api.get("/<note_id>")
def get_note(note_id: str) -> ResponseReturnValue:
    return _json(NoteOut.model_validate(_notes().get(note_id)))


@api.put("/<note_id>")
def change_note(note_id: str) -> ResponseReturnValue:
    return _json(NoteOut.model_validate(_notes().change(note_id, _note())))


@api.delete("/<note_id>")
def delete_note(note_id: str) -> ResponseReturnValue:
    _notes().remove(note_id)
    return Response(status=204)


def _note() -> NoteIn:
    return parse(NoteIn, request.get_json(silent=True))


def _json(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(), status, mimetype="application/json")


blueprint.register_blueprint(pages)
blueprint.register_blueprint(api)
