# Owned by the template: extend, do not edit.
"""What every template of the application gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..security.visit import Visit

FOLDER = Path(__file__).parent.parent / "app"
TEMPLATES = FOLDER / "templates"
STATIC = FOLDER / "static"

JINJA_OPTIONS: dict[str, Any] = {
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
}


def environment() -> Environment:
    """Return what renders the templates, for frameworks that bring nothing of their own."""
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, **JINJA_OPTIONS)


def context(visit: Visit) -> dict[str, Any]:
    """Return the variables that base.html and its children use."""
    user = {"name": visit.session.get("name", "")} if visit.session.user else None
    return {
        "service": visit.guard.policy.service,
        "user": user,
        "csp_nonce": visit.nonce,
        "static": visit.guard.static.url,
        "integrity": visit.guard.static.integrity,
        "csrf_field": "",
    }
