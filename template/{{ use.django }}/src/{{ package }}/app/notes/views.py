"""Notes as pages."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic import CreateView, DeleteView

from ..requests import MemberRequest
from .forms import NoteForm
from .models import Note

MOST = 200
"""Notes that a page or an answer of the API shows, the newest first."""


class NoteListView(CreateView):  # type: ignore[type-arg] # no generic while it runs
    """/notes: the form for a new one, and the list."""

    request: MemberRequest
    form_class = NoteForm
    template_name = "notes.html"
    success_url = reverse_lazy("notes:list")
    http_method_names = ["get", "post"]  # noqa: RUF012 - as Django has it

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        notes = Note.objects.of(self.request.user)[:MOST]
        return super().get_context_data(notes=notes, **kwargs)

    def form_valid(self, form: ModelForm[Note]) -> HttpResponse:
        form.instance.owner = self.request.user
        return super().form_valid(form)

    def form_invalid(self, form: ModelForm[Note]) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


class NoteDeleteView(DeleteView):  # type: ignore[type-arg] # no generic while it runs
    """/notes/<pk>/delete."""

    request: MemberRequest
    success_url = reverse_lazy("notes:list")
    http_method_names = ["post"]  # noqa: RUF012 - as Django has it

    def get_queryset(self) -> QuerySet[Note]:
        return Note.objects.of(self.request.user)
