"""HTML pages."""

from __future__ import annotations

from flask import Blueprint, Response, session

from ..adapter.web import current_visit, page, redirect
from ..security.errors import Problem
from .deps import notes, users
from .schemas import LoginForm, NoteIn, PasswordForm, SessionForm, parse

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def home() -> Response:
    return page("home.html")


@blueprint.get("/login")
def login_form() -> Response:
    target = current_visit().query("next", "")
    return page("login.html", next=target, username="", error=None)


@blueprint.post("/login")
def login() -> Response:
    visit = current_visit()
    form = parse(LoginForm, visit.form)
    account = visit.login(users(), form.username, form.password)
    if account is None:
        error = "User name or password is wrong."
        return page("login.html", 401, next=form.next, username="", error=error)
    session["name"] = account.name
    return redirect(form.next, default="/account")


@blueprint.post("/logout")
def logout() -> Response:
    current_visit().logout()
    return redirect("/")


@blueprint.get("/go")
def go() -> Response:
    return redirect(current_visit().query("url"))


@blueprint.get("/account")
def account() -> Response:
    return _account_page()


@blueprint.post("/account/password")
def change_password() -> Response:
    visit = current_visit()
    visit.user()
    form = parse(PasswordForm, visit.form)
    errors = visit.change_password(
        users(), session["name"], form.current_password, form.new_password
    )
    if errors:
        return _account_page(422, errors=errors)
    return redirect("/account")


@blueprint.post("/account/sessions/end")
def end_session() -> Response:
    visit = current_visit()
    visit.user()
    visit.end_session(parse(SessionForm, visit.form).session)
    return redirect("/account")


@blueprint.post("/account/sessions/end-others")
def end_other_sessions() -> Response:
    current_visit().end_other_sessions()
    return redirect("/account")


@blueprint.get("/notes")
def all_notes() -> Response:
    return page("notes.html", notes=notes().all())


@blueprint.post("/notes")
def add_note() -> Response:
    form = current_visit().form
    try:
        notes().add(parse(NoteIn, form))
    except Problem as problem:
        errors = dict.fromkeys(problem.fields, "Missing, too long, or has control characters.")
        return page("notes.html", 422, notes=notes().all(), errors=errors, values=form)
    return redirect("/notes")


@blueprint.post("/notes/<note_id>/delete")
def delete_note(note_id: str) -> Response:
    notes().remove(note_id)
    return redirect("/notes")


def _account_page(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    visit = current_visit()
    return page(
        "account.html",
        status,
        sessions=visit.sessions(),
        password_min=visit.guard.policy.passwords.min_length,
        errors=errors or {},
    )
