"""The feature, as Django knows it."""

from __future__ import annotations

from django.apps import AppConfig


class Config(AppConfig):
    """Its tables are called `notes_...`."""

    name = __package__
    label = "notes"
    navigation = ("notes", "notes:list", "Notes")
