"""Sign-up: an account begins when its address is confirmed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.password_validation import password_validators_help_texts
from django.urls import path
from django.utils.decorators import method_decorator

from ..adapter.mail import current_recovery, sign_up
from .forms import Strict, validate_line
from .recovery import MailFormView


class SignupForm(Strict, forms.Form):
    """POST /signup."""

    email = forms.CharField(
        label="E-mail address",
        max_length=1000,
        strip=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    username = forms.CharField(
        label="User name",
        max_length=100,
        strip=False,
        validators=[validate_line],
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = " ".join(password_validators_help_texts())


@method_decorator(login_not_required, name="dispatch")
class SignupView(MailFormView):
    template_name = "signup.html"
    form_class = SignupForm

    def ask(self, form: Any) -> dict[str, str]:
        data = form.cleaned_data
        recovery = current_recovery(self.request)
        return sign_up(recovery, data["email"], data["username"], data["password"])


urlpatterns = [path("signup", SignupView.as_view(), name="signup")]
