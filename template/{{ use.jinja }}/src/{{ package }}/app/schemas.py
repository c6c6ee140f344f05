"""What the service accepts. Unknown fields are refused, types are not coerced."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..adapter import Problem, invalid_fields, is_plain_text


def _line(text: str) -> str:
    if not is_plain_text(text):
        raise ValueError("control characters are not allowed")
    return text


def _text(text: str) -> str:
    if not is_plain_text(text, allowed="\n\r\t"):
        raise ValueError("control characters other than line breaks and tabs are not allowed")
    return text


Line = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_line)]
Text = Annotated[str, Field(max_length=5000), AfterValidator(_text)]
Secret = Annotated[str, Field(min_length=1, max_length=1000)]
Credential = Annotated[str, Field(max_length=16_384)]


class Strict(BaseModel):
    """Base of everything that a client sends."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


S = TypeVar("S", bound=Strict)


class LoginForm(Strict):
    """POST /login."""

    username: Line
    password: Secret
    next: str = ""


class PasswordForm(Strict):
    """POST /account/password."""

    current_password: Secret
    new_password: Secret


class FactorForm(Strict):
    """POST /login/factor: what is typed, or what a passkey has answered."""

    code: str = Field("", max_length=64)
    credential: Credential = ""
    next: str = ""


class ConfirmForm(Strict):
    """POST /account/confirm."""

    password: str = Field("", max_length=1000)
    credential: Credential = ""
    next: str = ""


class TotpForm(Strict):
    """POST /account/factors/totp."""

    name: Line
    code: Secret
    enrolment: Secret


class PasskeyForm(Strict):
    """POST /account/factors/passkey."""

    name: Line
    credential: Credential


class FactorIdForm(Strict):
    """POST /account/factors/remove."""

    factor: Line


class FactorNameForm(FactorIdForm):
    """POST /account/factors/rename."""

    name: Line


class SessionForm(Strict):
    """POST /account/sessions/end."""

    session: Line


def explain(error: ValidationError, **labels: str) -> dict[str, str]:
    """Return what is wrong with a form, for people: a sentence for each field.

    `labels` are the words for fields that the page calls otherwise.
    """
    found = {}
    for each in error.errors():
        name, kind, facts = str(each["loc"][0]), each["type"], each.get("ctx", {})
        label = labels.get(name) or name.replace("_", " ").capitalize()
        if kind == "extra_forbidden":
            # Whose name is no word of ours.
            name, text = "", "There is an unknown field."
        elif kind == "string_too_long":
            text = f"{label} may have at most {facts['max_length']} characters."
        elif kind in {"missing", "string_too_short"}:
            least = facts.get("min_length", 1)
            text = f"{label} must have at least {least} character{'s' if least > 1 else ''}."
        elif kind == "value_error":
            text = f"{label}: {facts['error']}."
        else:
            text = f"{label} is not valid."
        found[name] = text
    return found


def parse(schema: type[S], data: object) -> S:
    """Validate `data`, or raise `Problem` 422 with the names of the fields."""
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise Problem(422, fields=invalid_fields(error.errors())) from None
