"""Second factors: asked for after the password, and looked after on the account page."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..adapter import (
    SecondFactor,
    TotpEnrolment,
    current_auth,
    form_fields,
    login_not_required,
    reauthentication_required,
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
    parse,
)


@login_not_required
def factor_form(request: Request) -> Response:
    return _factor_page(request, request.query_params.get("next", ""))


@login_not_required
def factor(request: Request) -> Response:
    form = parse(FactorForm, form_fields(request))
    if not _own(request).log_in(code=form.code, credential=form.credential):
        return _factor_page(request, form.next, "This is wrong, too old, or was used before.")
    return RedirectResponse(safe_target(request, form.next, "/account"), 303)


@login_not_required
def passkey_login(request: Request) -> Response:
    _own(request).begin_passkey()
    return RedirectResponse("/login/factor", 303)


def confirm_form(request: Request) -> Response:
    return _confirm_page(request, request.query_params.get("next", ""))


def confirm(request: Request) -> Response:
    form = parse(ConfirmForm, form_fields(request))
    if not current_auth(request).confirm(password=form.password, credential=form.credential):
        return _confirm_page(request, form.next, "This is not right.")
    return RedirectResponse(safe_target(request, form.next, "/account"), 303)


@reauthentication_required
def factors(request: Request) -> Response:
    return _factors_page(request)


@login_not_required
def totp_form(request: Request) -> Response:
    return _totp_page(request, _own(request).begin_totp())


@login_not_required
def add_totp(request: Request) -> Response:
    form = parse(TotpForm, form_fields(request))
    done = _own(request).add_totp(form.name, form.code, form.enrolment)
    if done.errors:
        return _totp_page(request, _own(request).again(form.enrolment), form.name, done.errors)
    return _after(request, done.codes)


@login_not_required
def passkey_form(request: Request) -> Response:
    return _passkey_page(request)


@login_not_required
def add_passkey(request: Request) -> Response:
    form = parse(PasskeyForm, form_fields(request))
    done = _own(request).add_passkey(form.name, form.credential)
    if done.errors:
        return _passkey_page(request, form.name, done.errors)
    return _after(request, done.codes)


def rename(request: Request) -> Response:
    form = parse(FactorNameForm, form_fields(request))
    _own(request).rename(form.factor, form.name)
    return RedirectResponse("/account/factors", 303)


def remove(request: Request) -> Response:
    form = parse(FactorIdForm, form_fields(request))
    if error := _own(request).remove(form.factor):
        return _factors_page(request, error)
    return RedirectResponse("/account/factors", 303)


def new_codes(request: Request) -> Response:
    return _after(request, _own(request).new_codes())


def _own(request: Request) -> SecondFactor:
    return current_auth(request).second_factor


def _factor_page(request: Request, target: str, error: str = "") -> Response:
    prompt = _own(request).prompt()
    if prompt is None:
        return RedirectResponse("/login", 303)
    if prompt.enrol:
        return RedirectResponse("/account/factors/totp", 303)
    context = {"prompt": prompt, "next": target, "error": error}
    return templates.TemplateResponse(request, "factor.html", context, 401 if error else 200)


def _confirm_page(request: Request, target: str, error: str = "") -> Response:
    context = {"passkey": _own(request).confirmation(), "next": target, "error": error}
    return templates.TemplateResponse(request, "confirm.html", context, 401 if error else 200)


def _factors_page(request: Request, error: str = "") -> Response:
    own = _own(request)
    context = {"factors": own.all(), "codes_left": own.codes_left(), "error": error}
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
    request: Request, name: str = "Passkey", errors: dict[str, str] | None = None
) -> Response:
    passkey = _own(request).begin_new_passkey()
    context = {"passkey": passkey, "name": name, "errors": errors or {}}
    return templates.TemplateResponse(request, "passkey.html", context, 422 if errors else 200)


def _after(request: Request, codes: Sequence[str]) -> Response:
    if codes:
        return templates.TemplateResponse(request, "codes.html", {"codes": codes})
    return RedirectResponse("/account/factors", 303)


routes = [
    Route("/login/factor", factor_form),
    Route("/login/factor", factor, methods=["POST"]),
    Route("/login/passkey", passkey_login, methods=["POST"]),
    Route("/account/confirm", confirm_form),
    Route("/account/confirm", confirm, methods=["POST"]),
    Route("/account/factors", factors),
    Route("/account/factors/totp", totp_form),
    Route("/account/factors/totp", add_totp, methods=["POST"]),
    Route("/account/factors/passkey", passkey_form),
    Route("/account/factors/passkey", add_passkey, methods=["POST"]),
    Route("/account/factors/rename", rename, methods=["POST"]),
    Route("/account/factors/remove", remove, methods=["POST"]),
    Route("/account/factors/codes", new_codes, methods=["POST"]),
]
