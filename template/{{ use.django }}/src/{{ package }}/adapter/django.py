# Owned by the template: extend, do not edit.
"""Django and the boundary: how the service is put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import global_settings
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.staticfiles.finders import get_finders
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest
from django.template.loader import select_template
from django.utils.log import configure_logging

from ..config import Settings
from ..security import errors
from ..security.boundary import Boundary
from ..security.context import RequestContext
from ..security.errors import Problem
from ..security.events import note
from ..security.static import PREFIX
from . import context_processors, database
from . import settings as own_settings
from .access import is_open_address, is_public_request
from .auth import Users
from .compose import APP, KEY, Exchange, compose
from .current import adopt, give_nonce
from .sessions import DjangoSession, SessionStore
from .wsgi import BoundaryMiddleware, Environ

_TEMPLATES = APP / "templates"
_ERROR_PAGE = "error.html"
_PROCESSOR = f"{context_processors.__name__}.policy"
_POLICYS = (
    *("SESSION_", "SECURE_CONTENT_", "SECURE_CROSS_", "SECURE_HSTS_", "SECURE_REFERRER_"),
    *("X_FRAME_", "SECURE_PROXY_", "USE_X_FORWARDED_"),
    *("CSRF_TRUSTED_", "FORCE_SCRIPT_", "LOGIN_URL"),
)
"""How settings begin that Django or its middlewares would read, and the boundary does not."""
_REASONS = {
    "CSRF_TRUSTED_ORIGINS": "other sites may ask where a [[route]] has origins or cross-site",
    "FORCE_SCRIPT_NAME": "the service answers at the root of its host",
    "SECURE_CSP": "pages have the policy's, with [service.csp] and what a [[route]] or a view says",
    "LOGIN_URL": "who is asked to log in is led to /login: let a RedirectView there lead on",
}


def install(app: WSGIHandler, settings: Settings, clock: Callable[[], float]) -> BoundaryMiddleware:
    """Put the policy around Django's application; see `adapter.secure`."""
    boundary = open_boundary(settings, clock, prepare=True)
    adopt(boundary)
    # Django does it at the first request: a service that is ready would answer 500 to everybody.
    import_module(django_settings.ROOT_URLCONF)
    return BoundaryMiddleware(app, boundary, _is_public, foresee=_foresee)


def open_boundary(
    settings: Settings, clock: Callable[[], float], *, prepare: bool = False
) -> Boundary:
    """Compose the policy. Django has been set up."""
    boundary = compose(
        settings,
        Users(),
        ready=[database.ping],
        libraries_static=_static_folders(),
        prepare=prepare,
        clock=clock,
    )
    # The log was set up anew; what the application says of it comes on top.
    configure_logging(django_settings.LOGGING_CONFIG, django_settings.LOGGING)
    boundary.session_class = DjangoSession
    _note_left_out()
    if django_settings.STATIC_URL.startswith(PREFIX):
        django_settings.STATIC_URL = f"{boundary.static.url_path}/"
    if any(_TEMPLATES.glob("[45][0-9][0-9].html")) or (_TEMPLATES / _ERROR_PAGE).is_file():
        boundary.render_error = lambda context, problem: _error_page(boundary, context, problem)
    return boundary


def _note_left_out() -> None:
    """Say which of Django's settings count for nothing, as the policy says it (BND-2)."""
    for name in dir(global_settings):
        default = getattr(own_settings, name, getattr(global_settings, name))
        is_policys = name.startswith(_POLICYS) or name in _REASONS
        if is_policys and getattr(django_settings, name) != default:
            reason = _REASONS.get(name, "the policy says it: policy.toml")
            note("setting_left_out", setting=name, reason=reason)
    if apps.is_installed("django.contrib.sessions"):
        reason = "its table has none of the sessions: sessions revoke ends them"
        note("setting_left_out", setting="django.contrib.sessions", reason=reason)
    if repr(_PROCESSOR) not in repr(django_settings.TEMPLATES):
        reason = f"without {_PROCESSOR} pages have no csp_nonce: browsers run none of their scripts"
        note("setting_left_out", setting="TEMPLATES", reason=reason)


def _static_folders() -> Iterator[tuple[str, Path]]:
    """Return those of all applications that are installed, each with its prefix if it has one."""
    for finder in get_finders():
        for storage in getattr(finder, "storages", {}).values():
            yield getattr(storage, "prefix", None) or "", Path(storage.location)


def _is_public(environ: Environ) -> bool:
    request = environ.get(f"{KEY}.request")
    if request or f"{KEY}.error" in environ:
        return is_public_request(request)
    # A middleware of the application stands before ours, and has answered by itself.
    return is_open_address(_path(environ), environ["REQUEST_METHOD"]) is True


def _foresee(environ: Environ) -> bool | None:
    return is_open_address(_path(environ), environ["REQUEST_METHOD"])


def _path(environ: Environ) -> str:
    return str(environ["PATH_INFO"]).encode("latin-1").decode()


def _error_page(boundary: Boundary, context: RequestContext, problem: Problem) -> str | None:
    """Render the application's page: 404.html, as Django has it, or error.html for all."""
    names = [f"{problem.status}.html", _ERROR_PAGE]
    if not any((_TEMPLATES / name).is_file() for name in names):
        return None
    variables = errors.variables(problem, context.request_id)
    page: str = select_template(names).render(variables, _request(boundary, context))
    return page


def _request(boundary: Boundary, context: RequestContext) -> HttpRequest:
    """Return a request for the context processors: Django may never have seen this one."""
    head = context.head
    request: HttpRequest = WSGIRequest(
        {
            "REQUEST_METHOD": head.method,
            "PATH_INFO": head.path.decode("latin-1"),
            "SERVER_NAME": context.host,
            "SERVER_PORT": "443" if context.https else "80",
            "wsgi.url_scheme": "https" if context.https else "http",
            "wsgi.input": BytesIO(),
            KEY: (exchange := Exchange(boundary, context)),
        }
    )
    give_nonce(request, exchange)
    request.session = SessionStore(exchange=exchange)
    request.user = _user(exchange)
    return request


def _user(exchange: Exchange) -> Any:
    """Return who asks as the session knows them: a page about an error must not need a database."""
    try:
        known = exchange.auth.user
    except Problem:
        known = None
    if known is None:
        return AnonymousUser()
    model = get_user_model()
    return model(pk=known.id, **{model.USERNAME_FIELD: known.name})
