# Owned by the template: extend, do not edit.
"""The door between your application and the security core: import from here, and from nowhere else.

What takes a request takes FastAPI's own; what returns a response returns FastAPI's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request
from fastapi.requests import HTTPConnection
from fastapi.templating import Jinja2Templates

from ..config import Settings
from ..config import load as load_settings
from ..security.accounts import Account, Accounts
from ..security.auth import Auth, SessionInfo, User
from ..security.database_errors import is_database_away
from ..security.errors import Problem
from ..security.second_factor import FactorInfo, SecondFactor, TotpEnrolment
from ..security.stores import StoreError
from ..security.validation import invalid_fields, is_plain_text
from . import templates as _templates
from .compose import KEY, Exchange
from .engine import create_engine
from .fastapi import ENVIRONMENT as _ENVIRONMENT
from .fastapi import install
from .former import stand_in
from .users import SqlUsers, UserColumns, new_id

__all__ = [
    "Account",
    "Accounts",
    "Auth",
    "CurrentAuth",
    "CurrentUser",
    "FactorInfo",
    "FormFields",
    "Problem",
    "ReauthenticatedUser",
    "Reauthentication",
    "SecondFactor",
    "SessionInfo",
    "Settings",
    "SingleValues",
    "SqlUsers",
    "StoreError",
    "TotpEnrolment",
    "User",
    "UserColumns",
    "create_engine",
    "invalid_fields",
    "is_database_away",
    "is_plain_text",
    "load_settings",
    "login_not_required",
    "new_id",
    "password_min_length",
    "safe_target",
    "secure",
    "templates",
]

_View = TypeVar("_View", bound=Callable[..., object])


def secure(
    app: FastAPI,
    settings: Settings,
    accounts: Accounts,
    *,
    ready: Iterable[Callable[[], object]] = (),
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Put the policy around the application, and return it.

    `accounts` are the users for the login; `ready` is what `/readyz` calls, each raises while it
    is not ready; `clock` gives seconds. Raises `ConfigError` and `PolicyError`.
    """
    return install(app, settings, accounts, ready, clock)


def login_not_required(view: _View) -> _View:
    """Let everybody see a view: put it below `@router.get(...)`. The name is Django's."""
    view.login_required = False  # type: ignore[attr-defined] # of a function
    return view


def safe_target(request: Request, target: str, default: str) -> str:
    """Return `target` if a redirect may lead there, else `default` (guide: Prevent open redirects).

    For a form's `next`. A redirect needs no such care: one that leads astray leaves as a 400.
    """
    boundary, context = _exchange(request)
    return boundary.safe_target(context, target, default)


def password_min_length(request: Request) -> int:
    """Return how many characters a password needs."""
    return _exchange(request).boundary.policy.passwords.min_length


def _exchange(connection: HTTPConnection) -> Exchange:
    exchange: Exchange = connection.scope[KEY]
    return exchange


async def _auth(connection: HTTPConnection) -> Auth:
    return _exchange(connection).auth


async def _user(connection: HTTPConnection) -> User:
    return _exchange(connection).auth.require_user()


async def _reauthenticated(connection: HTTPConnection) -> User:
    return _exchange(connection).auth.require_recent_proof()


async def _form_fields(request: Request) -> dict[str, str]:
    form = await request.form()
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    if len(fields) != len(form.multi_items()):
        raise Problem(400, reason="a field that comes twice, or a file, where one text is taken")
    return fields


CurrentAuth = Annotated[Auth, Depends(_auth)]
"""Log in and out, change the password, list and end sessions."""

CurrentUser = Annotated[User, Depends(_user)]
"""The signed-in user; without one the login page, or 401 for programs."""

ReauthenticatedUser = Annotated[User, Depends(_reauthenticated)]
"""The signed-in user, who has proved it recently; else a page that asks again, or 401."""

Reauthentication: Any = Depends(_reauthenticated)
"""The same check alone, for `dependencies=[Reauthentication]` of a sensitive view."""

FormFields = Annotated[dict[str, str], Depends(_form_fields)]
"""The fields of a form in which each name stands for one text; else 400."""

SingleValues: Any = Depends(_form_fields)
"""The same check alone, for `dependencies=[SingleValues]` beside an `Annotated[Model, Form()]`."""


def _variables(request: Request) -> dict[str, Any]:
    return _templates.variables(_exchange(request))


templates = Jinja2Templates(env=_ENVIRONMENT, context_processors=[_variables])
"""Renders app/templates: `templates.TemplateResponse(request, "home.html", {...})`."""


if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        return stand_in(__name__, name)
