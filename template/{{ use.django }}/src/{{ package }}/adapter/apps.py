# Owned by the template: extend, do not edit.
"""The adapter, as Django knows it."""

from __future__ import annotations

from django.apps import AppConfig


class Config(AppConfig):
    """Its tables are those of `models`, and those of `migrations` that have none."""

    name = __package__
    label = "adapter"

    def ready(self) -> None:
        """Connect what listens to Django's signals, and what answers its errors."""
        from . import auth  # noqa: F401 - connects when it is imported
        from .errors import register

        register()
