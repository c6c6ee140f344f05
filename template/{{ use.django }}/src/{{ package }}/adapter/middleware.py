# Owned by the template: extend, do not edit.
"""Django's middlewares of our own. The policy itself is outside: see `wsgi.BoundaryMiddleware`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import get_resolver, resolve
from django.utils.cache import patch_cache_control
from django.utils.functional import SimpleLazyObject
from django.utils.log import AdminEmailHandler

from ..security.body import is_json, media_type
from ..security.boundary import MARK, note_frames
from ..security.cookies import CookieFormat
from ..security.csrf import SAFE_METHODS
from ..security.errors import Problem, allow_header
from ..security.events import REQUEST
from ..security.responses import Headers, Response
from . import wsgi
from .access import allowed_methods, is_public, is_public_request
from .auth import user_of
from .compose import KEY, Exchange
from .current import CURRENT, exchange_of, give_nonce, own_boundary
from .errors import answer, answer_exception, set_headers, to_django
from .sessions import SessionStore
from .wsgi import Environ, StartResponse, WsgiRequestHead, open_body

_SEE_OTHER, _NOT_FOUND, _CRASH = 303, 404, 500
_CSP = "Content-Security-Policy"
_REQUEST = f"{KEY}.request"
_ERROR = f"{KEY}.error"
_SERVED = f"{__name__.partition('.')[0]}.app.wsgi:application"
_log = logging.getLogger(__name__)
_requests = logging.getLogger("django.request")
_mails = AdminEmailHandler()
"""Tells `ADMINS`, where there are any, of a crash."""


class BoundaryMiddleware:
    """First of all: what Django and its middlewares answer by themselves has our face.

    A request that did not come by the boundary, as those of `django.test.Client`, enters and leaves
    it here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Take the rest of Django."""
        self._get_response = get_response

    def __call__(self, request: WSGIRequest) -> HttpResponseBase:
        if KEY in request.META:
            return self._answer(request, request.META[KEY])
        if "wsgi.input" not in request.META:
            _as_wsgi(request)
        try:
            return self._enter(request)
        finally:
            REQUEST.set(None)

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., Any],  # noqa: ARG002 - Django calls it so
        view_args: tuple[Any, ...],  # noqa: ARG002 - Django calls it so
        view_kwargs: dict[str, Any],  # noqa: ARG002 - Django calls it so
    ) -> None:
        """Let Django check the token of sessions that have something to lose (CSR-1)."""
        exchange = exchange_of(request)
        if request._csp_nonce is not request.csp_nonce:  # type: ignore[attr-defined] # see there
            # Django's middleware for a CSP of its own has made another one.
            give_nonce(request, exchange)
        if request.method in SAFE_METHODS:
            return
        context = exchange.context
        # Where a request comes from was checked by the core. Django would look at Origin, which is
        # `null` with our Referrer-Policy, or at the Referer, which is never there.
        request.META["HTTP_ORIGIN"] = context.origin
        # A form of another site cannot send JSON, and a script of it is never given leave (CORS).
        json = is_json(media_type(request.META.get("CONTENT_TYPE", "")))
        if json or not (context.session.user or context.session):
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined] # Django's

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what views raise on purpose, and what the stores cannot serve."""
        response = answer_exception(request, error)
        if response is None and settings.DEBUG:
            # As in production; only a crash has a page of Django's own.
            if isinstance(error, Http404):
                return _handled(request, _NOT_FOUND, error)
            if isinstance(error, BadRequest | SuspiciousOperation):
                return _handled(request, 400, error)
        return response

    def _answer(self, request: WSGIRequest, exchange: Exchange) -> HttpResponseBase:
        request.META[_REQUEST] = request
        give_nonce(request, exchange)
        token = CURRENT.set(exchange)
        try:
            response = self._get_response(request)
        finally:
            CURRENT.reset(token)
        if error := request.META.pop(_ERROR, None):
            response = _after_crash(exchange, error, response)
        elif settings.DEBUG and response.status_code == _NOT_FOUND and not request.resolver_match:
            response = _own_404(request, response)
        self._decide_access(request, exchange, response)
        headers = response.headers
        if getattr(response, "xframe_options_exempt", False):
            # Without the header browsers would still go by the policy's frame-ancestors.
            note_frames(exchange.context.route)
        for name, value in _repeated():
            if headers.get(name) == value:
                del headers[name]
        if (sent := headers.get(_CSP)) and sent == _csp_of_settings(request, response):
            del headers[_CSP]
        return response

    def _decide_access(
        self, request: WSGIRequest, exchange: Exchange, response: HttpResponseBase
    ) -> None:
        """Let everybody see that nothing is there, or that a slash or the language is missing."""
        if request.resolver_match is None and not exchange.context.access_decided:
            missing = response.status_code == _NOT_FOUND
            target = response.headers.get("Location")
            slashed = request.get_full_path(force_append_slash=True)
            slash = settings.APPEND_SLASH and target == slashed
            # `LocaleMiddleware` says the language, and leads to what `i18n_patterns` has there.
            language = f"/{getattr(request, 'LANGUAGE_CODE', '')}"
            prefix = target in {f"{language}{request.get_full_path()}", f"{language}{slashed}"}
            if missing or slash or prefix:
                exchange.boundary.allow(exchange.context, public=True)

    def _enter(self, request: WSGIRequest) -> HttpResponseBase:
        """Answer a request that came past `wsgi.BoundaryMiddleware`."""
        boundary, environ = own_boundary(), request.META
        name = _complete(environ)
        context = boundary.enter(WsgiRequestHead(environ))
        if isinstance(context, Response):
            return to_django(context)
        if name is not None:
            context.host = name or context.host
            # That of the settings, by which the client keeps it, also of `secure=True`.
            context.cookies = CookieFormat.of(
                boundary.policy.cookies, https=settings.SESSION_COOKIE_SECURE
            )
            context._session = None
        made: list[HttpResponseBase] = []

        def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            # Made before the environ was rewritten.
            length = int(environ.get("CONTENT_LENGTH") or 0)
            request._stream = LimitedStream(environ["wsgi.input"], length)  # type: ignore[assignment] # as Django itself
            response = self._answer(request, environ[KEY])
            made.append(response)
            cookies = [("Set-Cookie", item.OutputString()) for item in response.cookies.values()]
            start_response(f"{response.status_code} ", [*response.items(), *cookies])
            # Without its `close`: that is for whoever called Django.
            return iter(response)

        inside = wsgi.BoundaryMiddleware(
            application, boundary, lambda environ: is_public_request(environ.get(_REQUEST))
        )
        sent, chunks = inside.respond(context, environ, open_body(environ, inside, context))
        return _with_headers(sent, chunks, made[0] if made else None, context.origin)


