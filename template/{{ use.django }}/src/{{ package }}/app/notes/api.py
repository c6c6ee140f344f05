"""Notes as a JSON API."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views import View
from pydantic import BaseModel

from ..requests import MemberRequest
from ..schemas import parse_json
from .models import Note
from .schemas import NoteIn, NoteList, NoteOut
from .views import MOST


class NoteListApi(View):
    """/api/notes."""

    def get(self, request: MemberRequest) -> HttpResponse:
        notes = Note.objects.of(request.user)[:MOST]
        return _json(NoteList(notes=[NoteOut.model_validate(note) for note in notes]))

    def post(self, request: MemberRequest) -> HttpResponse:
        note = parse_json(NoteIn, request)
        made = Note.objects.create(owner=request.user, title=note.title, body=note.body)
        return _json(NoteOut.model_validate(made), status=201)


class NoteApi(View):
    """/api/notes/<pk>."""

    def get(self, request: MemberRequest, pk: str) -> HttpResponse:
        return _json(NoteOut.model_validate(_note(request, pk)))

    def put(self, request: MemberRequest, pk: str) -> HttpResponse:
        changed = parse_json(NoteIn, request)
        note = _note(request, pk)
        note.title, note.body = changed.title, changed.body
        note.save(update_fields=["title", "body"])
        return _json(NoteOut.model_validate(note))

    def delete(self, request: MemberRequest, pk: str) -> HttpResponse:
        _note(request, pk).delete()
        return HttpResponse(status=204)


def _note(request: MemberRequest, pk: str) -> Note:
    # 404, and not 403, which would say that it exists.
    return get_object_or_404(Note.objects.of(request.user), pk=pk)


def _json(model: BaseModel, status: int = 200) -> HttpResponse:
    return HttpResponse(model.model_dump_json(), status=status, content_type="application/json")
