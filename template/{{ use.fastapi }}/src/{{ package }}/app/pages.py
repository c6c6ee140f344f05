"""HTML pages."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..adapter.web import CurrentVisit, page, redirect
from ..security.errors import Problem
from ..security.visit import Visit
from .deps import CurrentNotes, CurrentUsers
from .schemas import LoginForm, NoteIn, PasswordForm, SessionForm, parse

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(visit: CurrentVisit) -> Response:
    return page(visit, "home.html")


@router.get("/login")
def login_form(visit: CurrentVisit) -> Response:
    target = visit.query("next", "")
    return page(visit, "login.html", next=target, username="", error=None)


@router.post("/login")
def login(visit: CurrentVisit, users: CurrentUsers) -> Response:
    form = parse(LoginForm, visit.form)
    account = visit.login(users, form.username, form.password)
    if account is None:
        error = "User name or password is wrong."
        return page(visit, "login.html", 401, next=form.next, username="", error=error)
    visit.session["name"] = account.name
    return redirect(visit, form.next, default="/account")


@router.post("/logout")
def logout(visit: CurrentVisit) -> Response:
    visit.logout()
    return redirect(visit, "/")


@router.get("/go")
def go(visit: CurrentVisit) -> Response:
    return redirect(visit, visit.query("url"))


@router.get("/account")
def account(visit: CurrentVisit) -> Response:
    return _account_page(visit)


@router.post("/account/password")
def change_password(visit: CurrentVisit, users: CurrentUsers) -> Response:
    visit.user()
    form = parse(PasswordForm, visit.form)
    errors = visit.change_password(
        users, visit.session["name"], form.current_password, form.new_password
    )
    if errors:
        return _account_page(visit, 422, errors=errors)
    return redirect(visit, "/account")


@router.post("/account/sessions/end")
def end_session(visit: CurrentVisit) -> Response:
    visit.user()
    visit.end_session(parse(SessionForm, visit.form).session)
    return redirect(visit, "/account")


@router.post("/account/sessions/end-others")
def end_other_sessions(visit: CurrentVisit) -> Response:
    visit.end_other_sessions()
    return redirect(visit, "/account")


@router.get("/notes")
def notes(visit: CurrentVisit, notes: CurrentNotes) -> Response:
    return page(visit, "notes.html", notes=notes.all())


@router.post("/notes")
def add_note(visit: CurrentVisit, notes: CurrentNotes) -> Response:
    try:
        notes.add(parse(NoteIn, visit.form))
    except Problem as problem:
        errors = dict.fromkeys(problem.fields, "Missing, too long, or has control characters.")
        return page(visit, "notes.html", 422, notes=notes.all(), errors=errors, values=visit.form)
    return redirect(visit, "/notes")


@router.post("/notes/{note_id}/delete")
def delete_note(note_id: str, visit: CurrentVisit, notes: CurrentNotes) -> Response:
    notes.remove(note_id)
    return redirect(visit, "/notes")


def _account_page(
    visit: Visit, status: int = 200, errors: dict[str, str] | None = None
) -> Response:
    return page(
        visit,
        "account.html",
        status,
        sessions=visit.sessions(),
        password_min=visit.guard.policy.passwords.min_length,
        errors=errors or {},
    )
