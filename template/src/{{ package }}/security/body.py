# Owned by the template: extend, do not edit.
"""A request's body, checked while it is read and handed on as it came (ASVS 2.2, 4.2, 5.2).

JSON and URL-encoded forms are held until they are whole, and checked: no two parsers of one body
see different things. Multipart and everything else pass in pieces, so that an upload costs no
memory; what breaks off before its end never counts as whole (BND-4).
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from .errors import Problem
from .policy import InputPolicy
from .routes import RouteRules

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"
_BOUNDARY = re.compile(
    r';\s*boundary=(?:"([^"\\]{1,70})"|([!#$%&\'*+.^_`|~0-9A-Za-z/:=?,()-]{1,70}))',
    re.IGNORECASE,
)
_NAMED = re.compile(rb"\r\ncontent-disposition:[^\r\n]*;[ \t]*name=", re.IGNORECASE)
_NO_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[^]["{}]+', re.DOTALL)
"""Strings of JSON, ended or not, and what is neither a string nor a bracket."""
_LONGEST_HEAD = 4096
"""Bytes of the headers of a part."""


def media_type(content_type: str) -> str:
    """Return the type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """Tell whether a media type is JSON (RFC 6839 section 3.1)."""
    return kind == JSON or (kind.startswith("application/") and kind.endswith("+json"))


class Body:
    """Checks one body. Feed it each piece, then finish; every method raises `Problem`."""

    def __init__(self, content_type: str, rules: RouteRules, policy: InputPolicy) -> None:
        """Take what was announced, and what the route allows."""
        self._type = media_type(content_type)
        self._header = content_type
        self._rules = rules
        self._policy = policy
        self._json = is_json(self._type)
        self._limit = min(rules.max_body, policy.max_json) if self._json else rules.max_body
        self.held = self._json or self._type == FORM
        """True: nobody sees a piece before the whole is checked."""
        self._size = 0
        self._parts: _Parts | None = None

    def announced(self, length: int | None) -> None:
        """Judge type and length before a byte is read; a `length` of None is chunked."""
        if length == 0:
            return
        if length is not None and length > self._limit:
            raise self._too_large()
        if not (self._rules.allows(self._type) or (self._json and self._rules.allows(JSON))):
            raise Problem(
                415,
                reason=f"content type {self._type[:80]!r}: [[route]] body lists what a path takes",
            )
        if self._type == MULTIPART:
            found = _BOUNDARY.search(self._header)
            if not found:
                raise Problem(400, reason="multipart without a boundary")
            self._parts = _Parts((found[1] or found[2]).encode("latin-1"), self._rules.max_fields)

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        if not piece:
            return
        if not self._size and self._type == MULTIPART and self._parts is None:
            self.announced(None)
        self._size += len(piece)
        if self._size > self._limit:
            raise self._too_large()
        if self._parts:
            self._parts.feed(piece)

    def finish(self, whole: bytes = b"") -> None:
        """Judge the end: `whole` is the body where it was held."""
        if self._parts and self._size:
            self._parts.finish()
        if not (self.held and whole):
            return
        try:
            if self._json:
                _check_json(whole, self._policy.max_json_depth)
            else:
                _check_form(whole, self._rules.max_fields)
        except (ValueError, RecursionError) as error:
            # Of a form not the error's text: it quotes the field, which may be a password.
            most = self._rules.max_fields
            reason = f"no JSON: {error}" if self._json else f"no form of up to {most} fields"
            raise Problem(400, reason=reason) from None

    def _too_large(self) -> Problem:
        setting = "input.max-json" if self._json else "[[route]] max-body"
        return Problem(413, reason=f"more than {self._limit} bytes: {setting}")


class _Parts:
    """Looks for the delimiters of a multipart body (RFC 2046 section 5.1.1) in its pieces."""

    def __init__(self, boundary: bytes, most: int) -> None:
        self._mark = b"--" + boundary
        self._most = most
        self._tail = b""
        self._found = 0
        self._first = True
        self._in_head = False
        self._closed = False

    def feed(self, piece: bytes) -> None:
        text = self._tail + piece
        if self._first and len(text) >= len(self._mark):
            self._first = False
            # A preamble is legal and nobody sends one; parsers disagree on what is in it.
            if not text.startswith((self._mark, b"\r\n" + self._mark)):
                raise Problem(400, reason="multipart that does not begin with its boundary")
            text = b"\n" + text.removeprefix(b"\r\n")
        keep = len(self._mark) + 3
        while True:
            if self._in_head:
                head, end_of_head, rest = text.partition(b"\r\n\r\n")
                if not end_of_head and len(head) <= _LONGEST_HEAD:
                    self._tail = text
                    return
                self._judge_head(head)
                text = b"\r\n" + rest
            at = text.find(b"\n" + self._mark)
            end = at + 1 + len(self._mark)
            if at < 0 or len(text) < end + 2:
                break
            self._closed = text[end : end + 2] == b"--"
            self._in_head = not self._closed
            self._found += self._in_head
            if self._found > self._most:
                raise Problem(400, reason=f"more than {self._most} fields: [[route]] max-fields")
            text = text[end:]
        self._tail = text if at >= 0 else text[-keep:]

    def _judge_head(self, head: bytes) -> None:
        """Some parsers drop a part without a name in silence, others with it."""
        self._in_head = False
        named = _NAMED.search(head)
        if not named or len(head) > _LONGEST_HEAD or b"\n" + self._mark in head:
            raise Problem(400, reason="a part of a multipart body without a name")

    def finish(self) -> None:
        if not self._closed:
            raise Problem(400, reason="multipart without its closing boundary")


def _check_json(body: bytes, max_depth: int) -> None:
    # UTF-8 alone (RFC 8259 section 8.1): of bytes the parser takes UTF-16 and UTF-32 too.
    text = body.decode()
    # Before the parser recurses: whatever runs deep in the stack, a finalizer say, fails there.
    if text.count("[") + text.count("{") > max_depth:
        depth = 0
        for bracket in _NO_BRACKETS.sub("", text):
            depth += 1 if bracket in "[{" else -1
            if depth > max_depth:
                raise ValueError("nested too deep")
    json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _check_form(body: bytes, most: int) -> None:
    try:
        parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=most,
        )
    except ValueError as error:
        # What follows the colon quotes the field, which may be a password; reasons are logged.
        raise ValueError(str(error).partition(":")[0]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name that occurs twice")
    return fields


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
