"""https://docs.litestar.dev/latest/usage/security/jwt.html#jwt-cookie-auth-backend."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.security.jwt import JWTCookieAuth, Token
from pydantic import BaseModel


class Known(BaseModel):
    id: str


async def known(token: Token, _: ASGIConnection[Any, Any, Any, Any]) -> Known:
    return Known(id=token.sub)


jwt_cookie_auth = JWTCookieAuth[Known](
    retrieve_user_handler=known,
    token_secret="the key of these tokens, for tests alone",
    exclude=["/jwt/login", "^/(?!jwt/)"],
)


@post("/jwt/login", sync_to_thread=False)
def login(data: Known) -> Response[Known]:
    return jwt_cookie_auth.login(identifier=data.id, response_body=data)


@get("/jwt/me", sync_to_thread=False)
def me(request: Request[Known, Token, Any]) -> Known:
    return request.user


PART: dict[str, Any] = {
    "on_app_init": [jwt_cookie_auth.on_app_init],
    "route_handlers": [login, me],
}
