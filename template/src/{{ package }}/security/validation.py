# Owned by the template: extend, do not edit.
"""What validators of the application's input use (ASVS 1.5, 2.2)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Categories of what shows nothing, breaks lines or turns others around, or looks like anything."""
_BLANK = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""The others that show nothing: fillers, and what varies the one before."""


def is_visible(text: str) -> bool:
    """Tell whether people see each character of a line, so that no two lines look the same by it.

    Letters of two scripts may still look alike (UTS 39).
    """
    return " ".join(text.split()) == text and not any(
        char in _BLANK or unicodedata.category(char) in _UNSEEN for char in text
    )


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
