"""Starlette's middlewares, as https://fastapi.tiangolo.com/advanced/middleware/ adds them."""

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import PlainTextResponse
from starlette.middleware.sessions import SessionMiddleware

from ...adapter import login_not_required


def add_to(app: FastAPI) -> None:
    @app.get("/long")
    @login_not_required
    async def long() -> PlainTextResponse:
        return PlainTextResponse("a" * 5000)

    @app.post("/kept/{value}")
    async def keep(value: str, request: Request) -> dict[str, str]:
        request.session["kept"] = value
        return {}

    @app.get("/kept")
    async def kept(request: Request) -> dict[str, object]:
        return request.session

    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(HTTPSRedirectMiddleware)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["my-service.example.com"])
    app.add_middleware(SessionMiddleware, secret_key="some-random-string")
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["https://spa.example.com"],
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )
