"""Authlib: https://docs.authlib.org/en/latest/client/django.html."""

import os

from authlib.integrations.django_client import OAuth
from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse
from django.shortcuts import redirect
from django.urls import reverse

provider = os.environ["PARTS_PROVIDER"]
oauth = OAuth()
oauth.register(
    name="github",
    client_id="id",
    client_secret="secret",
    access_token_url=f"{provider}/token",
    authorize_url="https://provider.example/authorize",
    api_base_url=f"{provider}/",
    client_kwargs={"scope": "user:email", "code_challenge_method": "S256"},
)


@login_not_required
def login(request):
    redirect_uri = request.build_absolute_uri(reverse("parts:authorize"))
    return oauth.github.authorize_redirect(request, redirect_uri)


@login_not_required
def authorize(request):
    token = oauth.github.authorize_access_token(request)
    resp = oauth.github.get("user", token=token)
    resp.raise_for_status()
    request.session["profile"] = resp.json()["login"]
    return redirect("/parts/oauth/profile/")


@login_not_required
def profile(request):
    return JsonResponse({"profile": request.session.get("profile")})
