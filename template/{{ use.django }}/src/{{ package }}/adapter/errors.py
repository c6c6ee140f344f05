# Owned by the template: extend, do not edit.
"""Our face for Django's own errors (FPR-2); what `handler404` of an urlconf answers is its own.

Django looks for handlers in the urlconf of the request and then in `django.conf.urls`: these stand
there, so that they hold for every urlconf.
"""

from __future__ import annotations

import sys
from json import JSONDecodeError
from traceback import walk_tb

from django.conf import urls
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import (
    BadRequest,
    DisallowedRedirect,
    PermissionDenied,
    SuspiciousOperation,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException
from django.http.response import HttpResponseBase, HttpResponseRedirectBase
from django.views.debug import SafeExceptionReporterFilter

from ..security.body import MULTIPART, media_type
from ..security.database_errors import is_database_away
from ..security.errors import Problem
from ..security.events import emit
from ..security.passwords import Busy
from ..security.responses import Response
from ..security.stores import StoreError
from .authorship import author_wrote
from .compose import KEY
from .current import exchange_of
from .database import ERRORS

_ANSWERED = (Http404, PermissionDenied, BadRequest, SuspiciousOperation, MultiPartParserError)
"""What Django has an answer to other than a crash."""


class ReporterFilter(SafeExceptionReporterFilter):
    """Keeps cookies out of what a crash is told with: one of ours is known by its value alone."""

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, str]:
        return dict.fromkeys(request.COOKIES, self.cleansed_substitute)


class SeeOther(HttpResponseRedirectBase):
    """303; with the `url` that Django's tests look for."""

    status_code = 303


def register() -> None:
    """Take the place of Django's default handlers."""
    for status, handler in (
        (400, bad_request),
        (403, permission_denied),
        (404, page_not_found),
        (500, server_error),
    ):
        setattr(urls, f"handler{status}", handler)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer `Http404`, and an address that nothing is at."""
    return answer(request, Problem(404, detail=_words(exception), reason=_reason(request)))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer `PermissionDenied`."""
    return answer(request, Problem(403, detail=_words(exception)))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer `BadRequest`, `SuspiciousOperation` and bodies that cannot be read."""
    if isinstance(exception, DisallowedRedirect):
        emit("malicious_redirect")
    # What is suspicious is told to the log alone.
    suspicious = isinstance(exception, SuspiciousOperation)
    words = "" if suspicious else _words(exception)
    return answer(request, Problem(400, detail=words, reason=type(exception).__name__))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an unhandled exception, which is logged."""
    error = sys.exc_info()[1] or RuntimeError("handler500 was called without an exception")
    if KEY not in request.META:
        raise error
    boundary, context = exchange_of(request)
    # What a middleware asks for, such as who the user is, does not come by `answer_exception`.
    away = StoreError(f"database: {error}") if _is_away(error) else None
    return to_django(boundary.crash(context, away or error))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form without the token of its session."""
    emit("authz_fail", reason="no token")
    hint = f"{{% csrf_token %}} in the form, or the header X-CSRFToken: {reason}"
    return answer(request, Problem(403, reason=hint))


def answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Return our page or problem document."""
    boundary, context = exchange_of(request)
    return to_django(boundary.error_response(context, problem))


def _is_away(error: BaseException) -> bool:
    return isinstance(error, ERRORS) and is_database_away(error)


def answer_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Answer what views raise on purpose, and what the stores cannot serve; None: neither."""
    if isinstance(error, JSONDecodeError) and error.doc.encode() == _read(request):
        # Well-formed JSON of the right type alone comes so far.
        error = Problem(415 if error.doc else 400, reason="a view expects JSON")
    elif isinstance(error, RawPostDataException) and _is_multipart(request):
        # Already read, for its token.
        error = Problem(415, reason="a view expects something else than a form")
    elif isinstance(error, ValueError) and _redirects(error):
        emit("malicious_redirect")
        error = Problem(400, reason="a redirect to what is no address")
    if isinstance(error, Busy):
        emit("excess_logins")
        error = Problem(503, headers=[("retry-after", "1")], reason="too many logins")
    elif _is_away(error):
        error = StoreError(f"database: {error}")
    if isinstance(error, Problem):
        return answer(request, error)
    boundary, context = exchange_of(request)
    if isinstance(error, StoreError):
        return to_django(boundary.crash(context, error))
    session = context._session
    if not isinstance(error, _ANSWERED) and session is not None and session.left_half:
        target = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME, "")
        # Here, and not as a crash: what reports those would report each such login.
        if half := boundary.half_login(context, target, failed=error):
            return to_django(half)
    return None


def to_django(response: Response) -> HttpResponse:
    """Return a response of the boundary as Django's own."""
    leads = response.status == SeeOther.status_code
    target = response.header(b"location").decode() if leads else ""
    made = SeeOther(target) if leads else HttpResponse(response.body, status=response.status)
    set_headers(made, response)
    return made


def set_headers(made: HttpResponseBase, response: Response) -> None:
    """Give Django's response the headers of ours, and no others."""
    for name in list(made.headers):
        del made.headers[name]
    made.cookies.clear()
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "set-cookie":
            made.cookies.load(value)
        else:
            made.headers[name] = value


def _is_multipart(request: HttpRequest) -> bool:
    return media_type(request.content_type or "") == MULTIPART


def _read(request: HttpRequest) -> bytes | None:
    """Return the body as far as a view has read it as bytes."""
    body: bytes | None = getattr(request, "_body", None)
    return body


def _redirects(error: Exception) -> bool:
    """Tell whether Django's redirect could not read its target."""
    code = HttpResponseRedirectBase.__init__.__code__
    return any(frame.f_code is code for frame, _ in walk_tb(error.__traceback__))


def _words(error: Exception) -> str:
    """Return the text that the application's author gave an exception, or ""."""
    text = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    return text if author_wrote(error, text, "django") else ""


def _reason(request: HttpRequest) -> str:
    return "" if request.resolver_match else "no path() in the urlconf fits"
