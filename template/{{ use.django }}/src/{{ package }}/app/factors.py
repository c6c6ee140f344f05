"""Second factors: asked for after the password, and looked after on the account page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.generic import FormView, TemplateView, View

from ..adapter import (
    ReauthenticationRequiredMixin,
    SecondFactor,
    current_auth,
    safe_target,
)
from .forms import (
    ConfirmForm,
    FactorForm,
    FactorIdForm,
    FactorNameForm,
    PasskeyForm,
    TotpForm,
    invalid,
)

if TYPE_CHECKING:
    _FormView = FormView[Form]
else:
    _FormView = FormView


class FactorMixin:
    """What the views of second factors share."""

    request: HttpRequest

    @property
    def second_factor(self) -> SecondFactor:
        """What may be done about second factors for the one who asks."""
        return current_auth(self.request).second_factor

    def target(self) -> str:
        """Return where to go then, as it was asked for."""
        return self.request.POST.get("next") or self.request.GET.get("next", "")

    def lead_on(self) -> HttpResponse:
        """Go there, if the policy allows it."""
        target = safe_target(self.request, self.target(), reverse("account"))
        return HttpResponseRedirect(target, status=303)

    def after(self, codes: Sequence[str]) -> HttpResponse:
        """Show new recovery codes, which nobody can show again; else lead back to the factors."""
        if codes:
            return render(self.request, "codes.html", {"codes": codes})
        return redirect("factors")


class FactorFormView(FactorMixin, _FormView):
    """A form whose fields the policy judges."""

    http_method_names = ["get", "post"]  # noqa: RUF012 - as Django has it

    def form_invalid(self, form: Form) -> HttpResponse:
        raise invalid(form)

    def refuse(self, form: Form, errors: dict[str, str], status: int = 422) -> HttpResponse:
        """Show the form again with what is wrong."""
        for name, text in errors.items():
            form.add_error(name if name in form.fields else None, text)
        return self.render_to_response(self.get_context_data(form=form), status=status)


@method_decorator(login_not_required, name="dispatch")
class FactorView(FactorFormView):
    template_name = "factor.html"
    form_class = FactorForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        prompt = self.second_factor.prompt()
        if prompt is None:
            return redirect("login")
        if prompt.enrol:
            return redirect("totp")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        prompt = self.second_factor.prompt()
        return super().get_context_data(prompt=prompt, next=self.target(), **kwargs)

    def form_valid(self, form: Form) -> HttpResponse:
        code, credential = form.cleaned_data["code"], form.cleaned_data["credential"]
        if not self.second_factor.log_in(code=code, credential=credential):
            error = {"": "This is wrong, too old, or was used before."}
            return self.refuse(FactorForm({}), error, 401)
        return self.lead_on()


@method_decorator(login_not_required, name="dispatch")
class PasskeyLoginView(FactorMixin, View):
    """Begins a login by a passkey alone."""

    def post(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django calls it so
        self.second_factor.begin_passkey()
        return redirect("factor")


class ConfirmView(FactorFormView):
    template_name = "confirm.html"
    form_class = ConfirmForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        passkey = self.second_factor.confirmation()
        return super().get_context_data(passkey=passkey, next=self.target(), **kwargs)

    def form_valid(self, form: Form) -> HttpResponse:
        if not current_auth(self.request).confirm(**form.cleaned_data):
            return self.refuse(ConfirmForm({}), {"": "This is not right."}, 401)
        return self.lead_on()


class FactorsView(ReauthenticationRequiredMixin, FactorMixin, TemplateView):
    template_name = "factors.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        own = self.second_factor
        return super().get_context_data(factors=own.all(), codes_left=own.codes_left(), **kwargs)


@method_decorator(login_not_required, name="dispatch")
class TotpView(FactorFormView):
    """Shows a new secret, also to who must add a factor before the login is done."""

    template_name = "totp.html"
    form_class = TotpForm
    initial = {"name": "Authenticator app"}  # noqa: RUF012 - as Django has it

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        token = self.request.POST.get("enrolment", "")
        own = self.second_factor
        enrolment = own.again(token) if token else own.begin_totp()
        return super().get_context_data(enrolment=enrolment, **kwargs)

    def form_valid(self, form: Form) -> HttpResponse:
        given = form.cleaned_data
        done = self.second_factor.add_totp(given["name"], given["code"], given["enrolment"])
        return self.refuse(form, done.errors) if done.errors else self.after(done.codes)


@method_decorator(login_not_required, name="dispatch")
class PasskeyView(FactorFormView):
    """Asks the browser for a new passkey, also of who must add a factor."""

    template_name = "passkey.html"
    form_class = PasskeyForm
    initial = {"name": "Passkey"}  # noqa: RUF012 - as Django has it

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(passkey=self.second_factor.begin_new_passkey(), **kwargs)

    def form_valid(self, form: Form) -> HttpResponse:
        done = self.second_factor.add_passkey(
            form.cleaned_data["name"], form.cleaned_data["credential"]
        )
        return self.refuse(form, done.errors) if done.errors else self.after(done.codes)


class RenameView(FactorMixin, View):
    def post(self, request: HttpRequest) -> HttpResponse:
        form = FactorNameForm(request.POST)
        if not form.is_valid():
            raise invalid(form)
        self.second_factor.rename(form.cleaned_data["factor"], form.cleaned_data["name"])
        return redirect("factors")


class RemoveView(FactorMixin, View):
    def post(self, request: HttpRequest) -> HttpResponseBase:
        form = FactorIdForm(request.POST)
        if not form.is_valid():
            raise invalid(form)
        own = self.second_factor
        if error := own.remove(form.cleaned_data["factor"]):
            form.add_error(None, error)
            context = {"factors": own.all(), "codes_left": own.codes_left(), "form": form}
            return render(request, "factors.html", context, status=422)
        return redirect("factors")


class CodesView(FactorMixin, View):
    def post(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django calls it so
        return self.after(self.second_factor.new_codes())
