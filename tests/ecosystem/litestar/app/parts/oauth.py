"""Authlib, which has no client for Litestar: its one for HTTPX.

https://docs.authlib.org/en/latest/oauth2/client/http/index.html
"""

from __future__ import annotations

import os
from typing import Any

from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client
from litestar import Request, get
from litestar.response import Redirect

provider = os.environ["PARTS_PROVIDER"]


def client(request: Request[Any, Any, Any], **more: Any) -> AsyncOAuth2Client:
    return AsyncOAuth2Client(
        "id",
        "secret",
        scope="user:email",
        redirect_uri=request.url_for("authorize"),
        code_challenge_method="S256",
        **more,
    )


@get("/oauth/login", exclude_from_auth=True)
async def login(request: Request[Any, Any, Any]) -> Redirect:
    code_verifier = generate_token(48)
    uri, state = client(request).create_authorization_url(
        "https://provider.example/authorize", code_verifier=code_verifier
    )
    request.session["oauth"] = {"state": state, "code_verifier": code_verifier}
    return Redirect(uri)


@get("/oauth/authorize", exclude_from_auth=True, name="authorize")
async def authorize(request: Request[Any, Any, Any]) -> Redirect:
    begun = request.session["oauth"]
    async with client(request, state=begun["state"]) as oauth:
        await oauth.fetch_token(
            f"{provider}/token",
            authorization_response=str(request.url),
            code_verifier=begun["code_verifier"],
        )
        resp = await oauth.get(f"{provider}/user")
    request.session["profile"] = resp.json()["login"]
    return Redirect("/oauth/profile")


@get("/oauth/profile", exclude_from_auth=True, sync_to_thread=False)
def profile(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"profile": request.session.get("profile")}


PART: dict[str, Any] = {"route_handlers": [login, authorize, profile]}
