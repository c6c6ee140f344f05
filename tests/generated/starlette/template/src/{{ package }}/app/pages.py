"""Home, login and account."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..adapter import (
    Problem,
    current_auth,
    form_fields,
    login_not_required,
    password_min_length,
    safe_target,
    templates,
)
from .schemas import LoginForm, PasswordForm, SessionForm, parse


@login_not_required
def home(request: Request) -> Response:
    return templates.TemplateResponse(request, "home.html")


@login_not_required
def login_form(request: Request) -> Response:
    if current_auth(request).awaits_second_factor:
        return _to_factor(request.query_params.get("next", ""))
    return _login_page(request, request.query_params.get("next", ""))


@login_not_required
def login(request: Request) -> Response:
    form = parse(LoginForm, form_fields(request))
    if current_auth(request).log_in(form.username, form.password) is None:
        error = "User name or password is wrong."
        return _login_page(request, form.next, form.username, error)
    if current_auth(request).awaits_second_factor:
        return _to_factor(form.next)
    return RedirectResponse(safe_target(request, form.next, "/account"), 303)


@login_not_required
def logout(request: Request) -> Response:
    current_auth(request).log_out()
    return RedirectResponse("/", 303)


@login_not_required
def go(request: Request) -> Response:
    """Lead on to `url`: like every redirect it leaves only where the policy allows it."""
    if "url" not in request.query_params:
        raise Problem(422, fields=["url"])
    return RedirectResponse(request.query_params["url"], 303)


def account(request: Request) -> Response:
    return _account_page(request)


def change_password(request: Request) -> Response:
    form = parse(PasswordForm, form_fields(request))
    auth = current_auth(request)
    if errors := auth.change_password(form.current_password, form.new_password):
        return _account_page(request, errors)
    return RedirectResponse("/account", 303)


def end_session(request: Request) -> Response:
    current_auth(request).end_session(parse(SessionForm, form_fields(request)).session)
    return RedirectResponse("/account", 303)


def end_other_sessions(request: Request) -> Response:
    current_auth(request).end_other_sessions()
    return RedirectResponse("/account", 303)


def _to_factor(target: str) -> Response:
    """Lead on to the page that asks for the second factor."""
    return RedirectResponse(f"/login/factor?{urlencode({'next': target})}", 303)


def _login_page(request: Request, target: str, username: str = "", error: str = "") -> Response:
    context = {"next": target, "username": username, "error": error}
    return templates.TemplateResponse(request, "login.html", context, 401 if error else 200)


def _account_page(request: Request, errors: dict[str, str] | None = None) -> Response:
    context = {
        "sessions": current_auth(request).list_sessions(),
        "password_min": password_min_length(request),
        "errors": errors or {},
    }
    return templates.TemplateResponse(request, "account.html", context, 422 if errors else 200)


routes = [
    Route("/", home),
    Route("/login", login_form),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
    Route("/go", go),
    Route("/account", account),
    Route("/account/password", change_password, methods=["POST"]),
    Route("/account/sessions/end", end_session, methods=["POST"]),
    Route("/account/sessions/end-others", end_other_sessions, methods=["POST"]),
]
