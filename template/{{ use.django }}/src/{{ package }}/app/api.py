"""JSON API."""

from __future__ import annotations

import json

from django.http import HttpResponse
from django.views import View
from pydantic import BaseModel

from ..adapter.middleware import Request
from . import notes
from .schemas import NoteIn, NoteList, NoteOut, parse


class Notes(View):
    """/api/notes."""

    def get(self, request: Request) -> HttpResponse:
        mine = notes.Notes(request)
        return _json(NoteList(notes=[NoteOut.model_validate(note) for note in mine.all()]))

    def post(self, request: Request) -> HttpResponse:
        mine = notes.Notes(request)
        return _json(NoteOut.model_validate(mine.add(_note(request))), 201)


class OneNote(View):
    """/api/notes/<note_id>."""

    def get(self, request: Request, note_id: str) -> HttpResponse:
        return _json(NoteOut.model_validate(notes.Notes(request).get(note_id)))

    def put(self, request: Request, note_id: str) -> HttpResponse:
        mine = notes.Notes(request)
        return _json(NoteOut.model_validate(mine.change(note_id, _note(request))))

    def delete(self, request: Request, note_id: str) -> HttpResponse:
        notes.Notes(request).remove(note_id)
        return HttpResponse(status=204)


def _note(request: Request) -> NoteIn:
    return parse(NoteIn, json.loads(request.body or b"null"))


def _json(model: BaseModel, status: int = 200) -> HttpResponse:
    return HttpResponse(model.model_dump_json(), status=status, content_type="application/json")
