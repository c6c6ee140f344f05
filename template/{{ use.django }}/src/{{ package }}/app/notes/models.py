"""Tables."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from ..forms import validate_line, validate_text
from ..models import User, new_id


def now() -> datetime:
    """Return the time in whole seconds."""
    return timezone.now().replace(microsecond=0)


class NoteQuerySet(models.QuerySet["Note"]):
    """Queries are bound to the owner, so that another user's note does not exist."""

    def of(self, user: User) -> NoteQuerySet:
        """Return the notes of a user."""
        return self.filter(owner=user)


class Note(models.Model):
    """A text that belongs to its author alone."""

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    title = models.CharField(max_length=100, validators=[validate_line])
    body = models.TextField("text", max_length=5000, blank=True, validators=[validate_text])
    created = models.DateTimeField(default=now)

    objects = NoteQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-created", "id"]

    def __str__(self) -> str:
        return self.title
