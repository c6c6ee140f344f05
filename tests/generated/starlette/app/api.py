"""JSON API."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..adapter.web import json_body
from .deps import notes
from .schemas import NoteIn, NoteList, NoteOut, parse


class AllNotes(HTTPEndpoint):
    def get(self, request: Request) -> Response:
        found = [NoteOut.model_validate(note) for note in notes(request).all()]
        return _json(NoteList(notes=found))

    def post(self, request: Request) -> Response:
        mine = notes(request)
        note = mine.add(parse(NoteIn, json_body(request)))
        return _json(NoteOut.model_validate(note), 201)


class OneNote(HTTPEndpoint):
    def get(self, request: Request) -> Response:
        note = notes(request).get(request.path_params["note_id"])
        return _json(NoteOut.model_validate(note))

    def put(self, request: Request) -> Response:
        mine = notes(request)
        note = mine.change(request.path_params["note_id"], parse(NoteIn, json_body(request)))
        return _json(NoteOut.model_validate(note))

    def delete(self, request: Request) -> Response:
        notes(request).remove(request.path_params["note_id"])
        return Response(status_code=204)


def _json(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(), status, media_type="application/json")


routes = [Route("/api/notes", AllNotes), Route("/api/notes/{note_id}", OneNote)]
