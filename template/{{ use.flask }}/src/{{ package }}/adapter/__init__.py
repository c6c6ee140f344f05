# Owned by the template: extend, do not edit.
"""The door between your application and the security core: import from here, and from nowhere else.

What it takes and returns is Flask's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flask import Flask, current_app, request
from werkzeug.datastructures import MultiDict
from werkzeug.local import LocalProxy

from ..config import Settings
from ..config import load as load_settings
from ..security.accounts import Account, Accounts
from ..security.auth import Auth, SessionInfo, User
from ..security.database_errors import is_database_away
from ..security.errors import Problem
from ..security.second_factor import FactorInfo, SecondFactor, TotpEnrolment
from ..security.stores import StoreError
from ..security.validation import invalid_fields, is_plain_text
from .engine import create_engine
from .flask import boundary_middleware as boundary_middleware
from .flask import exchange as _exchange
from .flask import install
from .former import stand_in
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
    "load_settings",
    "login_not_required",
    "login_required",
    "new_id",
    "password_min_length",
    "reauthentication_required",
    "safe_target",
    "secure",
]

_View = TypeVar("_View", bound=Callable[..., object])
_P = ParamSpec("_P")
_R = TypeVar("_R")


def secure(
    app: Flask,
    settings: Settings,
    accounts: Accounts,
    *,
    ready: Iterable[Callable[[], object]] = (),
    clock: Callable[[], float] = time.time,
) -> Flask:
    """Put the policy around the application, and return it.

    `accounts` are the users for the login; `ready` is what `/readyz` calls, each raises while it
    is not ready; `clock` gives seconds. Raises `ConfigError` and `PolicyError`.
    """
    return install(app, settings, accounts, ready, clock)


def login_not_required(view: _View) -> _View:
    """Let everybody see a view: put it below `@blueprint.get(...)`. The name is Django's."""
    view.login_required = False  # type: ignore[attr-defined] # of a function
    return view


def login_required(view: _View) -> _View:
    """Say at the view what holds without a word: only who is logged in may see it."""
    view.login_required = True  # type: ignore[attr-defined] # of a function
    return view


def reauthentication_required(view: Callable[_P, _R]) -> Callable[_P, _R]:
    """Ask again who has not proved recently who they are: for sensitive views.

    It leads to /account/confirm and back; put it below `@blueprint.post(...)`.
    """

    @wraps(view)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        _auth().require_recent_proof()
        return current_app.ensure_sync(view)(*args, **kwargs)  # type: ignore[no-any-return] # Flask's

    return login_required(checked)


def safe_target(target: str, default: str) -> str:
    """Return `target` if a redirect may lead there, else `default` (guide: Prevent open redirects).

    For a form's `next`. A redirect needs no such care: one that leads astray leaves as a 400.
    """
    boundary, context = _exchange()
    return boundary.safe_target(context, target, default)


def password_min_length() -> int:
    """Return how many characters a password needs."""
    return _exchange().boundary.policy.passwords.min_length


def form_fields(form: MultiDict[str, str] | None = None) -> dict[str, str]:
    """Return the fields of a form in which each name stands for one text; else `Problem` 400.

    Without the token of Flask-WTF's `CSRFProtect`, which has looked at it by then.
    """
    form = request.form if form is None else form
    if any(len(values) > 1 for values in form.listvalues()) or request.files:
        raise Problem(400, reason="a field that comes twice, or a file, where one text is taken")
    fields = form.to_dict()
    if "csrf" in current_app.extensions:
        fields.pop(current_app.config["WTF_CSRF_FIELD_NAME"], None)
    return fields


def _auth() -> Auth:
    return _exchange().auth


def _user() -> User:
    return _exchange().auth.require_user()


current_auth: Auth = LocalProxy(_auth)  # type: ignore[assignment] # stands for one
"""Log in and out, change the password, list and end sessions."""

current_user: User = LocalProxy(_user)  # type: ignore[assignment] # stands for one
"""The signed-in user; without one the login page, or 401 for programs."""


if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        return stand_in(__name__, name)
