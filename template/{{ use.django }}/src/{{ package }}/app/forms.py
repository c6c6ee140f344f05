"""Forms. A field that no form has is refused, and so is a name that comes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import MaxLengthValidator
from django.http import QueryDict

from ..adapter import Problem, is_plain_text

if TYPE_CHECKING:
    _Form = forms.BaseForm
else:
    _Form = object

_TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - the name of Django's field
_UNKNOWN = "unknown"


def validate_line(text: str) -> None:
    """Refuse control characters."""
    if not is_plain_text(text):
        raise ValidationError("Control characters are not allowed.")


def validate_text(text: str) -> None:
    """Refuse control characters other than line breaks and tabs."""
    if not is_plain_text(text, allowed="\n\r\t"):
        raise ValidationError("Control characters are not allowed.")


class Strict(_Form):
    """Mixin for forms of this service; ids of fields are their names."""

    extra: frozenset[str] = frozenset()
    """Names that may come without being fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "%s", **kwargs})
        for field in self.fields.values():
            if isinstance(field, forms.CharField) and not field.widget.is_hidden:
                # Text in the direction of its own script; a password is no text.
                field.widget.attrs.setdefault("dir", "auto")

    def full_clean(self) -> None:
        """Validate; raises `Problem` 400 for a name that comes twice, but where a list is taken."""
        sent = {
            name: _names(self.add_prefix(name), field.widget) for name, field in self.fields.items()
        }
        if isinstance(self.data, QueryDict):
            names = self.extra.union(
                *(
                    sent[name]
                    for name, field in self.fields.items()
                    if not getattr(field.widget, "allow_multiple_selected", False)
                )
            )
            if any(len(self.data.getlist(name)) > 1 for name in names):
                raise Problem(400, reason="a field that comes twice")
        super().full_clean()
        # What other forms of the page send has their prefixes.
        own = f"{self.prefix}-" if self.prefix else ""
        known = self.extra.union({_TOKEN}, *sent.values())
        if self.is_bound and {name for name in self.data if name.startswith(own)} - known:
            self.add_error(None, ValidationError("There is an unknown field.", code=_UNKNOWN))


def _names(name: str, widget: forms.Widget) -> set[str]:
    """Return what a field is called in a request: some are several, such as a date and a time."""
    match widget:
        case forms.MultiWidget():
            names: list[str] = widget.widgets_names  # type: ignore[attr-defined] # not in the stubs
            parts = zip(names, widget.widgets, strict=True)
            return {each for suffix, part in parts for each in _names(name + suffix, part)}
        case forms.SelectDateWidget():
            parts_of_date = widget.year_field, widget.month_field, widget.day_field
            return {part % name for part in parts_of_date}
        case forms.ClearableFileInput():
            return {name, widget.clear_checkbox_name(name)}
        case _:
            return {name}


def invalid(form: forms.BaseForm) -> Problem:
    """Return the error page, or problem document, that names the invalid fields of a form."""
    names = [name for name in form.errors if name != NON_FIELD_ERRORS]
    if form.has_error(NON_FIELD_ERRORS, _UNKNOWN):
        names.append("unknown field")
    return Problem(422, fields=sorted(names))


class LoginForm(Strict, AuthenticationForm):
    """POST /login."""

    extra = frozenset({"next"})
    error_messages = {  # noqa: RUF012 - as Django has it
        "invalid_login": "User name or password is wrong.",
        "inactive": "User name or password is wrong.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"
        self.fields["username"].validators += [MaxLengthValidator(100), validate_line]
        self.fields["password"].validators.append(MaxLengthValidator(1000))
        # So that the browser stops there.
        self.fields["password"].widget.attrs["maxlength"] = 1000


class PasswordForm(Strict, PasswordChangeForm):
    """POST /account/password; asks for the new password once, as password managers fill it in."""

    # As Django's documentation takes fields out.
    old_password = None  # type: ignore[assignment] # no field
    new_password1 = None  # type: ignore[assignment] # no field
    new_password2 = None  # type: ignore[assignment] # no field
    current_password = forms.CharField(
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new_password = forms.CharField(
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password"].help_text = " ".join(password_validators_help_texts())

    def clean(self) -> dict[str, Any]:
        """Leave the passwords to `change_password`, which counts attempts first."""
        return self.cleaned_data


class SessionForm(Strict, forms.Form):
    """POST /account/sessions/end."""

    session = forms.CharField(max_length=100, validators=[validate_line])


class FactorForm(Strict, forms.Form):
    """POST /login/factor: what is typed, or what a passkey has answered."""

    extra = frozenset({"next"})
    code = forms.CharField(
        max_length=100,
        required=False,
        help_text="The 6 digits that your authenticator app shows, or one of your recovery codes.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )
    credential = forms.CharField(max_length=16_384, required=False)


class ConfirmForm(Strict, forms.Form):
    """POST /account/confirm."""

    extra = frozenset({"next"})
    password = forms.CharField(
        max_length=1000,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    credential = forms.CharField(max_length=16_384, required=False)


class TotpForm(Strict, forms.Form):
    """POST /account/factors/totp."""

    name = forms.CharField(max_length=60, validators=[validate_line])
    code = forms.CharField(
        max_length=100,
        help_text="The 6 digits that the app shows now.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )
    enrolment = forms.CharField(max_length=1000)


class PasskeyForm(Strict, forms.Form):
    """POST /account/factors/passkey."""

    name = forms.CharField(max_length=60, validators=[validate_line])
    credential = forms.CharField(max_length=16_384)


class FactorIdForm(Strict, forms.Form):
    """POST /account/factors/remove."""

    factor = forms.CharField(max_length=100, validators=[validate_line])


class FactorNameForm(FactorIdForm):
    """POST /account/factors/rename."""

    name = forms.CharField(max_length=60, validators=[validate_line])
