"""Notes as people write them."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from ..forms import Strict
from .models import Note


class NoteForm(Strict, forms.ModelForm):  # type: ignore[type-arg] # no generic while it runs
    """POST /notes."""

    class Meta:
        model = Note
        fields = ("title", "body")
        widgets: ClassVar = {"body": forms.Textarea(attrs={"rows": 6, "cols": None})}
