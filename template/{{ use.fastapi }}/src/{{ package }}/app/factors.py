"""Second factors: asked for after the password, and looked after on the account page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from ..adapter import (
    CurrentAuth,
    ReauthenticatedUser,
    SingleValues,
    TotpEnrolment,
    login_not_required,
    safe_target,
    templates,
)
from .schemas import (
    ConfirmForm,
    FactorForm,
    FactorIdForm,
    FactorNameForm,
    PasskeyForm,
    TotpForm,
)

router = APIRouter(include_in_schema=False)

Target = Annotated[str, Query(alias="next")]


@router.get("/login/factor")
@login_not_required
def factor_form(request: Request, auth: CurrentAuth, target: Target = "") -> Response:
    return _factor_page(request, auth, target)


@router.post("/login/factor", dependencies=[SingleValues])
@login_not_required
def factor(request: Request, form: Annotated[FactorForm, Form()], auth: CurrentAuth) -> Response:
    if not auth.second_factor.log_in(code=form.code, credential=form.credential):
        error = "This is wrong, too old, or was used before."
        return _factor_page(request, auth, form.next, error)
    return RedirectResponse(safe_target(request, form.next, "/account"), 303)


@router.post("/login/passkey")
@login_not_required
def passkey_login(auth: CurrentAuth) -> Response:
    """Begin a login by a passkey alone."""
    auth.second_factor.begin_passkey()
    return RedirectResponse("/login/factor", 303)


@router.get("/account/confirm")
def confirm_form(request: Request, auth: CurrentAuth, target: Target = "") -> Response:
    return _confirm_page(request, auth, target)


@router.post("/account/confirm", dependencies=[SingleValues])
def confirm(request: Request, form: Annotated[ConfirmForm, Form()], auth: CurrentAuth) -> Response:
    if not auth.confirm(password=form.password, credential=form.credential):
        return _confirm_page(request, auth, form.next, "This is not right.")
    return RedirectResponse(safe_target(request, form.next, "/account"), 303)


@router.get("/account/factors")
def factors(request: Request, auth: CurrentAuth, user: ReauthenticatedUser) -> Response:  # noqa: ARG001 - who has proved it recently
    return _factors_page(request, auth)


@router.get("/account/factors/totp")
@login_not_required
def totp_form(request: Request, auth: CurrentAuth) -> Response:
    """Show a new secret, also to who must add a factor before the login is done."""
    return _totp_page(request, auth.second_factor.begin_totp())


@router.post("/account/factors/totp", dependencies=[SingleValues])
@login_not_required
def add_totp(request: Request, form: Annotated[TotpForm, Form()], auth: CurrentAuth) -> Response:
    done = auth.second_factor.add_totp(form.name, form.code, form.enrolment)
    if done.errors:
        enrolment = auth.second_factor.again(form.enrolment)
        return _totp_page(request, enrolment, form.name, done.errors)
    return _after(request, done.codes)


@router.get("/account/factors/passkey")
@login_not_required
def passkey_form(request: Request, auth: CurrentAuth) -> Response:
    """Ask the browser for a new passkey, also of who must add a factor."""
    return _passkey_page(request, auth)


@router.post("/account/factors/passkey", dependencies=[SingleValues])
@login_not_required
def add_passkey(
    request: Request, form: Annotated[PasskeyForm, Form()], auth: CurrentAuth
) -> Response:
    done = auth.second_factor.add_passkey(form.name, form.credential)
    if done.errors:
        return _passkey_page(request, auth, form.name, done.errors)
    return _after(request, done.codes)


@router.post("/account/factors/rename", dependencies=[SingleValues])
def rename(form: Annotated[FactorNameForm, Form()], auth: CurrentAuth) -> Response:
    auth.second_factor.rename(form.factor, form.name)
    return RedirectResponse("/account/factors", 303)


@router.post("/account/factors/remove", dependencies=[SingleValues])
def remove(request: Request, form: Annotated[FactorIdForm, Form()], auth: CurrentAuth) -> Response:
    if error := auth.second_factor.remove(form.factor):
        return _factors_page(request, auth, error)
    return RedirectResponse("/account/factors", 303)


@router.post("/account/factors/codes")
def new_codes(request: Request, auth: CurrentAuth) -> Response:
    return _after(request, auth.second_factor.new_codes())


def _factor_page(request: Request, auth: CurrentAuth, target: str, error: str = "") -> Response:
    prompt = auth.second_factor.prompt()
    if prompt is None:
        return RedirectResponse("/login", 303)
    if prompt.enrol:
        return RedirectResponse("/account/factors/totp", 303)
    context = {"prompt": prompt, "next": target, "error": error}
    return templates.TemplateResponse(request, "factor.html", context, 401 if error else 200)


def _confirm_page(request: Request, auth: CurrentAuth, target: str, error: str = "") -> Response:
    context = {"passkey": auth.second_factor.confirmation(), "next": target, "error": error}
    return templates.TemplateResponse(request, "confirm.html", context, 401 if error else 200)


def _factors_page(request: Request, auth: CurrentAuth, error: str = "") -> Response:
    context = {
        "factors": auth.second_factor.all(),
        "codes_left": auth.second_factor.codes_left(),
        "error": error,
    }
    return templates.TemplateResponse(request, "factors.html", context, 422 if error else 200)


def _totp_page(
    request: Request,
    enrolment: TotpEnrolment,
    name: str = "Authenticator app",
    errors: dict[str, str] | None = None,
) -> Response:
    context = {"enrolment": enrolment, "name": name, "errors": errors or {}}
    return templates.TemplateResponse(request, "totp.html", context, 422 if errors else 200)


def _passkey_page(
    request: Request,
    auth: CurrentAuth,
    name: str = "Passkey",
    errors: dict[str, str] | None = None,
) -> Response:
    passkey = auth.second_factor.begin_new_passkey()
    context = {"passkey": passkey, "name": name, "errors": errors or {}}
    return templates.TemplateResponse(request, "passkey.html", context, 422 if errors else 200)


def _after(request: Request, codes: Sequence[str]) -> Response:
    """Show new recovery codes, which nobody can show again; else lead back to the factors."""
    if codes:
        return templates.TemplateResponse(request, "codes.html", {"codes": codes})
    return RedirectResponse("/account/factors", 303)
