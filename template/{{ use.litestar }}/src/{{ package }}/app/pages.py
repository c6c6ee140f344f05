"""Home, login and account."""

from __future__ import annotations

from typing import Annotated

from litestar import Router, get, post
from litestar.params import FromQuery, QueryParameter, URLEncodedBody
from litestar.response import Redirect, Template

from ..adapter import Auth, CurrentAuth, Request, password_min_length, safe_target, single_values
from .schemas import LoginForm, PasswordForm, SessionForm


@get("/", exclude_from_auth=True, sync_to_thread=True)
def home() -> Template:
    return Template("home.html")


@get("/login", exclude_from_auth=True, sync_to_thread=True)
def login_form(
    auth: CurrentAuth, target: Annotated[str, QueryParameter(name="next")] = ""
) -> Template | Redirect:
    if auth.awaits_second_factor:
        return _to_factor(target)
    return _login_page(target)


@post("/login", exclude_from_auth=True, before_request=single_values, sync_to_thread=True)
def login(
    request: Request, data: URLEncodedBody[LoginForm], auth: CurrentAuth
) -> Template | Redirect:
    if auth.log_in(data.username, data.password) is None:
        return _login_page(data.next, data.username, "User name or password is wrong.")
    if auth.awaits_second_factor:
        return _to_factor(data.next)
    return Redirect(safe_target(request, data.next, "/account"), status_code=303)


@post("/logout", exclude_from_auth=True, sync_to_thread=True)
def logout(auth: CurrentAuth) -> Redirect:
    auth.log_out()
    return Redirect("/", status_code=303)


@get("/go", exclude_from_auth=True, sync_to_thread=True)
def go(url: FromQuery[str]) -> Redirect:
    """Lead on to `url`: like every redirect it leaves only where the policy allows it."""
    return Redirect(url, status_code=303)


@get("/account", sync_to_thread=True)
def account(request: Request, auth: CurrentAuth) -> Template:
    return _account_page(request, auth)


@post("/account/password", before_request=single_values, sync_to_thread=True)
def change_password(
    request: Request, data: URLEncodedBody[PasswordForm], auth: CurrentAuth
) -> Template | Redirect:
    if errors := auth.change_password(data.current_password, data.new_password):
        return _account_page(request, auth, errors)
    return Redirect("/account", status_code=303)


@post("/account/sessions/end", before_request=single_values, sync_to_thread=True)
def end_session(data: URLEncodedBody[SessionForm], auth: CurrentAuth) -> Redirect:
    auth.end_session(data.session)
    return Redirect("/account", status_code=303)


@post("/account/sessions/end-others", sync_to_thread=True)
def end_other_sessions(auth: CurrentAuth) -> Redirect:
    auth.end_other_sessions()
    return Redirect("/account", status_code=303)


def _to_factor(target: str) -> Redirect:
    """Lead on to the page that asks for the second factor."""
    return Redirect("/login/factor", query_params={"next": target}, status_code=303)


def _login_page(target: str, username: str = "", error: str = "") -> Template:
    context = {"next": target, "username": username, "error": error}
    return Template("login.html", context=context, status_code=401 if error else 200)


def _account_page(request: Request, auth: Auth, errors: dict[str, str] | None = None) -> Template:
    context = {
        "sessions": auth.list_sessions(),
        "password_min": password_min_length(request),
        "errors": errors or {},
    }
    return Template("account.html", context=context, status_code=422 if errors else 200)


router = Router(
    "/",
    route_handlers=[
        home,
        login_form,
        login,
        logout,
        go,
        account,
        change_password,
        end_session,
        end_other_sessions,
    ],
    include_in_schema=False,
)
