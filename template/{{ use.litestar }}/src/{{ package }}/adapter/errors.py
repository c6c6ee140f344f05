# Owned by the template: extend, do not edit.
"""Our face for what Litestar answers by itself."""

from __future__ import annotations

from typing import Any

from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.exceptions.responses import create_debug_response, create_exception_response

from ..security import responses
from ..security.errors import Problem, allow_header
from ..security.stores import StoreError
from ..security.validation import invalid_fields
from .authorship import author_wrote, judged, raised_in
from .requests import AnyRequest, exchange, is_public, scope_of

_PACKAGE = "litestar"
_ERROR, _UNPROCESSABLE, _WRONG_METHOD, _CRASH = 400, 422, 405, 500


def ends_with_slash(path: str) -> bool:
    """Litestar would answer /login/ as /login; but each page has one address."""
    return path.endswith("/") and path != "/"


def take_over(handlers: Any) -> None:
    """Register what answers the framework's own errors, unless the application has its own."""
    handlers.setdefault(Problem, _problem)
    handlers.setdefault(StoreError, _crash)
    # One for all others: what a controller registers for any of them is found before it.
    handlers.setdefault(Exception, _error)


def status_of(error: Exception) -> int | None:
    """Return the status that something raised stands for, None of what is a crash."""
    if isinstance(error, Problem):
        return error.status
    if isinstance(error, ValidationException) and raised_in(error, _PACKAGE):
        return _UNPROCESSABLE
    if isinstance(error, HTTPException) and error.status_code < _CRASH:
        return error.status_code
    return None


def reason_of(error: Exception) -> str:
    """Return the words with which this ends a WebSocket: its author's, or none (FPR-2)."""
    if isinstance(error, HTTPException) and author_wrote(error, str(error.detail), _PACKAGE):
        return str(error.detail)
    return ""


def _answer(request: AnyRequest, problem: Problem) -> Response[bytes]:
    boundary, context = exchange(request)
    scope = scope_of(request)
    if "route_handler" in scope and not context.access_decided:
        # What is not there in a closed part is not told either.
        try:
            boundary.allow(context, public=is_public(scope))
        except Problem as closed:
            problem = closed
    return _response(boundary.error_response(context, problem))


def _problem(request: AnyRequest, error: Problem) -> Response[bytes]:
    return _answer(request, error)


def _error(request: AnyRequest, error: Exception) -> Response[Any]:
    if isinstance(error, UnicodeDecodeError) and raised_in(error, _PACKAGE):
        return _answer(request, Problem(400, reason="a form with text that is none"))
    if isinstance(error, ArithmeticError) and "route_handler" not in scope_of(request):
        # Part of an address that is no Decimal or no timedelta: Litestar minds a ValueError alone.
        return _answer(request, Problem(404))
    if not isinstance(error, HTTPException) or (error.status_code == _CRASH and not error.extra):
        # As Litestar has it, the words of a 500 say what has failed, to the log alone.
        return _crash(request, error)
    if raised_in(error, _PACKAGE):
        return _framework_error(request, error)
    written = error.extra is not None or not isinstance(error.detail, str)
    if written or error.status_code < _ERROR:
        # A document that the author gave, or a redirect, leaves as Litestar writes it.
        return create_exception_response(request, error)
    detail = error.detail if author_wrote(error, error.detail, _PACKAGE) else ""
    return _answer(request, Problem(error.status_code, detail=detail, headers=_headers(error)))


def _framework_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if isinstance(error, ValidationException):
        return _answer(request, Problem(_UNPROCESSABLE, fields=_invalid_fields(error)))
    if error.status_code >= _CRASH:
        return _crash(request, error)
    headers = _headers(error)
    if error.status_code == _WRONG_METHOD:
        if ends_with_slash(exchange(request).context.path):
            return _answer(request, Problem(404))
        headers = [("allow", allow_header(dict(headers).get("allow", "").split(",")))]
    return _answer(request, Problem(error.status_code, headers=headers))


def _headers(error: HTTPException) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in (error.headers or {}).items()]


def _invalid_fields(error: ValidationException) -> list[str]:
    """Return the names of the fields, whoever validated them: pydantic or Litestar."""
    cause = error.__cause__
    if isinstance(cause, KeyError):
        return [str(cause.args[0])]
    if errors := getattr(cause, "errors", None):
        return invalid_fields(errors() if callable(errors) else errors)  # of pydantic's: a method
    messages: Any = error.extra or [{}]
    names = {str(each.get("key", "data")) for each in messages}
    return sorted("body" if name == "data" else name for name in names)


def _crash(request: AnyRequest, error: Exception) -> Response[Any]:
    boundary, context = exchange(request)
    response = boundary.crash(context, judged(error))
    handler = scope_of(request).get("route_handler")
    layers = handler.resolve_exception_handlers() if handler else request.app.exception_handlers
    if response.status == _CRASH and (own := layers.get(_CRASH)):
        page: Response[Any] = own(request, error)
        return page
    if boundary.shows_debug_page(context, response):
        debug = create_debug_response(request, error).to_asgi_response(None, request)
        response = boundary.debug_page(debug.encode_headers(), debug.body)
    return _response(response)


def _response(made: responses.Response) -> Response[bytes]:
    headers = {name.decode(): value.decode("latin-1") for name, value in made.headers}
    return Response(made.body or b"", status_code=made.status, headers=headers)
