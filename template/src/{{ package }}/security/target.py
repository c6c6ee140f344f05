# Owned by the template: extend, do not edit.
"""The request target before anything reads it: path and query (RFC 9112 section 3.2; ASVS 1.5).

Frameworks disagree on malformed ones. They are refused here, so that no two parsers of one request
can see different things.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from .errors import Problem

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What moves a cursor, ends a line or turns the order of letters around, in a log or on a screen.

Other characters without a shape are in what people write: joiners in Persian words and in emoji,
blanks in the names of files. Python calls newer emoji unprintable, too.
"""


def check_path(path: bytes) -> str:
    """Return the decoded path as text, or raise `Problem`.

    Dot segments and empty ones mean different places to a proxy and to a router, so they are 404.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise Problem(400, reason="the path is not UTF-8") from None
    hidden = not text.isprintable() and _CONTROL.search(text)
    if hidden or "\\" in text or not text.startswith("/"):
        raise Problem(400, reason="the path has a control character or a backslash")
    if "//" in text or ("/." in text and not {".", ".."}.isdisjoint(text.split("/"))):
        raise Problem(404, reason="the path has an empty or a dot segment")
    return text


def check_query(query: bytes) -> None:
    """Raise `Problem` for a query that is not UTF-8 or hides a control character."""
    try:
        text = unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        raise Problem(400, reason="the query is not UTF-8") from None
    if "\0" in text:
        raise Problem(400, reason="the query has a NUL")
