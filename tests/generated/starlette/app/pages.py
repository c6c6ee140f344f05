"""HTML pages."""

from __future__ import annotations

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..adapter.web import page, redirect, visit_of
from ..security.errors import Problem
from .deps import notes, users
from .schemas import LoginForm, NoteIn, PasswordForm, SessionForm, parse


def home(request: Request) -> Response:
    return page(request, "home.html")


class Login(HTTPEndpoint):
    def get(self, request: Request) -> Response:
        target = visit_of(request).query("next", "")
        return page(request, "login.html", next=target, username="", error=None)

    def post(self, request: Request) -> Response:
        visit = visit_of(request)
        form = parse(LoginForm, visit.form)
        account = visit.login(users(request), form.username, form.password)
        if account is None:
            error = "User name or password is wrong."
            return page(request, "login.html", 401, next=form.next, username="", error=error)
        request.session["name"] = account.name
        return redirect(request, form.next, default="/account")


def logout(request: Request) -> Response:
    visit_of(request).logout()
    return redirect(request, "/")


def go(request: Request) -> Response:
    return redirect(request, visit_of(request).query("url"))


def account(request: Request) -> Response:
    return _account_page(request)


def change_password(request: Request) -> Response:
    visit = visit_of(request)
    visit.user()
    form = parse(PasswordForm, visit.form)
    errors = visit.change_password(
        users(request), request.session["name"], form.current_password, form.new_password
    )
    if errors:
        return _account_page(request, 422, errors)
    return redirect(request, "/account")


def end_session(request: Request) -> Response:
    visit = visit_of(request)
    visit.user()
    visit.end_session(parse(SessionForm, visit.form).session)
    return redirect(request, "/account")


def end_other_sessions(request: Request) -> Response:
    visit_of(request).end_other_sessions()
    return redirect(request, "/account")


class AllNotes(HTTPEndpoint):
    def get(self, request: Request) -> Response:
        return page(request, "notes.html", notes=notes(request).all())

    def post(self, request: Request) -> Response:
        mine, values = notes(request), visit_of(request).form
        try:
            mine.add(parse(NoteIn, values))
        except Problem as problem:
            errors = dict.fromkeys(problem.fields, "Missing, too long, or has control characters.")
            return page(request, "notes.html", 422, notes=mine.all(), errors=errors, values=values)
        return redirect(request, "/notes")


def delete_note(request: Request) -> Response:
    notes(request).remove(request.path_params["note_id"])
    return redirect(request, "/notes")


def _account_page(
    request: Request, status: int = 200, errors: dict[str, str] | None = None
) -> Response:
    visit = visit_of(request)
    return page(
        request,
        "account.html",
        status,
        sessions=visit.sessions(),
        password_min=visit.guard.policy.passwords.min_length,
        errors=errors or {},
    )


routes = [
    Route("/", home),
    Route("/login", Login),
    Route("/logout", logout, methods=["POST"]),
    Route("/go", go),
    Route("/account", account),
    Route("/account/password", change_password, methods=["POST"]),
    Route("/account/sessions/end", end_session, methods=["POST"]),
    Route("/account/sessions/end-others", end_other_sessions, methods=["POST"]),
    Route("/notes", AllNotes),
    Route("/notes/{note_id}/delete", delete_note, methods=["POST"]),
]
