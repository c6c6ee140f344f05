# Owned by the template: extend, do not edit.
"""`{% load integrity %}`: what a browser checks a file by, for scripts and stylesheets."""

from __future__ import annotations

from django import template

from ..current import current_boundary

register = template.Library()


@register.simple_tag
def integrity(name: str) -> str:
    """Return the Subresource Integrity value of a file in `static/`."""
    return current_boundary().static.integrity(name)
