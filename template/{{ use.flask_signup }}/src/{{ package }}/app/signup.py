"""Sign-up: an account begins when its address is confirmed."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from ..adapter import form_fields, login_not_required, password_min_length
from ..adapter.mail import current_recovery, sign_up
from .mail_schemas import SignupForm
from .schemas import parse

blueprint = Blueprint("signup", __name__)


@blueprint.get("/signup")
@login_not_required
def signup_form() -> ResponseReturnValue:
    return _page()


@blueprint.post("/signup")
@login_not_required
def signup() -> ResponseReturnValue:
    form = parse(SignupForm, form_fields())
    if errors := sign_up(current_recovery, form.email, form.username, form.password):
        return _page(errors, {"email": form.email, "username": form.username})
    return render_template("mail_sent.html", email=form.email)


def _page(
    errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> ResponseReturnValue:
    page = render_template(
        "signup.html",
        errors=errors or {},
        values=values or {},
        password_min=password_min_length(),
    )
    return page, 422 if errors else 200
