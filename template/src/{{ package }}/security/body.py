# Owned by the template: extend, do not edit.
"""A request's body, checked while it is read and handed on as it came (ASVS 2.2, 4.2, 5.2).

JSON and URL-encoded forms are held until they are whole, and checked: no two parsers of one body
see different things. Multipart and everything else pass in pieces, so that an upload costs no
memory; what breaks off before its end never counts as whole (BND-4).
"""

from __future__ import annotations

import codecs
import json
import re
from math import isinf
from typing import Any
from urllib.parse import parse_qsl

from .errors import Problem
from .policy import InputPolicy
from .routes import RouteRules

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"
_UNKNOWN = "application/octet-stream"
_PARAMETER = re.compile(
    r';[ \t]*([a-z0-9-]+)=(?:"([^"\\]{1,80})"|([!#$%&\'*+.^_`|~0-9a-z/:=?,()-]{1,80}))[ \t]*',
    re.IGNORECASE,
)
_HEAD = re.compile(rb"[ \t]*(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*)+")
_DISPOSITION = re.compile(rb"\r\ncontent-disposition:[ \t]*([^\r\n]*)", re.IGNORECASE)
_NAMED = re.compile(
    rb';[ \t]*([a-z0-9-]+\*?)=("(?:[^"\\]|\\.)*"|[!#$%&\'*+.^_`|~0-9a-z-]+)[ \t]*', re.IGNORECASE
)
_CHARSET = re.compile(rb";[ \t]*charset=[\"']?([^;\"'\r\n \t]*)", re.IGNORECASE)
_ENCODING = re.compile(rb"\r\ncontent-transfer-encoding:([^\r\n]*)", re.IGNORECASE)
_CODED_CONTROL = re.compile(rb"%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
_PIECES = re.compile(rb"[;\r\n]")
_NO_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[^]["{}]+', re.DOTALL)
"""Strings of JSON, ended or not, and what is neither a string nor a bracket."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""What may be one half of a character's two, in JSON."""
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_AS_IT_IS = frozenset({b"7bit", b"8bit", b"binary"})
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

    def announced(self, length: int | None, encoding: str = "") -> None:
        """Judge what the head says before a byte is read; a `length` of None is chunked."""
        if length == 0:
            return
        if length is not None and length > self._limit:
            raise self._too_large()
        # Without a content type nothing can be assumed (RFC 9110 section 8.3).
        kind = self._type or _UNKNOWN
        if not (self._rules.allows(kind) or (self._json and self._rules.allows(JSON))):
            said = "content type" if self._type else "no content type, so"
            raise Problem(
                415, reason=f"{said} {kind[:80]!r}: [[route]] body lists what a path takes"
            )
        if encoding.lower() not in {"", "identity"} and (self.held or self._type == MULTIPART):
            # Nobody here expands it, so it is no bomb and no form either.
            raise Problem(415, reason=f"content encoding {encoding[:80]!r} of a form or JSON")
        if self._type == MULTIPART:
            self._parts = _Parts(_boundary(self._header), self._rules.max_fields)

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

    def patience(self, waited: float) -> float:
        """Return for how many seconds to wait for the next piece, where `waited` were waited.

        A pause is not all: one byte before the end of each would hold a connection for days.
        """
        pause = self._policy.body_pause
        return min(pause, pause + self._size / self._policy.body_rate - waited)

    def finish(self, whole: bytes = b"") -> None:
        """Judge the end: `whole` is the body where it was held."""
        if self._parts and self._size:
            self._parts.finish()
        if not (self.held and whole):
            return
        if not self._json:
            _check_form(whole, self._rules.max_fields)
            return
        try:
            _check_json(whole, self._policy.max_json_depth)
        except ValueError as error:
            raise Problem(400, reason=f"no JSON: {error}") from None

    def _too_large(self) -> Problem:
        setting = "input.max-json" if self._json else "[[route]] max-body"
        return Problem(413, reason=f"more than {self._limit} bytes: {setting}")


def _boundary(content_type: str) -> bytes:
    """Return what delimits the parts. Of two, or one inside of quotes, parsers differ.

    So they do of a text's charset, and all that is written today is UTF-8. RFC 2046 allows 70
    characters; Werkzeug's test client writes some more, by chance.
    """
    _, semicolon, rest = content_type.partition(";")
    found = list(_PARAMETER.finditer(semicolon + rest))
    named = [each[2] or each[3] for each in found if each[1].lower() == "boundary"]
    if sum(map(len, (each[0] for each in found))) < len(semicolon + rest) or len(named) != 1:
        raise Problem(400, reason="multipart without a boundary, or with more than one")
    charsets = {(each[2] or each[3]).lower() for each in found if each[1].lower() == "charset"}
    if charsets - _CHARSETS:
        raise Problem(415, reason="a form in another charset than UTF-8")
    return str(named[0]).encode("latin-1")


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
        self._text: codecs.IncrementalDecoder | None = None
        """Reads the part that is a field; None in a file."""
        self._skip = 0
        """Bytes of the tail that are no content."""

    def feed(self, piece: bytes) -> None:
        if not self._goes_on(piece):
            self._search(piece)

    def _goes_on(self, piece: bytes) -> bool:
        """Take a piece of a file that has no delimiter: an upload is not copied to be searched."""
        if self._first or self._in_head or self._text:
            return False
        kept = len(self._mark) + 1
        if self._mark in piece or self._mark in self._tail + piece[:kept]:
            return False
        # As in a search: what may be part of a delimiter, and the end of the line before.
        self._tail, self._skip = (self._tail + piece[-kept:])[-kept:], 0
        return True

    def _search(self, piece: bytes) -> None:
        text = self._tail + piece
        at, content = 0, self._skip
        if self._first:
            if len(text) < len(self._mark) + 2:
                self._tail = text
                return
            self._first = False
            # A preamble is legal and nobody sends one; parsers disagree on what is in it.
            if not text.startswith((self._mark, b"\r\n" + self._mark)):
                raise Problem(400, reason="multipart that does not begin with its boundary")
            text = b"\r\n" + text.removeprefix(b"\r\n")
        while True:
            if self._in_head:
                end = text.find(b"\r\n\r\n", at)
                if end < 0 and len(text) - at <= _LONGEST_HEAD:
                    self._tail, self._skip = text[at:], 0
                    return
                self._judge_head(text[at:end] if end >= 0 else text[at:])
                at, content = end + 2, end + 4
            found = text.find(self._mark, at)
            after = found + len(self._mark)
            if found < 0 or len(text) < after + 2:
                break
            at = after
            self._read(text, content, found - 2, whole=True)
            self._text = None
            self._judge_delimiter(text, found, after)
        # With the end of the line before, and the part of a delimiter that may be there.
        begin = found if found >= 0 else max(at, len(text) - len(self._mark) + 1)
        cut = max(begin - 2, 0)
        self._read(text, content, cut)
        self._tail, self._skip = text[cut:], max(content - cut, 0)

    def _judge_delimiter(self, text: bytes, found: int, after: int) -> None:
        if not text.startswith(b"\r\n", found - 2):
            # After half of a line's end, or anywhere, it is a delimiter to some parsers.
            raise Problem(400, reason="multipart with its boundary within a line")
        ends = text.startswith(b"--", after)
        if self._closed and not ends:
            raise Problem(400, reason="multipart that goes on after its closing boundary")
        self._closed, self._in_head = ends, not ends
        self._found += self._in_head
        if self._found > self._most:
            raise Problem(400, reason=f"more than {self._most} fields: [[route]] max-fields")

    def _read(self, text: bytes, begin: int, end: int, *, whole: bool = False) -> None:
        """Insist on UTF-8 in a field: frameworks guess, put marks in, or crash."""
        try:
            if self._text:
                self._text.decode(text[begin:end], whole)
        except UnicodeDecodeError:
            raise Problem(400, reason="a field of a multipart body that is not UTF-8") from None

    def _judge_head(self, head: bytes) -> None:
        """Refuse what parsers read differently: some drop a part without a name in silence."""
        self._in_head = False
        if len(head) > _LONGEST_HEAD:
            raise Problem(
                400,
                reason=f"a part of a multipart body with more than {_LONGEST_HEAD} bytes of head",
            )
        if not _HEAD.fullmatch(head) or self._mark in head or _hides_control(head):
            raise Problem(400, reason="a part of a multipart body with a malformed head")
        if {each.strip(b" \t").lower() for each in _ENCODING.findall(head)} - _AS_IT_IS:
            # Some frameworks decode it, behind the back of who has checked what came (RFC 7578).
            raise Problem(400, reason="a part of a multipart body with a transfer encoding")
        named = _names(head)
        if not all(value.strip(b'"') for value in named.get(b"filename", [b""])):
            charset = _CHARSET.search(head)
            if charset and charset[1].decode("latin-1").lower() not in _CHARSETS:
                raise Problem(
                    400, reason="a field of a multipart body in another charset than UTF-8"
                )
            self._text = codecs.getincrementaldecoder("utf-8")()

    def finish(self) -> None:
        if not self._closed:
            raise Problem(400, reason="multipart without its closing boundary")


def _names(head: bytes) -> dict[bytes, list[bytes]]:
    """Return what a part says of its name and its file's, by the names of its parameters.

    Parsers guess at what is not well-formed, each in its own way, and drop a part in silence whose
    name is not UTF-8.
    """
    said = _DISPOSITION.findall(head)
    kind, semicolon, rest = said[0].partition(b";") if said else (b"", b"", b"")
    parameters = (semicolon + rest).rstrip(b" \t").removesuffix(b";")
    named: dict[bytes, list[bytes]] = {}
    read = 0
    for each in _NAMED.finditer(parameters):
        named.setdefault(each[1].lower(), []).append(each[2])
        read += len(each[0])
    if len(said) != 1 or kind.strip(b" \t").lower() != b"form-data" or read < len(parameters):
        raise Problem(400, reason="a part of a multipart body with a malformed head")
    if len(named.get(b"name", ())) != 1 or b"name*" in named:
        raise Problem(400, reason="a part of a multipart body without a name, or with several")
    try:
        said[0].decode()
    except UnicodeDecodeError:
        raise Problem(400, reason="a name in a multipart body that is not UTF-8") from None
    return named


def _hides_control(head: bytes) -> bool:
    """Tell whether a parameter of RFC 8187, which parsers decode, has a control character."""
    # Cut apart before: a search from each "*=" on would take the square of the length.
    coded = (each.partition(b"*=")[2] for each in _PIECES.split(head))
    return any(map(_CODED_CONTROL.search, coded))


def _check_json(body: bytes, max_depth: int) -> None:
    # UTF-8 alone (RFC 8259 section 8.1): of bytes the parser takes UTF-16 and UTF-32 too.
    text = body.decode()
    if is_deeper(text, max_depth):
        raise ValueError("nested too deep")
    value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    if _HALF.search(text):
        # No character alone: parsers differ, and what is to store or answer it crashes (RFC 7493).
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half a character") from None


def is_deeper(text: str, most: int) -> bool:
    """Tell whether JSON nests deeper than so many levels, before its parser recurses.

    Whatever runs deep in the stack fails there: a finalizer of others, say.
    """
    if text.count("[") + text.count("{") <= most:
        return False
    depth = 0
    for bracket in _NO_BRACKETS.sub("", text):
        depth += 1 if bracket in "[{" else -1
        if depth > most:
            return True
    return False


def _check_form(body: bytes, most: int) -> None:
    """Raise `Problem` for a form that parsers read differently, or with too many fields.

    A name without "=", and nothing between two "&", are legal (WHATWG URL section 5.1).
    """
    # Not with the errors' texts: they quote the field, which may be a password.
    try:
        parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=most,
        )
    except UnicodeDecodeError:
        # Browsers encode all others; Starlette takes them for Latin-1, Werkzeug for UTF-8.
        reason = "a form with letters that are not percent-encoded UTF-8 (curl --data-urlencode)"
        raise Problem(400, reason=reason) from None
    except ValueError:
        reason = f"more than {most} fields: [[route]] max-fields"
        raise Problem(400, reason=reason) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name that occurs twice")
    return fields


def _finite(number: str) -> float:
    value = float(number)
    if isinf(value):
        # Such as 1e999: every parser makes infinity of it, by another name.
        raise ValueError("a number that is too big for a float")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
