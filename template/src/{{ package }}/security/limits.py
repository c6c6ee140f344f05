# Owned by the template: extend, do not edit.
"""What a request may look like before anything reads it (ASVS 1.5, 2.2, 4.2, 5.2).

Frameworks disagree on malformed input. It is refused here, so that no two parsers of one request
can see different things.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from .errors import Problem
from .policy import Input

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@lru_cache(maxsize=256)
def check_path(path: bytes) -> str:
    """Return the decoded path as text, or raise `Problem`.

    Dot segments and empty ones mean different places to a proxy and to a router, so they are 404.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise Problem(400) from None
    if not text.isprintable() or "\\" in text or not text.startswith("/"):
        raise Problem(400)
    if "//" in text or ("/." in text and not {".", ".."}.isdisjoint(text.split("/"))):
        raise Problem(404)
    return text


def check_query(query: bytes) -> None:
    """Raise `Problem` for a query that is not UTF-8 or hides a control character."""
    try:
        text = unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        raise Problem(400) from None
    if "\0" in text:
        raise Problem(400)


def parse_body(body: bytes, content_type: str, *, api: bool, policy: Input) -> dict[str, str]:
    """Return the fields of a form, or check that a body is well-formed JSON; raise `Problem`.

    Below the API prefix a body is JSON, elsewhere a form: a cross-site form cannot reach the API.
    """
    if not body:
        return {}
    if content_type.partition(";")[0].strip().lower() != (JSON if api else FORM):
        raise Problem(415)
    try:
        if api:
            # UTF-8 alone (RFC 8259 section 8.1): of bytes the parser takes UTF-16 and UTF-32 too.
            text = body.decode()
            _check_depth(
                json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse), policy
            )
            return {}
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=policy.max_form_fields,
        )
        return _unique(fields)
    except (ValueError, RecursionError):
        raise Problem(400) from None


def is_clean(text: str, allowed: str = "") -> bool:
    """Tell whether text has no control characters but the `allowed`, and no half characters.

    NUL ends strings in C and in PostgreSQL, others drive terminals, and lone surrogates cannot be
    encoded.
    """
    return all(unicodedata.category(char) not in {"Cc", "Cs"} or char in allowed for char in text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name that occurs twice")
    return fields


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _check_depth(value: Any, policy: Input) -> None:
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > policy.max_json_depth:
            raise ValueError("too deep")
        level = [
            child for each in level for child in (each.values() if isinstance(each, dict) else each)
        ]


def invalid_fields(errors: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the fields in pydantic's errors; one that is unknown is not repeated."""
    names = set()
    for error in errors:
        where = [str(part) for part in error["loc"] if part != "body"]
        names.add(
            "unknown field" if error["type"] == "extra_forbidden" else ".".join(where) or "body"
        )
    return sorted(names)
