"""Home, login and account."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..adapter import (
    current_auth,
    form_fields,
    login_not_required,
    login_required,
    password_min_length,
    safe_target,
)
from .schemas import LoginForm, PasswordForm, SessionForm, parse

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
@login_not_required
def home() -> ResponseReturnValue:
    return render_template("home.html")


@blueprint.get("/login")
@login_not_required
def login_form() -> ResponseReturnValue:
    if current_auth.awaits_second_factor:
        return _to_factor(request.args.get("next", ""))
    return _login_page(request.args.get("next", ""))


@blueprint.post("/login")
@login_not_required
def login() -> ResponseReturnValue:
    form = parse(LoginForm, form_fields())
    if current_auth.log_in(form.username, form.password) is None:
        return _login_page(form.next, form.username, "User name or password is wrong.")
    if current_auth.awaits_second_factor:
        return _to_factor(form.next)
    return redirect(safe_target(form.next, "/account"), 303)


@blueprint.post("/logout")
@login_not_required
def logout() -> ResponseReturnValue:
    current_auth.log_out()
    return redirect("/", 303)


@blueprint.get("/go")
@login_not_required
def go() -> ResponseReturnValue:
    """Lead on to `url`: like every redirect it leaves only where the policy allows it."""
    return redirect(request.args["url"], 303)


@blueprint.get("/account")
@login_required
def account() -> ResponseReturnValue:
    return _account_page()


@blueprint.post("/account/password")
@login_required
def change_password() -> ResponseReturnValue:
    form = parse(PasswordForm, form_fields())
    if errors := current_auth.change_password(form.current_password, form.new_password):
        return _account_page(errors)
    return redirect("/account", 303)


@blueprint.post("/account/sessions/end")
@login_required
def end_session() -> ResponseReturnValue:
    current_auth.end_session(parse(SessionForm, form_fields()).session)
    return redirect("/account", 303)


@blueprint.post("/account/sessions/end-others")
@login_required
def end_other_sessions() -> ResponseReturnValue:
    current_auth.end_other_sessions()
    return redirect("/account", 303)


def _to_factor(target: str) -> ResponseReturnValue:
    """Lead on to the page that asks for the second factor."""
    return redirect(url_for("factors.factor_form", next=target), 303)


def _login_page(target: str, username: str = "", error: str = "") -> ResponseReturnValue:
    page = render_template("login.html", next=target, username=username, error=error)
    return page, 401 if error else 200


def _account_page(errors: dict[str, str] | None = None) -> ResponseReturnValue:
    page = render_template(
        "account.html",
        sessions=current_auth.list_sessions(),
        password_min=password_min_length(),
        errors=errors or {},
    )
    return page, 422 if errors else 200
