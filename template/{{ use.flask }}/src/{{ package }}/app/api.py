"""JSON API."""

from __future__ import annotations

from flask import Blueprint, Response, request
from pydantic import BaseModel

from .deps import notes
from .schemas import NoteIn, NoteList, NoteOut, parse

blueprint = Blueprint("api", __name__, url_prefix="/api/notes")


@blueprint.get("")
def all_notes() -> Response:
    return _json(NoteList(notes=[NoteOut.model_validate(note) for note in notes().all()]))


@blueprint.post("")
def add_note() -> Response:
    mine = notes()
    return _json(NoteOut.model_validate(mine.add(_note())), 201)


@blueprint.get("/<note_id>")
def get_note(note_id: str) -> Response:
    return _json(NoteOut.model_validate(notes().get(note_id)))


@blueprint.put("/<note_id>")
def change_note(note_id: str) -> Response:
    mine = notes()
    return _json(NoteOut.model_validate(mine.change(note_id, _note())))


@blueprint.delete("/<note_id>")
def delete_note(note_id: str) -> Response:
    notes().remove(note_id)
    return Response(status=204)


def _note() -> NoteIn:
    return parse(NoteIn, request.get_json(silent=True))


def _json(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(), status, mimetype="application/json")