def _as_wsgi(request: HttpRequest) -> None:
    """Give a request of Django's `AsyncClient` what one of `Client` has.

    Raises `RuntimeError` for one that an ASGI server sent: its body was read before anybody asked.
    """
    stream = getattr(request, "_stream", None)
    if not isinstance(stream, LimitedStream):
        raise RuntimeError(
            f"get_asgi_application() is outside of the policy: let the server run {_SERVED} (WSGI)"
        )
    request.META |= {"wsgi.input": stream, "wsgi.url_scheme": request.scheme}


def _complete(environ: Environ) -> str | None:
    """Add what every browser sends and Django's test client does not; return its own host name.

    "" where a test names another, and None of a request that is none of its. Known by the class of
    its body, which nothing that comes over a network can have.
    """
    body = environ["wsgi.input"]
    if not isinstance(body, LimitedStream) and type(body).__module__ != "django.test.client":
        return None
    if "HTTP_ORIGIN" not in environ:
        environ.setdefault("HTTP_SEC_FETCH_SITE", "same-origin")
    name = str(environ["SERVER_NAME"])
    if environ.get("HTTP_HOST", name) != name:
        return ""
    host = settings.ALLOWED_HOSTS[0] if settings.ALLOWED_HOSTS else "*"
    environ["HTTP_HOST"] = "localhost" if host == "*" else host
    port = str(environ["SERVER_PORT"])
    return name if port in {"80", "443"} else f"{name}:{port}"


def _with_headers(
    sent: Response, chunks: Iterable[bytes], made: HttpResponseBase | None, origin: str
) -> HttpResponseBase:
    """Return Django's own response with the headers as they leave, or another in its place."""
    if made is None or made.status_code != sent.status:
        return to_django(Response(sent.status, sent.headers, b"".join(chunks)))
    before = made.headers.get("Location", "")
    if made.streaming:
        made.streaming_content = chunks  # type: ignore[attr-defined] # it streams
    elif (content := b"".join(chunks)) != made.content and content:  # type: ignore[attr-defined] # it does not
        return to_django(Response(sent.status, sent.headers, content))
    set_headers(made, sent)
    if before.startswith("/") and made.headers.get("Location", "").startswith(f"{origin}/"):
        # As the view wrote it, and as `assertRedirects` compares it.
        made.headers["Location"] = made.headers["Location"].removeprefix(origin)
    return made


