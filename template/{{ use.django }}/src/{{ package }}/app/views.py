"""Home, login and account."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_GET
from django.views.generic import TemplateView, View
from django.views.generic.base import ContextMixin

from ..adapter import Problem, change_password, current_auth, needs_second_factor, safe_target
from .forms import LoginForm, PasswordForm, SessionForm, invalid


@method_decorator(login_not_required, name="dispatch")
class HomeView(TemplateView):
    template_name = "home.html"


class LoginView(auth_views.LoginView):
    template_name = "login.html"
    authentication_form = LoginForm
    http_method_names = ["get", "post"]  # noqa: RUF012 - as Django has it

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Ask the policy, which also knows the hosts that redirects may lead to."""
        request = request or self.request
        name = self.redirect_field_name
        return safe_target(request, request.POST.get(name) or request.GET.get(name, ""), "")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if current_auth(request).awaits_second_factor:
            return self._to_factor()
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        if needs_second_factor(self.request, form.get_user()):
            return self._to_factor()
        return super().form_valid(form)

    def _to_factor(self) -> HttpResponse:
        """Lead on to the page that asks for the second factor."""
        name = self.redirect_field_name
        target = self.request.POST.get(name) or self.request.GET.get(name, "")
        return redirect(f"{reverse('factor')}?{urlencode({name: target})}")

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if form.has_error(NON_FIELD_ERRORS, "invalid_login"):
            return self.render_to_response(self.get_context_data(form=form), status=401)
        raise invalid(form)


@method_decorator(login_not_required, name="dispatch")
class LogoutView(auth_views.LogoutView):
    http_method_names = ["post"]  # noqa: RUF012 - as Django has it


@login_not_required
@require_GET
def go(request: HttpRequest) -> HttpResponse:
    """Lead on to `url`: like every redirect it leaves only where the policy allows it."""
    if "url" not in request.GET:
        raise Problem(422, fields=["url"])
    return HttpResponseRedirect(request.GET["url"], status=303)


class AccountMixin(ContextMixin):
    """What the account page shows."""

    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            sessions=current_auth(self.request).list_sessions(), **kwargs
        )


class AccountView(AccountMixin, TemplateView):
    template_name = "account.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        return super().get_context_data(form=PasswordForm(user), **kwargs)


class PasswordChangeView(AccountMixin, auth_views.PasswordChangeView):
    template_name = "account.html"
    form_class = PasswordForm
    success_url = reverse_lazy("account")
    http_method_names = ["post"]  # noqa: RUF012 - as Django has it

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        current, new = form.cleaned_data["current_password"], form.cleaned_data["new_password"]
        errors = change_password(self.request, current, new)
        if not errors:
            return redirect(self.get_success_url())
        for name, text in errors.items():
            form.add_error(name, text)
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        raise invalid(form)


class EndSessionView(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        form = SessionForm(request.POST)
        if not form.is_valid():
            raise invalid(form)
        current_auth(request).end_session(form.cleaned_data["session"])
        return redirect("account")


class EndOtherSessionsView(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        current_auth(request).end_other_sessions()
        return redirect("account")
