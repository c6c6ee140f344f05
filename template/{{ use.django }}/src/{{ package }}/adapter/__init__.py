# Owned by the template: extend, do not edit.
"""The door between your application and the security core: import from here, and from nowhere else.

Django's own idiom does most of it: `request.session`, `request.user`, `authenticate`, `login`,
`logout`, `login_not_required`. Settings come from `adapter.settings`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..config import PACKAGE as _PACKAGE
from ..config import Settings
from ..config import load as load_settings
from ..security.accounts import normalise as normalise_username
from ..security.auth import Auth, SessionInfo
from ..security.errors import Problem
from ..security.second_factor import FactorInfo, SecondFactor, TotpEnrolment
from ..security.stores import StoreError
from ..security.validation import invalid_fields, is_plain_text
from .compose import FRAMEWORK_CHECKS
from .current import exchange_of as _exchange_of
from .former import stand_in

if TYPE_CHECKING:
    # Django reads its settings from this package, before its models can be imported.
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from .auth import Users
    from .wsgi import BoundaryMiddleware

__all__ = [
    "Auth",
    "FactorInfo",
    "Problem",
    "ReauthenticationRequiredMixin",
    "SecondFactor",
    "SessionInfo",
    "Settings",
    "StoreError",
    "TotpEnrolment",
    "change_password",
    "current_auth",
    "invalid_fields",
    "is_plain_text",
    "load_settings",
    "needs_second_factor",
    "normalise_username",
    "open_users",
    "reauthentication_required",
    "safe_target",
    "secure",
]

_NEEDED = {
    "MIDDLEWARE": (
        *("middleware.BoundaryMiddleware", "middleware.SessionMiddleware"),
        *("middleware.AuthenticationMiddleware", "middleware.LoginRequiredMiddleware"),
    ),
    "AUTHENTICATION_BACKENDS": ("auth.Backend",),
    "PASSWORD_HASHERS": ("auth.PasswordHasher",),
    "AUTH_PASSWORD_VALIDATORS": ("auth.PasswordValidator",),
}
"""Without these a service would start, and refuse every form, or let passwords be guessed."""
_View = TypeVar("_View", bound="Callable[..., HttpResponseBase]")


def secure(
    app: WSGIHandler, settings: Settings, *, clock: Callable[[], float] = time.time
) -> BoundaryMiddleware:
    """Put the policy around Django's application; in development, bring the tables up to date.

    `clock` gives seconds. Raises `ConfigError`, `PolicyError` and `StoreError`.
    """
    from .django import install

    return install(app, settings, clock)


def current_auth(request: HttpRequest) -> Auth:
    """Return what may be done for the one who asks: list and end their sessions, for example."""
    from .auth import start

    auth = _exchange_of(request).auth
    auth.starter = partial(start, request)
    return auth


def needs_second_factor(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """Tell whether a user whose password was right has yet to prove a second factor.

    Then /login/factor asks for it; call Django's `login` otherwise. It would not log them in.
    """
    from .auth import needs_second_factor as needs

    return needs(request, user)


def reauthentication_required(view: _View) -> _View:
    """Ask again who has not proved recently who they are: for sensitive views.

    It leads to /account/confirm and back.
    """

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        current_auth(request).require_recent_proof()
        return view(request, *args, **kwargs)

    return cast("_View", checked)


class ReauthenticationRequiredMixin:
    """The same for views that are classes: put it first."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Ask, then go on."""
        current_auth(request).require_recent_proof()
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc] # of a view
        return response


def change_password(request: HttpRequest, current: str, new: str) -> dict[str, str]:
    """Change the password of the signed-in user; return objections by field.

    Counts in the throttle like a login, changes the session's id and ends all others of the user.
    Raises `Problem` 429 while blocked, and 503 if the store or the hashing pool cannot serve.
    """
    from .auth import change_password as change

    return change(request, current, new)


def safe_target(request: HttpRequest, target: str, default: str) -> str:
    """Return `target` if a redirect may lead there, else `default` (guide: Prevent open redirects).

    For a form's `next`. A redirect needs no such care: one that leads astray leaves as a 400.
    """
    boundary, context = _exchange_of(request)
    return boundary.safe_target(context, target, default)


def open_users(url: str) -> Users:  # noqa: ARG001 - Django's settings hold it already
    """Return the users of the service, for the command line."""
    from .setup import set_up

    set_up()
    from .auth import Users

    return Users()


def boundary_middleware(app: BoundaryMiddleware) -> BoundaryMiddleware:
    """Return the policy around all that the server calls, for `server.server_app`."""
    return app


def _problems(settings: Settings) -> list[str]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{_PACKAGE}.app.settings")
    from django.conf import settings as django_settings

    problems = [
        f"{setting} in app/settings.py lacks {name}; add yours to that of the template"
        for setting, names in _NEEDED.items()
        for name in (f"{_PACKAGE}.adapter.{each}" for each in names)
        if repr(name) not in repr(getattr(django_settings, setting))
    ]
    if ".Argon2PasswordHasher'" in repr(django_settings.PASSWORD_HASHERS):
        problems.append(
            "PASSWORD_HASHERS in app/settings.py has Django's own for argon2, with which guesses do"
            " not count; remove it: that of the template reads the same hashes"
        )
    if settings.production and django_settings.DEBUG:
        problems.append(
            "DEBUG is True in app/settings.py; remove that line: it is on in development alone"
        )
    return problems


if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        return stand_in(__name__, name)


if _problems not in FRAMEWORK_CHECKS:
    FRAMEWORK_CHECKS.append(_problems)
