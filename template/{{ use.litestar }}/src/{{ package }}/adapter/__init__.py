# Owned by the template: extend, do not edit.
"""The door between your application and the security core: import from here, and from nowhere else.

What takes a request takes Litestar's own. Who may see a handler is said as with Litestar's own
authentication: `exclude_from_auth=True` opens it to everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Litestar
from litestar import Request as AnyRequest
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

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
from .former import stand_in
from .litestar import ENVIRONMENT as _ENVIRONMENT
from .litestar import SecurityPlugin, install
from .requests import exchange as _exchange
from .users import SqlUsers, UserColumns, new_id

__all__ = [
    "Account",
    "Accounts",
    "Auth",
    "CurrentAuth",
    "CurrentUser",
    "FactorInfo",
    "Problem",
    "Request",
    "SecondFactor",
    "SecurityPlugin",
    "SessionInfo",
    "Settings",
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
    "new_id",
    "password_min_length",
    "reauthentication_required",
    "safe_target",
    "secure",
    "single_values",
    "templates",
]

Request = AnyRequest[User, Auth, State]
"""A request; it has its `user` where a login is needed."""

CurrentAuth = NamedDependency[Auth]
"""Log in and out, change the password, list and end sessions: for an argument named `auth`."""

CurrentUser = NamedDependency[User]
"""The signed-in user, for an argument named `user`; without one the login page, or 401."""

templates = _ENVIRONMENT
"""Renders app/templates, for `Template("home.html")`: the place for globals and filters."""


def secure(app: Litestar) -> Litestar:
    """Put the policy around the application, and return it; its `SecurityPlugin` holds the rest."""
    return install(app)


async def single_values(request: AnyRequest[Any, Any, Any]) -> None:
    """Answer 400 where a field of a form comes twice, or is a file: for `before_request`.

    For forms in which each name stands for one text; they may come in both encodings.
    """
    items = list((await request.form()).multi_items())
    if len({name for name, value in items if isinstance(value, str)}) != len(items):
        raise Problem(400, reason="a field that comes twice, or a file, where one text is taken")


def reauthentication_required(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """Ask again who has not proved recently who they are: a guard for sensitive handlers.

    It leads to /account/confirm and back.
    """
    _exchange(connection).auth.require_recent_proof()


def safe_target(request: ASGIConnection[Any, Any, Any, Any], target: str, default: str) -> str:
    """Return `target` if a redirect may lead there, else `default` (guide: Prevent open redirects).

    For a form's `next`. A redirect needs no such care: one that leads astray leaves as a 400.
    """
    boundary, context = _exchange(request)
    return boundary.safe_target(context, target, default)


def password_min_length(request: ASGIConnection[Any, Any, Any, Any]) -> int:
    """Return how many characters a password needs."""
    return _exchange(request).boundary.policy.passwords.min_length


if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> Any:
        return stand_in(__name__, name)
