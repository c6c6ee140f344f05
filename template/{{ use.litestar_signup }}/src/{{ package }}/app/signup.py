"""Sign-up: an account begins when its address is confirmed."""

from __future__ import annotations

from litestar import Router, get, post
from litestar.di import Provide
from litestar.params import URLEncodedBody
from litestar.response import Template

from ..adapter import Request, password_min_length, single_values
from ..adapter.mail import CurrentRecovery, provide_recovery, sign_up
from .mail_schemas import SignupForm


@get("/signup", exclude_from_auth=True, sync_to_thread=True)
def signup_form(request: Request) -> Template:
    return _page(request)


@post("/signup", exclude_from_auth=True, before_request=single_values, sync_to_thread=True)
def signup(
    request: Request, data: URLEncodedBody[SignupForm], recovery: CurrentRecovery
) -> Template:
    if errors := sign_up(recovery, data.email, data.username, data.password):
        return _page(request, errors, {"email": data.email, "username": data.username})
    return Template("mail_sent.html", context={"email": data.email}, status_code=200)


def _page(
    request: Request, errors: dict[str, str] | None = None, values: dict[str, str] | None = None
) -> Template:
    context = {
        "errors": errors or {},
        "values": values or {},
        "password_min": password_min_length(request),
    }
    return Template("signup.html", context=context, status_code=422 if errors else 200)


router = Router(
    "/",
    route_handlers=[signup_form, signup],
    dependencies={"recovery": Provide(provide_recovery, sync_to_thread=False)},
    include_in_schema=False,
)
