"""What templates get besides."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.http import HttpRequest


def navigation(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 - Django calls it so
    """Return what the features add to the navigation: name, named URL and label of each."""
    configs = apps.get_app_configs()
    return {"navigation": [each.navigation for each in configs if hasattr(each, "navigation")]}
