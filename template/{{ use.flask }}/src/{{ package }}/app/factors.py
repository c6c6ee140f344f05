"""Second factors: asked for after the password, and looked after on the account page."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from ..adapter import (
    TotpEnrolment,
    current_auth,
    form_fields,
    login_not_required,
    login_required,
    reauthentication_required,
    safe_target,
)
from .schemas import (
    ConfirmForm,
    FactorForm,
    FactorIdForm,
    FactorNameForm,
    PasskeyForm,
    TotpForm,
    parse,
)

blueprint = Blueprint("factors", __name__)


@blueprint.get("/login/factor")
@login_not_required
def factor_form() -> ResponseReturnValue:
    return _factor_page(request.args.get("next", ""))


@blueprint.post("/login/factor")
@login_not_required
def factor() -> ResponseReturnValue:
    form = parse(FactorForm, form_fields())
    if not current_auth.second_factor.log_in(code=form.code, credential=form.credential):
        return _factor_page(form.next, "This is wrong, too old, or was used before.")
    return redirect(safe_target(form.next, "/account"), 303)


@blueprint.post("/login/passkey")
@login_not_required
def passkey_login() -> ResponseReturnValue:
    """Begin a login by a passkey alone."""
    current_auth.second_factor.begin_passkey()
    return redirect("/login/factor", 303)


@blueprint.get("/account/confirm")
@login_required
def confirm_form() -> ResponseReturnValue:
    return _confirm_page(request.args.get("next", ""))


@blueprint.post("/account/confirm")
@login_required
def confirm() -> ResponseReturnValue:
    form = parse(ConfirmForm, form_fields())
    if not current_auth.confirm(password=form.password, credential=form.credential):
        return _confirm_page(form.next, "This is not right.")
    return redirect(safe_target(form.next, "/account"), 303)


@blueprint.get("/account/factors")
@reauthentication_required
def factors() -> ResponseReturnValue:
    return _factors_page()


@blueprint.get("/account/factors/totp")
@login_not_required
def totp_form() -> ResponseReturnValue:
    """Show a new secret, also to who must add a factor before the login is done."""
    return _totp_page(current_auth.second_factor.begin_totp())


@blueprint.post("/account/factors/totp")
@login_not_required
def add_totp() -> ResponseReturnValue:
    form = parse(TotpForm, form_fields())
    done = current_auth.second_factor.add_totp(form.name, form.code, form.enrolment)
    if done.errors:
        enrolment = current_auth.second_factor.again(form.enrolment)
        return _totp_page(enrolment, form.name, done.errors)
    return _after(done.codes)


@blueprint.get("/account/factors/passkey")
@login_not_required
def passkey_form() -> ResponseReturnValue:
    """Ask the browser for a new passkey, also of who must add a factor."""
    return _passkey_page()


@blueprint.post("/account/factors/passkey")
@login_not_required
def add_passkey() -> ResponseReturnValue:
    form = parse(PasskeyForm, form_fields())
    done = current_auth.second_factor.add_passkey(form.name, form.credential)
    if done.errors:
        return _passkey_page(form.name, done.errors)
    return _after(done.codes)


@blueprint.post("/account/factors/rename")
@login_required
def rename() -> ResponseReturnValue:
    form = parse(FactorNameForm, form_fields())
    current_auth.second_factor.rename(form.factor, form.name)
    return redirect("/account/factors", 303)


@blueprint.post("/account/factors/remove")
@login_required
def remove() -> ResponseReturnValue:
    form = parse(FactorIdForm, form_fields())
    if error := current_auth.second_factor.remove(form.factor):
        return _factors_page(error)
    return redirect("/account/factors", 303)


@blueprint.post("/account/factors/codes")
@login_required
def new_codes() -> ResponseReturnValue:
    return _after(current_auth.second_factor.new_codes())


def _factor_page(target: str, error: str = "") -> ResponseReturnValue:
    prompt = current_auth.second_factor.prompt()
    if prompt is None:
        return redirect("/login", 303)
    if prompt.enrol:
        return redirect("/account/factors/totp", 303)
    page = render_template("factor.html", prompt=prompt, next=target, error=error)
    return page, 401 if error else 200


def _confirm_page(target: str, error: str = "") -> ResponseReturnValue:
    passkey = current_auth.second_factor.confirmation()
    page = render_template("confirm.html", passkey=passkey, next=target, error=error)
    return page, 401 if error else 200


def _factors_page(error: str = "") -> ResponseReturnValue:
    page = render_template(
        "factors.html",
        factors=current_auth.second_factor.all(),
        codes_left=current_auth.second_factor.codes_left(),
        error=error,
    )
    return page, 422 if error else 200


def _totp_page(
    enrolment: TotpEnrolment,
    name: str = "Authenticator app",
    errors: dict[str, str] | None = None,
) -> ResponseReturnValue:
    page = render_template("totp.html", enrolment=enrolment, name=name, errors=errors or {})
    return page, 422 if errors else 200


def _passkey_page(
    name: str = "Passkey", errors: dict[str, str] | None = None
) -> ResponseReturnValue:
    passkey = current_auth.second_factor.begin_new_passkey()
    page = render_template("passkey.html", passkey=passkey, name=name, errors=errors or {})
    return page, 422 if errors else 200


def _after(codes: Sequence[str]) -> ResponseReturnValue:
    """Show new recovery codes, which nobody can show again; else lead back to the factors."""
    if codes:
        return render_template("codes.html", codes=codes)
    return redirect("/account/factors", 303)
