"""Authlib: https://docs.authlib.org/en/latest/client/fastapi.html."""

import os

from authlib.integrations.starlette_client import OAuth
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from starlette.middleware.sessions import SessionMiddleware

from ...adapter import login_not_required

oauth = OAuth()


def add_to(app: FastAPI) -> None:
    app.add_middleware(SessionMiddleware, secret_key="secret-string")
    provider = os.environ["PARTS_PROVIDER"]
    oauth.register(
        name="github",
        client_id="id",
        client_secret="secret",
        access_token_url=f"{provider}/token",
        authorize_url="https://provider.example/authorize",
        api_base_url=f"{provider}/",
        client_kwargs={"scope": "user:email", "code_challenge_method": "S256"},
    )

    @app.get("/oauth/login")
    @login_not_required
    async def login_via_github(request: Request):
        redirect_uri = request.url_for("auth_via_github")
        return await oauth.github.authorize_redirect(request, redirect_uri)

    @app.get("/oauth/authorize")
    @login_not_required
    async def auth_via_github(request: Request):
        token = await oauth.github.authorize_access_token(request)
        resp = await oauth.github.get("user", token=token)
        request.session["profile"] = resp.json()["login"]
        return RedirectResponse(url="/oauth/profile")

    @app.get("/oauth/profile")
    @login_not_required
    async def profile(request: Request):
        return {"profile": request.session.get("profile")}
