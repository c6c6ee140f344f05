"""Second factors: asked for after the password, and looked after on the account page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from litestar import Router, get, post
from litestar.params import QueryParameter, URLEncodedBody
from litestar.response import Redirect, Template

from ..adapter import (
    Auth,
    CurrentAuth,
    Request,
    TotpEnrolment,
    reauthentication_required,
    safe_target,
    single_values,
)
from .schemas import (
    ConfirmForm,
    FactorForm,
    FactorIdForm,
    FactorNameForm,
    PasskeyForm,
    TotpForm,
)

Target = Annotated[str, QueryParameter(name="next")]


@get("/login/factor", exclude_from_auth=True, sync_to_thread=True)
def factor_form(auth: CurrentAuth, target: Target = "") -> Template | Redirect:
    return _factor_page(auth, target)


@post("/login/factor", exclude_from_auth=True, before_request=single_values, sync_to_thread=True)
def factor(
    request: Request, data: URLEncodedBody[FactorForm], auth: CurrentAuth
) -> Template | Redirect:
    if not auth.second_factor.log_in(code=data.code, credential=data.credential):
        return _factor_page(auth, data.next, "This is wrong, too old, or was used before.")
    return _to(safe_target(request, data.next, "/account"))


@post("/login/passkey", exclude_from_auth=True, sync_to_thread=True)
def passkey_login(auth: CurrentAuth) -> Redirect:
    """Begin a login by a passkey alone."""
    auth.second_factor.begin_passkey()
    return _to("/login/factor")


@get("/account/confirm", sync_to_thread=True)
def confirm_form(auth: CurrentAuth, target: Target = "") -> Template:
    return _confirm_page(auth, target)


@post("/account/confirm", before_request=single_values, sync_to_thread=True)
def confirm(
    request: Request, data: URLEncodedBody[ConfirmForm], auth: CurrentAuth
) -> Template | Redirect:
    if not auth.confirm(password=data.password, credential=data.credential):
        return _confirm_page(auth, data.next, "This is not right.")
    return _to(safe_target(request, data.next, "/account"))


@get("/account/factors", guards=[reauthentication_required], sync_to_thread=True)
def factors(auth: CurrentAuth) -> Template:
    return _factors_page(auth)


@get("/account/factors/totp", exclude_from_auth=True, sync_to_thread=True)
def totp_form(auth: CurrentAuth) -> Template:
    """Show a new secret, also to who must add a factor before the login is done."""
    return _totp_page(auth.second_factor.begin_totp())


@post(
    "/account/factors/totp",
    exclude_from_auth=True,
    before_request=single_values,
    sync_to_thread=True,
)
def add_totp(data: URLEncodedBody[TotpForm], auth: CurrentAuth) -> Template | Redirect:
    done = auth.second_factor.add_totp(data.name, data.code, data.enrolment)
    if done.errors:
        return _totp_page(auth.second_factor.again(data.enrolment), data.name, done.errors)
    return _after(done.codes)


@get("/account/factors/passkey", exclude_from_auth=True, sync_to_thread=True)
def passkey_form(auth: CurrentAuth) -> Template:
    """Ask the browser for a new passkey, also of who must add a factor."""
    return _passkey_page(auth)


@post(
    "/account/factors/passkey",
    exclude_from_auth=True,
    before_request=single_values,
    sync_to_thread=True,
)
def add_passkey(data: URLEncodedBody[PasskeyForm], auth: CurrentAuth) -> Template | Redirect:
    done = auth.second_factor.add_passkey(data.name, data.credential)
    if done.errors:
        return _passkey_page(auth, data.name, done.errors)
    return _after(done.codes)


@post("/account/factors/rename", before_request=single_values, sync_to_thread=True)
def rename(data: URLEncodedBody[FactorNameForm], auth: CurrentAuth) -> Redirect:
    auth.second_factor.rename(data.factor, data.name)
    return _to("/account/factors")


@post("/account/factors/remove", before_request=single_values, sync_to_thread=True)
def remove(data: URLEncodedBody[FactorIdForm], auth: CurrentAuth) -> Template | Redirect:
    if error := auth.second_factor.remove(data.factor):
        return _factors_page(auth, error)
    return _to("/account/factors")


@post("/account/factors/codes", sync_to_thread=True)
def new_codes(auth: CurrentAuth) -> Template | Redirect:
    return _after(auth.second_factor.new_codes())


def _to(target: str) -> Redirect:
    return Redirect(target, status_code=303)


def _factor_page(auth: Auth, target: str, error: str = "") -> Template | Redirect:
    prompt = auth.second_factor.prompt()
    if prompt is None:
        return _to("/login")
    if prompt.enrol:
        return _to("/account/factors/totp")
    context = {"prompt": prompt, "next": target, "error": error}
    return Template("factor.html", context=context, status_code=401 if error else 200)


def _confirm_page(auth: Auth, target: str, error: str = "") -> Template:
    context = {"passkey": auth.second_factor.confirmation(), "next": target, "error": error}
    return Template("confirm.html", context=context, status_code=401 if error else 200)


def _factors_page(auth: Auth, error: str = "") -> Template:
    context = {
        "factors": auth.second_factor.all(),
        "codes_left": auth.second_factor.codes_left(),
        "error": error,
    }
    return Template("factors.html", context=context, status_code=422 if error else 200)


def _totp_page(
    enrolment: TotpEnrolment,
    name: str = "Authenticator app",
    errors: dict[str, str] | None = None,
) -> Template:
    context = {"enrolment": enrolment, "name": name, "errors": errors or {}}
    return Template("totp.html", context=context, status_code=422 if errors else 200)


def _passkey_page(
    auth: Auth, name: str = "Passkey", errors: dict[str, str] | None = None
) -> Template:
    passkey = auth.second_factor.begin_new_passkey()
    context = {"passkey": passkey, "name": name, "errors": errors or {}}
    return Template("passkey.html", context=context, status_code=422 if errors else 200)


def _after(codes: Sequence[str]) -> Template | Redirect:
    """Show new recovery codes, which nobody can show again; else lead back to the factors."""
    if codes:
        # `post` would say 201: nothing was made at an address of its own.
        return Template("codes.html", context={"codes": codes}, status_code=200)
    return _to("/account/factors")


router = Router(
    "/",
    route_handlers=[
        factor_form,
        factor,
        passkey_login,
        confirm_form,
        confirm,
        factors,
        totp_form,
        add_totp,
        passkey_form,
        add_passkey,
        rename,
        remove,
        new_codes,
    ],
    include_in_schema=False,
)
