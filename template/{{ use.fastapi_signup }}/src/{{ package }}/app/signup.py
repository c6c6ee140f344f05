"""Sign-up: an account begins when its address is confirmed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from ..adapter import SingleValues, login_not_required, password_min_length, templates
from ..adapter.mail import CurrentRecovery, sign_up
from .mail_schemas import SignupForm

router = APIRouter(include_in_schema=False)


@router.get("/signup")
@login_not_required
def signup_form(request: Request) -> Response:
    return _page(request)


@router.post("/signup", dependencies=[SingleValues])
@login_not_required
def signup(
    request: Request, form: Annotated[SignupForm, Form()], recovery: CurrentRecovery
) -> Response:
    if errors := sign_up(recovery, form.email, form.username, form.password):
        return _page(request, errors, {"email": form.email, "username": form.username})
    return templates.TemplateResponse(request, "mail_sent.html", {"email": form.email})


def _page(
    request: Request, errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> Response:
    context = {
        "errors": errors or {},
        "values": values or {},
        "password_min": password_min_length(request),
    }
    return templates.TemplateResponse(request, "signup.html", context, 422 if errors else 200)
