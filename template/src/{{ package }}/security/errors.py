# Owned by the template: extend, do not edit.
"""Our own error pages and problem documents (guide: Reduce fingerprinting; RFC 9457; ASVS 16.5.1).

They stand for what nobody wrote: the same bytes whatever framework noticed the error, with no word
of what the client sent. What a view answers is its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from http import HTTPStatus
from importlib.resources import files
from string import Template
from typing import Any

from .responses import Response

_TEXTS = {
    400: ("Bad request", "The request could not be understood."),
    401: ("Login required", "Log in first."),
    403: ("Not allowed", "You may not do this, or the request came from another site."),
    404: ("Not found", "There is nothing at this address."),
    405: ("Method not allowed", "This address does not support that kind of request."),
    406: ("Not acceptable", "This address has no answer of that type."),
    408: ("Too slow", "The request did not arrive in time."),
    409: ("Conflict", "The request does not fit the current state."),
    410: ("Gone", "What was at this address is gone for good."),
    411: ("Length required", "The request does not say how long it is."),
    412: ("Precondition failed", "What was at this address has changed meanwhile."),
    413: ("Too large", "The request is larger than this service accepts."),
    414: ("Address too long", "The address is longer than this service accepts."),
    415: ("Unsupported type", "The request has a content type that is not accepted here."),
    416: ("Range not satisfiable", "There is no such part of what is at this address."),
    422: ("Invalid input", "Some fields are missing or not valid."),
    423: ("Locked", "This cannot be changed at the moment."),
    429: ("Too many attempts", "Wait before you try again."),
    431: ("Headers too large", "The headers of the request are larger than this service accepts."),
    451: ("Unavailable for legal reasons", "This may not be shown."),
    500: ("Internal error", "Something went wrong on our side."),
    503: ("Not available", "The service cannot answer this now. Try again later."),
}
_ERRORS = range(400, 600)
_WRONG_METHOD, _TOO_MANY = 405, 429
_OTHER = {4: "The request cannot be answered.", 5: "The service cannot answer this now."}
_PAGE = Template(files(__package__).joinpath("error.html").read_text("utf-8"))


class Problem(Exception):
    """Raise to answer with an error page or, for programs, a problem document."""

    def __init__(
        self,
        status: int,
        *,
        detail: str = "",
        fields: Sequence[str] = (),
        headers: Sequence[tuple[str, str]] = (),
        reason: str = "",
    ) -> None:
        """Take the HTTP status and what the page says besides.

        `detail` is shown instead of our own sentence, `fields` are the names of invalid fields,
        `headers` further headers (lower-case names). `reason` is for the log alone. Raises
        `ValueError` for a status that says of no error.
        """
        if status not in _ERRORS:
            raise ValueError(f"a problem has a status of 400 to 599, not {status}")
        super().__init__(status, detail or reason)
        self.status = status
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = tuple(headers)
        self.reason = reason


class LoginRequired(Problem):
    """Nobody is signed in, where the policy asks for it: leads a browser to the login page."""

    page = "/login"
    target: str | None = None
    """Where that page leads on to, "" for its default; None: back to what was asked for."""

    def __init__(self, detail: str = "") -> None:
        """Status 401."""
        super().__init__(401, detail=detail)


class ReauthenticationRequired(LoginRequired):
    """The last proof is too old for what is asked: leads a browser to a page that asks again."""

    page = "/account/confirm"

    def __init__(self) -> None:
        """Status 401."""
        super().__init__("Confirm that it is you at /account/confirm first.")


class SecondFactorRequired(LoginRequired):
    """Half a login is done: leads a browser to the page that asks for the second factor."""

    page = "/login/factor"

    def __init__(self, target: str | None) -> None:
        """Status 401, with where it leads on to."""
        super().__init__("Prove a second factor at /login/factor first.")
        self.target = target


def title(status: int) -> str:
    """Return the title of a status: our own, or the one that HTTP gives it."""
    if status in _TEXTS:
        return _TEXTS[status][0]
    try:
        return HTTPStatus(status).phrase.capitalize()
    except ValueError:
        return "Error"


def detail(problem: Problem) -> str:
    """Return the sentence that an error shows: the author's, or ours."""
    if problem.detail:
        return problem.detail
    if problem.status == _TOO_MANY:
        after = dict(problem.headers).get("retry-after", "")
        if after.isdecimal():
            return f"Wait {duration(int(after))} before you try again."
    return _TEXTS[problem.status][1] if problem.status in _TEXTS else _OTHER[problem.status // 100]


def duration(seconds: int) -> str:
    """Return a time in words, in the unit that people would use, rounded up."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{-(-seconds // size)} {unit}"
    return "a second" if seconds <= 1 else f"{seconds} seconds"


def wants_json(path: str, accept: str, api_prefix: str) -> bool:
    """Tell whether the client is a program: by Accept, else by address."""
    if "text/html" in accept:
        return False
    return "json" in accept or path.startswith(api_prefix)


def variables(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return what is said of an error: in a document, and by the application's own error.html."""
    return {
        "title": title(problem.status),
        "status": problem.status,
        "detail": detail(problem),
        "request_id": request_id,
        "fields": problem.fields,
    }


def document(problem: Problem, request_id: str) -> Response:
    """Return the error as a problem document (RFC 9457)."""
    content = {"type": "about:blank", **variables(problem, request_id)}
    if not problem.fields:
        del content["fields"]
    body = json.dumps(content).encode()
    return Response.of(problem.status, "application/problem+json", body, problem.headers)


def page(problem: Problem, request_id: str, stylesheet: str, name: str) -> Response:
    """Return the error as a page of the service `name` that needs no template of its own."""
    items = "".join(f"<li>{escape(name)}</li>" for name in problem.fields)
    text = _PAGE.substitute(
        status=problem.status,
        title=escape(title(problem.status)),
        detail=escape(detail(problem)),
        request_id=request_id,
        stylesheet=stylesheet,
        name=escape(name),
        fields=f"<ul>{items}</ul>" if items else "",
    )
    return Response.of(problem.status, "text/html; charset=utf-8", text.encode(), problem.headers)


def is_for_head_alone(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether the answer to a GET says that the address takes HEAD, and no GET."""
    if status != _WRONG_METHOD:
        return False
    allowed = next((value for name, value in headers if name == b"allow"), b"")
    methods = {each.strip() for each in allowed.split(b",")}
    return b"HEAD" in methods and b"GET" not in methods


def allow_header(methods: Iterable[str]) -> str:
    """Return the Allow header for a resource, the same whatever framework names its methods.

    With GET comes HEAD, and OPTIONS is answered everywhere.
    """
    every = {method.strip().upper() for method in methods} | {"OPTIONS"}
    return ", ".join(sorted(every | {"HEAD"} if "GET" in every else every))
