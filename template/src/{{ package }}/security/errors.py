# Owned by the template: extend, do not edit.
"""Our own error pages and problem documents (guide: Reduce fingerprinting; RFC 9457; ASVS 16.5.1).

The same bytes whatever framework noticed the error, with no word of what the client sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from string import Template

_TEXTS = {
    400: ("Bad request", "The request could not be understood."),
    401: ("Login required", "Log in first."),
    403: ("Not allowed", "You may not do this, or the request came from another site."),
    404: ("Not found", "There is nothing at this address."),
    405: ("Method not allowed", "This address does not support that kind of request."),
    406: ("Not acceptable", "This address has no answer of that type."),
    409: ("Conflict", "The request does not fit the current state."),
    413: ("Too large", "The request is larger than this service accepts."),
    414: ("Address too long", "The address is longer than this service accepts."),
    415: ("Unsupported type", "The request has a content type that is not accepted here."),
    422: ("Invalid input", "Some fields are missing or not valid."),
    429: ("Too many attempts", "Wait before you try again."),
    431: ("Headers too large", "The headers of the request are larger than this service accepts."),
    500: ("Internal error", "Something went wrong on our side."),
    503: ("Not available", "The service cannot answer this now. Try again later."),
}
_PAGE = Template(files(__package__).joinpath("error.html").read_text("utf-8"))


class Problem(Exception):
    """Raise to answer with an error page or problem document."""

    def __init__(
        self, status: int, *, fields: Sequence[str] = (), headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Take the HTTP status, the names of invalid fields, and further headers (lower-case)."""
        super().__init__(status)
        self.status = status
        self.fields = tuple(fields)
        self.headers = tuple(headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response that needs no framework."""

    status: int
    content_type: str = ""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Return all headers with lower-case names."""
        own = [(name.encode(), value.encode("latin-1")) for name, value in self.headers]
        if self.content_type:
            own.append((b"content-type", self.content_type.encode()))
        if self.status not in {204, 304}:
            own.append((b"content-length", b"%d" % len(self.body)))
        return own


def wants_json(path: str, accept: str, api_prefix: str) -> bool:
    """Tell whether the client is a program: by Accept, else by address."""
    if "text/html" in accept:
        return False
    return "json" in accept or path.startswith(api_prefix)


def render(problem: Problem, *, request_id: str, as_json: bool, stylesheet: str) -> Answer:
    """Return the error as a page or, for programs, as a problem document."""
    title, detail = _TEXTS.get(problem.status, _TEXTS[problem.status // 100 * 100])
    if as_json:
        document = {
            "type": "about:blank",
            "title": title,
            "status": problem.status,
            "detail": detail,
            "request_id": request_id,
        } | ({"fields": problem.fields} if problem.fields else {})
        body, kind = json.dumps(document).encode(), "application/problem+json"
    else:
        items = "".join(f"<li>{escape(name)}</li>" for name in problem.fields)
        page = _PAGE.substitute(
            status=problem.status,
            title=title,
            detail=detail,
            request_id=request_id,
            stylesheet=stylesheet,
            fields=f"<ul>{items}</ul>" if items else "",
        )
        body, kind = page.encode(), "text/html; charset=utf-8"
    return Answer(problem.status, kind, body, problem.headers)


def allow_header(methods: Iterable[str]) -> str:
    """Return the Allow header, sorted (RFC 9110 section 10.2.1)."""
    names = {*methods, "OPTIONS"}
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))
