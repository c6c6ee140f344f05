"""HTML pages."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.http import HttpResponse
from django.views import View

from ..adapter.auth import Users
from ..adapter.middleware import Request
from ..adapter.web import member, page, redirect
from ..security.errors import Problem
from . import notes
from .schemas import LoginForm, NoteIn, PasswordForm, SessionForm, parse


class Home(View):
    """/."""

    def get(self, request: Request) -> HttpResponse:
        return page(request, "home.html")


class Login(View):
    """/login."""

    def get(self, request: Request) -> HttpResponse:
        target = request.visit.query("next", "")
        return page(request, "login.html", next=target, username="", error=None)

    def post(self, request: Request) -> HttpResponse:
        form = parse(LoginForm, request.visit.form)
        user = authenticate(request, username=form.username, password=form.password)
        if user is None:
            error = "User name or password is wrong."
            return page(request, "login.html", 401, next=form.next, username="", error=error)
        login(request, user)
        return redirect(request, form.next, default="/account")


class Logout(View):
    """/logout."""

    def post(self, request: Request) -> HttpResponse:
        logout(request)
        return redirect(request, "/")


class Go(View):
    """/go."""

    def get(self, request: Request) -> HttpResponse:
        return redirect(request, request.visit.query("url"))


class Account(View):
    """/account."""

    def get(self, request: Request) -> HttpResponse:
        return _account_page(request)


class ChangePassword(View):
    """/account/password."""

    def post(self, request: Request) -> HttpResponse:
        user = member(request)
        form = parse(PasswordForm, request.visit.form)
        errors = request.visit.change_password(
            Users(), user.get_username(), form.current_password, form.new_password
        )
        if errors:
            return _account_page(request, 422, errors=errors)
        user.refresh_from_db()
        update_session_auth_hash(request, user)
        return redirect(request, "/account")


class EndSession(View):
    """/account/sessions/end."""

    def post(self, request: Request) -> HttpResponse:
        visit = request.visit
        visit.user()
        visit.end_session(parse(SessionForm, visit.form).session)
        return redirect(request, "/account")


class EndOtherSessions(View):
    """/account/sessions/end-others."""

    def post(self, request: Request) -> HttpResponse:
        request.visit.end_other_sessions()
        return redirect(request, "/account")


class Notes(View):
    """/notes."""

    def get(self, request: Request) -> HttpResponse:
        return page(request, "notes.html", notes=notes.Notes(request).all())

    def post(self, request: Request) -> HttpResponse:
        form = request.visit.form
        mine = notes.Notes(request)
        try:
            mine.add(parse(NoteIn, form))
        except Problem as problem:
            errors = dict.fromkeys(problem.fields, "Missing, too long, or has control characters.")
            return page(request, "notes.html", 422, notes=mine.all(), errors=errors, values=form)
        return redirect(request, "/notes")


class DeleteNote(View):
    """/notes/<note_id>/delete."""

    def post(self, request: Request, note_id: str) -> HttpResponse:
        notes.Notes(request).remove(note_id)
        return redirect(request, "/notes")


def _account_page(
    request: Request, status: int = 200, errors: dict[str, str] | None = None
) -> HttpResponse:
    return page(
        request,
        "account.html",
        status,
        sessions=request.visit.sessions(),
        password_min=request.visit.guard.policy.passwords.min_length,
        errors=errors or {},
    )
