"""What the admin shows of notes."""

from __future__ import annotations

from django.contrib import admin

from .models import Note


@admin.register(Note)
class _Notes(admin.ModelAdmin):  # type: ignore[type-arg] # no generic while it runs
    list_display = ("title", "owner", "created")
    search_fields = ("title",)
