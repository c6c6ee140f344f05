# Owned by the template: extend, do not edit.
"""Django, for what runs without a request."""

from __future__ import annotations

import os

import django
from django.apps import apps

from ..config import PACKAGE


def set_up() -> None:
    """Read Django's settings and models, unless somebody has."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{PACKAGE}.app.settings")
    if not apps.ready:
        django.setup()
