"""Home, login and account."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from ..adapter import (
    CurrentAuth,
    SingleValues,
    login_not_required,
    password_min_length,
    safe_target,
    templates,
)
from .schemas import LoginForm, PasswordForm, SessionForm

router = APIRouter(include_in_schema=False)


@router.get("/")
@login_not_required
def home(request: Request) -> Response:
    return templates.TemplateResponse(request, "home.html")


@router.get("/login")
@login_not_required
def login_form(
    request: Request, auth: CurrentAuth, target: Annotated[str, Query(alias="next")] = ""
) -> Response:
    if auth.awaits_second_factor:
        return _to_factor(target)
    return _login_page(request, target)


@router.post("/login", dependencies=[SingleValues])
@login_not_required
def login(request: Request, form: Annotated[LoginForm, Form()], auth: CurrentAuth) -> Response:
    if auth.log_in(form.username, form.password) is None:
        error = "User name or password is wrong."
        return _login_page(request, form.next, form.username, error)
    if auth.awaits_second_factor:
        return _to_factor(form.next)
    return RedirectResponse(safe_target(request, form.next, "/account"), 303)


@router.post("/logout")
@login_not_required
def logout(auth: CurrentAuth) -> Response:
    auth.log_out()
    return RedirectResponse("/", 303)


@router.get("/go")
@login_not_required
def go(url: str) -> Response:
    """Lead on to `url`: like every redirect it leaves only where the policy allows it."""
    return RedirectResponse(url, 303)


@router.get("/account")
def account(request: Request, auth: CurrentAuth) -> Response:
    return _account_page(request, auth)


@router.post("/account/password", dependencies=[SingleValues])
def change_password(
    request: Request, form: Annotated[PasswordForm, Form()], auth: CurrentAuth
) -> Response:
    if errors := auth.change_password(form.current_password, form.new_password):
        return _account_page(request, auth, errors)
    return RedirectResponse("/account", 303)


@router.post("/account/sessions/end", dependencies=[SingleValues])
def end_session(form: Annotated[SessionForm, Form()], auth: CurrentAuth) -> Response:
    auth.end_session(form.session)
    return RedirectResponse("/account", 303)


@router.post("/account/sessions/end-others")
def end_other_sessions(auth: CurrentAuth) -> Response:
    auth.end_other_sessions()
    return RedirectResponse("/account", 303)


def _to_factor(target: str) -> Response:
    """Lead on to the page that asks for the second factor."""
    return RedirectResponse(f"/login/factor?{urlencode({'next': target})}", 303)


def _login_page(request: Request, target: str, username: str = "", error: str = "") -> Response:
    context = {"next": target, "username": username, "error": error}
    return templates.TemplateResponse(request, "login.html", context, 401 if error else 200)


def _account_page(
    request: Request, auth: CurrentAuth, errors: dict[str, str] | None = None
) -> Response:
    context = {
        "sessions": auth.list_sessions(),
        "password_min": password_min_length(request),
        "errors": errors or {},
    }
    return templates.TemplateResponse(request, "account.html", context, 422 if errors else 200)
