"""HTML pages."""

from __future__ import annotations

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Template

from ..adapter.web import Request, login_required, page, redirect
from ..security.errors import Problem
from .deps import CurrentNotes, CurrentUsers
from .schemas import LoginForm, NoteIn, PasswordForm, SessionForm, parse


class Pages(Controller):
    include_in_schema = False

    @get("/", sync_to_thread=True)
    def home(self, request: Request) -> Template:
        return page(request, "home.html")

    @get("/login", sync_to_thread=True)
    def login_form(self, request: Request) -> Template:
        target = request.visit.query("next", "")
        return page(request, "login.html", next=target, username="", error=None)

    @post("/login", sync_to_thread=True)
    def login(self, request: Request, users: CurrentUsers) -> Response[bytes] | Template:
        visit = request.visit
        form = parse(LoginForm, visit.form)
        account = visit.login(users, form.username, form.password)
        if account is None:
            error = "User name or password is wrong."
            return page(request, "login.html", 401, next=form.next, username="", error=error)
        request.session["name"] = account.name
        return redirect(request, form.next, default="/account")

    @post("/logout", sync_to_thread=True)
    def logout(self, request: Request) -> Response[bytes]:
        request.visit.logout()
        return redirect(request, "/")

    @get("/go", sync_to_thread=True)
    def go(self, request: Request) -> Response[bytes]:
        return redirect(request, request.visit.query("url"))


class Account(Controller):
    path = "/account"
    include_in_schema = False
    guards = (login_required,)

    @get(sync_to_thread=True)
    def show(self, request: Request) -> Template:
        return _account_page(request)

    @post("/password", sync_to_thread=True)
    def change_password(self, request: Request, users: CurrentUsers) -> Response[bytes] | Template:
        form = parse(PasswordForm, request.visit.form)
        errors = request.visit.change_password(
            users, request.session["name"], form.current_password, form.new_password
        )
        if errors:
            return _account_page(request, 422, errors=errors)
        return redirect(request, "/account")

    @post("/sessions/end", sync_to_thread=True)
    def end_session(self, request: Request) -> Response[bytes]:
        request.visit.end_session(parse(SessionForm, request.visit.form).session)
        return redirect(request, "/account")

    @post("/sessions/end-others", sync_to_thread=True)
    def end_other_sessions(self, request: Request) -> Response[bytes]:
        request.visit.end_other_sessions()
        return redirect(request, "/account")


class NotesPages(Controller):
    path = "/notes"
    include_in_schema = False
    guards = (login_required,)

    @get(sync_to_thread=True)
    def show(self, request: Request, notes: CurrentNotes) -> Template:
        return page(request, "notes.html", notes=notes.all())

    @post(sync_to_thread=True)
    def add_note(self, request: Request, notes: CurrentNotes) -> Response[bytes] | Template:
        values = request.visit.form
        try:
            notes.add(parse(NoteIn, values))
        except Problem as problem:
            errors = dict.fromkeys(problem.fields, "Missing, too long, or has control characters.")
            return page(request, "notes.html", 422, notes=notes.all(), errors=errors, values=values)
        return redirect(request, "/notes")

    @post("/{note_id:str}/delete", sync_to_thread=True)
    def delete_note(
        self, note_id: FromPath[str], request: Request, notes: CurrentNotes
    ) -> Response[bytes]:
        notes.remove(note_id)
        return redirect(request, "/notes")


def _account_page(
    request: Request, status: int = 200, errors: dict[str, str] | None = None
) -> Template:
    return page(
        request,
        "account.html",
        status,
        sessions=request.visit.sessions(),
        password_min=request.visit.guard.policy.passwords.min_length,
        errors=errors or {},
    )
