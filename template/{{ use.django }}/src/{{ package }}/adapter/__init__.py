# Owned by the template: extend, do not edit.
"""The door between your application and the security core: import from here, and from nowhere else.

Django's own idiom does most of it: `request.session`, `request.user`, `authenticate`, `login`,
`logout`, `login_not_required`. Settings come from `adapter.settings`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..config import Settings
from ..config import load as load_settings
from ..security.accounts import normalise as normalise_username
from ..security.auth import Auth, SessionInfo
from ..security.errors import Problem
from ..security.stores import StoreError
from ..security.validation import invalid_fields, is_clean
from .compose import FRAMEWORK_CHECKS
from .current import exchange_of as _exchange_of
from .former import stand_in

if TYPE_CHECKING:
    # Django reads its settings from this package, before its models can be imported.
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest

    from .auth import Users
    from .wsgi import BoundaryMiddleware

__all__ = [
    "Auth",
    "Problem",
    "SessionInfo",
    "Settings",
    "StoreError",
    "change_password",
    "current_auth",
    "invalid_fields",
    "is_clean",
    "load_settings",
    "normalise_username",
    "open_users",
    "safe_target",
    "secure",
]

_PACKAGE = __name__.partition(".")[0]


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
    return _exchange_of(request).auth


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


def _debug_problems(settings: Settings) -> list[str]:
    if not settings.production:
        return []
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{_PACKAGE}.app.settings")
    from django.conf import settings as django_settings

    if not django_settings.DEBUG:
        return []
    return ["DEBUG is True in app/settings.py; remove that line: it is on in development alone"]


if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        return stand_in(__name__, name)


if _debug_problems not in FRAMEWORK_CHECKS:
    FRAMEWORK_CHECKS.append(_debug_problems)
