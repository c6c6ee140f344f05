# Owned by the template: extend, do not edit.
"""Django's middlewares of our own. The policy itself is outside: see `wsgi.Guarded`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ..security.csrf import SAFE_METHODS
from ..security.errors import Problem
from ..security.events import emit
from ..security.passwords import Busy
from ..security.stores import StoreError
from ..security.visit import Visit
from .database import AWAY
from .service import current_guard
from .sessions import SessionStore
from .wsgi import VISIT, Environ, Guarded, StartResponse

FIELD = "csrf_token"
"""Hidden field of our forms."""


class Request(WSGIRequest):
    """A request as views get it."""

    visit: Visit
    _dont_enforce_csrf_checks: bool


class PolicyMiddleware:
    """Tells Django what the policy knows about the request, and the policy what went wrong."""

    def __init__(self, get_response: Callable[[Request], HttpResponseBase]) -> None:
        """Take the rest of Django."""
        self._get_response = get_response

    def __call__(self, request: Request) -> HttpResponseBase:
        if VISIT in request.META:
            return self._answer(request, request.META[VISIT])
        return self._guarded(request)

    def _answer(self, request: Request, visit: Visit) -> HttpResponseBase:
        request.visit = visit
        # Checked by the core, which also knows the proxy: for get_host(), is_secure() and so on.
        scheme, _, host = visit.origin.partition("://")
        request.META["wsgi.url_scheme"], request.META["HTTP_HOST"] = scheme, host
        if visit.head.method not in SAFE_METHODS:
            self._prepare_token(request, visit)
        response = self._get_response(request)
        headers = response.headers
        for name, value in _repeated():
            if headers.get(name) == value:
                del headers[name]
        return response

    def _prepare_token(self, request: Request, visit: Visit) -> None:
        """Let CsrfViewMiddleware check the token, of sessions that have something to lose.

        Where a request comes from was checked by the core. Django would look at Origin, which is
        `null` with our Referrer-Policy, or at the Referer, which is never there.
        """
        request.META["HTTP_ORIGIN"] = visit.origin
        if token := visit.form.get(FIELD, ""):
            request.META[settings.CSRF_HEADER_NAME] = token
            visit.form = {name: text for name, text in visit.form.items() if name != FIELD}
        api = visit.path.startswith(visit.guard.policy.input.api_prefix)
        # A form of another site cannot send JSON, and a script of it is never given leave (CORS).
        if api or not (visit.session.user or visit.session):
            request._dont_enforce_csrf_checks = True

    def process_exception(self, request: Request, error: Exception) -> HttpResponse | None:
        """Answer what views raise on purpose, and what the stores cannot serve."""
        if isinstance(error, Busy):
            emit("excess_logins")
            error = Problem(503, headers=[("retry-after", "1")])
        elif isinstance(error, AWAY):
            error = StoreError(f"database: {error}")
        if not isinstance(error, Problem | StoreError):
            return None
        return HttpResponse(status=request.visit.fail(error))

    def _guarded(self, request: Request) -> HttpResponse:
        """Answer a request that came past `Guarded`, as those of `django.test.Client` do.

        It sends no Host; a form needs `headers={"sec-fetch-site": "same-origin"}`.
        """
        sent: list[Any] = []
        request.META.setdefault("HTTP_HOST", settings.ALLOWED_HOSTS[0])
        request.META["wsgi.input"] = BytesIO(request.body)

        def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            # Anew, because the policy has read the body.
            own = Request(environ)
            own._dont_enforce_csrf_checks = getattr(request, "_dont_enforce_csrf_checks", False)
            response = self._answer(own, environ[VISIT])
            cookies = [("Set-Cookie", each.OutputString()) for each in response.cookies.values()]
            start_response(f"{response.status_code} ", [*response.items(), *cookies])
            return response

        guarded = Guarded(application, current_guard())
        body = b"".join(guarded(request.META, lambda *line: sent.extend(line)))
        response = HttpResponse(body, status=int(sent[0][:3]))
        del response["Content-Type"]
        for name, value in sent[1]:
            if name == "set-cookie":
                response.cookies.load(value)
            else:
                response[name] = value
        return response


@cache
def _repeated() -> tuple[tuple[str, str], ...]:
    """Return what Django's middlewares set: the policy says it too, and only views may differ.

    Without them the policy's headers are sent as they were computed at start.
    """
    hsts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    hsts += ["includeSubDomains"] if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else []
    hsts += ["preload"] if settings.SECURE_HSTS_PRELOAD else []
    return (
        ("Strict-Transport-Security", "; ".join(hsts)),
        ("Referrer-Policy", settings.SECURE_REFERRER_POLICY or "-"),
        ("Cross-Origin-Opener-Policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY or "-"),
        ("X-Frame-Options", settings.X_FRAME_OPTIONS),
        ("X-Content-Type-Options", "nosniff"),
    )


class SessionMiddleware(DjangoSessionMiddleware):
    """Makes `request.session` ours. It is stored when the response leaves, not by Django."""

    def process_request(self, request: HttpRequest) -> None:
        request.session = SessionStore(visit=request.META[VISIT])

    def process_response(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django calls it so
        response: HttpResponse,
    ) -> HttpResponse:
        return response
