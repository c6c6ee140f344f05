"""The application, as Django knows it."""

from __future__ import annotations

from django.apps import AppConfig


class Config(AppConfig):
    """Its tables are called `app_...`."""

    name = __package__
    label = "app"
