# Owned by the template: extend, do not edit.
"""What validators of the application's input use (ASVS 1.5, 2.2)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any


def is_plain_text(text: str, allowed: str = "") -> bool:
    """Tell whether text has no control characters but the `allowed`, and no half characters.

    NUL ends strings in C and in PostgreSQL, others drive terminals, and lone surrogates cannot be
    encoded.
    """
    return all(unicodedata.category(char) not in {"Cc", "Cs"} or char in allowed for char in text)


def invalid_fields(errors: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the fields in pydantic's errors; one that is unknown is not repeated."""
    names = set()
    for error in errors:
        where = [
            str(part) for part in error["loc"] if part not in {"body", "query", "path", "header"}
        ]
        names.add(
            "unknown field" if error["type"] == "extra_forbidden" else ".".join(where) or "body"
        )
    return sorted(names)