def _handled(request: HttpRequest, status: int, error: Exception) -> HttpResponse:
    resolver = get_resolver(getattr(request, "urlconf", None))
    handler: Callable[..., Any] = resolver.resolve_error_handler(status)
    response: HttpResponse = handler(request, exception=error)
    return response


def _own_404(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return our page in the place of Django's list of addresses, which anybody could see."""
    try:
        resolve(request.path_info, getattr(request, "urlconf", None))
    except Http404 as error:
        return _handled(request, _NOT_FOUND, error)
    return response


@receiver(got_request_exception)
def _remember(request: HttpRequest | None = None, **_: Any) -> None:
    if request is None:
        return
    request.META[_ERROR] = sys.exc_info()[1]
    if not (settings.DEBUG or _requests.isEnabledFor(logging.ERROR)):
        # What Django's own log does unless it is told otherwise; ours knows no address (LOG-2).
        crash = {"levelname": "ERROR", "levelno": logging.ERROR, "exc_info": sys.exc_info()}
        crash |= {"msg": f"Internal Server Error: {request.path}", "request": request}
        _mails.handle(logging.makeLogRecord(crash))


def _after_crash(
    exchange: Exchange, error: BaseException, response: HttpResponseBase
) -> HttpResponseBase:
    """Return what is sent after a crash: ours, the application's own, or the debug page."""
    if MARK.decode() in response.headers:
        return response
    boundary, context = exchange
    if not (settings.DEBUG and response.status_code == _CRASH):
        _log.error("sys_crash", exc_info=error)
        return response
    ours = boundary.crash(context, error)
    if boundary.shows_debug_page(context, ours):
        page: bytes = response.content  # type: ignore[attr-defined] # a crash is no stream
        kind = response.headers.get("Content-Type", "text/plain").encode()
        headers: Headers = [(b"content-type", kind), (b"content-length", b"%d" % len(page))]
        ours = boundary.debug_page(headers, page)
    return to_django(ours)


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


def _csp_of_settings(request: HttpRequest, response: HttpResponseBase) -> str:
    """Return what Django's middleware sends by SECURE_CSP: for all, and weaker than the policy's.

    What a view says for itself, as by `csp_override`, stands.
    """
    config = getattr(settings, "SECURE_CSP", None)
    if config and not hasattr(response, "_csp_config"):
        # Not by its name: Django 5.2 has no such module.
        made = import_module("django.utils.csp").build_policy
        return str(made(config, getattr(request, "_csp_nonce", None)))
    return ""


class SessionMiddleware(DjangoSessionMiddleware):
    """Makes `request.session` ours. It is stored when the response leaves, not by Django."""

    def process_request(self, request: HttpRequest) -> None:
        request.session = SessionStore(exchange=exchange_of(request))

    def process_response(
        self,
        request: HttpRequest,
        response: HttpResponse,
    ) -> HttpResponse:
        context = exchange_of(request).context
        if context.session.accessed and not context.without_session:
            # Django's cache of whole pages is outside of here, and would show one user's to others.
            patch_cache_control(response, private=True)
        return response


class AuthenticationMiddleware(auth.AuthenticationMiddleware):
    """Sets `request.user`, also while the database is away."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: user_of(request))  # type: ignore[assignment] # as Django does


class LoginRequiredMiddleware(auth.LoginRequiredMiddleware):
    """Asks for a login unless a view says `login_not_required`, before its body is read (RTE-2)."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., Any],
        view_args: tuple[Any, ...],  # noqa: ARG002 - Django calls it so
        view_kwargs: dict[str, Any],  # noqa: ARG002 - Django calls it so
    ) -> HttpResponseBase | None:
        boundary, context = exchange_of(request)
        public = is_public(view_func) or context.route.public
        if public or request.user.is_authenticated:
            boundary.allow(context, public=True)
            return None
        methods = allowed_methods(view_func)
        if methods and request.method not in methods:
            problem = Problem(405, headers=[("allow", allow_header(methods))])
        else:
            try:
                boundary.allow_user(context)
                problem = Problem(401)
            except Problem as refused:
                problem = refused
        response = answer(request, problem)
        own_page = getattr(view_func, "login_url", None) is not None
        if response.status_code == _SEE_OTHER and own_page and not context.session.pending:
            # A login page of its own, as the admin has; `login_required` alone names none. None of
            # them asks for the second factor.
            boundary.allow(context, public=True)
            return self.handle_no_permission(request, view_func)
        return response
