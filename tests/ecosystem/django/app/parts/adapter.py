"""allauth: https://docs.allauth.org/en/latest/account/adapter.html."""

from allauth.account.adapter import DefaultAccountAdapter
from django.shortcuts import resolve_url


class AccountAdapter(DefaultAccountAdapter):
    def get_login_redirect_url(self, request):
        # The second factor of the service is missing, and the default insists on a user.
        if not request.user.is_authenticated:
            return resolve_url("login")
        return super().get_login_redirect_url(request)
