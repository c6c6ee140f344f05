# Owned by the template: extend, do not edit.
"""The door between your application and the security core: import from here, and from nowhere else.

What takes a request takes Starlette's own. Views that wait, for the database or for a password,
are plain functions: Starlette runs them in threads, where `form_fields` and `json_body` read.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import from_thread
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.templating import Jinja2Templates

from ..config import Settings
from ..config import load as load_settings
from ..security.accounts import Account, Accounts
from ..security.auth import Auth, SessionInfo, User
from ..security.body import is_json, media_type
from ..security.database_errors import is_database_away
from ..security.errors import Problem
from ..security.second_factor import FactorInfo, SecondFactor, TotpEnrolment
from ..security.stores import StoreError
from ..security.validation import invalid_fields, is_plain_text
from . import templates as _templates
from .compose import KEY, Exchange
from .engine import create_engine
from .former import stand_in
from .starlette import ENVIRONMENT as _ENVIRONMENT
from .starlette import install
from .users import SqlUsers, UserColumns, new_id

__all__ = [
    "Account",
    "Accounts",
    "Auth",
    "FactorInfo",
    "Problem",
    "SecondFactor",
    "SessionInfo",
    "Settings",
    "SqlUsers",
    "StoreError",
    "TotpEnrolment",
    "User",
    "UserColumns",
    "create_engine",
    "current_auth",
    "current_user",
    "form_fields",
    "invalid_fields",
    "is_database_away",
    "is_plain_text",
    "json_body",
    "load_settings",
    "login_not_required",
    "new_id",
    "password_min_length",
    "reauthentication_required",
    "safe_target",
    "secure",
    "templates",
]

_R = TypeVar("_R")
_View = TypeVar("_View", bound=Callable[..., object])


def secure(
    app: Starlette,
    settings: Settings,
    accounts: Accounts,
    *,
    ready: Iterable[Callable[[], object]] = (),
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Put the policy around the application, and return it.

    `accounts` are the users for the login; `ready` is what `/readyz` calls, each raises while it
    is not ready; `clock` gives seconds. Raises `ConfigError` and `PolicyError`.
    """
    return install(app, settings, accounts, ready, clock)


def login_not_required(view: _View) -> _View:
    """Let everybody see a view. The name is Django's."""
    view.login_required = False  # type: ignore[attr-defined] # of a function
    return view


def reauthentication_required(view: Callable[[Request], _R]) -> Callable[[Request], _R]:
    """Ask again who has not proved recently who they are: for sensitive views."""

    @wraps(view)
    def checked(request: Request) -> _R:
        current_auth(request).require_recent_proof()
        return view(request)

    return checked


def safe_target(request: Request, target: str, default: str) -> str:
    """Return `target` if a redirect may lead there, else `default` (guide: Prevent open redirects).

    For a form's `next`. A redirect needs no such care: one that leads astray leaves as a 400.
    """
    boundary, context = _exchange(request)
    return boundary.safe_target(context, target, default)


def password_min_length(request: Request) -> int:
    """Return how many characters a password needs."""
    return _exchange(request).boundary.policy.passwords.min_length


def current_auth(request: HTTPConnection) -> Auth:
    """Return what logs in and out, changes the password, lists and ends sessions."""
    return _exchange(request).auth


def current_user(request: HTTPConnection) -> User:
    """Return the signed-in user; without one the login page, or 401 for programs."""
    return _exchange(request).auth.require_user()


def form_fields(request: Request) -> dict[str, str]:
    """Return the fields of a form in which each name stands for one text, or raise `Problem` 400.

    Only in a view that is not async.
    """
    return from_thread.run(_form_fields, request)


async def _form_fields(request: Request) -> dict[str, str]:
    # The boundary counts, by the route's facts; Starlette's own limits would lie beneath them.
    size = _exchange(request).context.route.max_body
    async with request.form(max_fields=math.inf, max_part_size=size) as form:
        items = form.multi_items()
        fields = {name: value for name, value in items if isinstance(value, str)}
    if len(fields) != len(items):
        raise Problem(400, reason="a field that comes twice, or a file, where one text is taken")
    return fields


def json_body(request: Request) -> Any:
    """Return the JSON of the body; only in a view that is not async.

    Raises `Problem` 415 if it is not sent as JSON, which nobody has checked then, and 400.
    """
    if not is_json(media_type(request.headers.get("content-type", ""))):
        raise Problem(415)
    try:
        return json.loads(from_thread.run(request.body))
    except ValueError:
        raise Problem(400, reason="the body is not JSON") from None


def _exchange(request: HTTPConnection) -> Exchange:
    exchange: Exchange = request.scope[KEY]
    return exchange


def _variables(request: Request) -> dict[str, Any]:
    return _templates.variables(_exchange(request))


templates = Jinja2Templates(env=_ENVIRONMENT, context_processors=[_variables])
"""Renders app/templates: `templates.TemplateResponse(request, "home.html", {...})`."""


if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        return stand_in(__name__, name)
