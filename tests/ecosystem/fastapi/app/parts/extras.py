"""Packages that stand beside each other, as the documentation of each shows it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import socketio
from a2wsgi import WSGIMiddleware
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from ariadne import QueryType, gql, make_executable_schema
from ariadne.asgi import GraphQL
from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.security import OAuth2PasswordRequestForm
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.decorator import cache
from fastapi_csrf_protect.exceptions import CsrfProtectError
from fastapi_csrf_protect.flexible import CsrfProtect
from fastapi_limiter.depends import RateLimiter
from fastapi_login import LoginManager
from fastapi_login.exceptions import InvalidCredentialsException
from fastapi_pagination import Page, add_pagination, paginate
from fasthx.jinja import Jinja
from flask import Flask
from flask import redirect as lead
from flask import request as asked
from loguru import logger
from markupsafe import escape
from pydantic import BaseModel
from pydantic_settings import BaseSettings
from pyrate_limiter import Duration, Limiter, Rate
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    SimpleUser,
    requires,
)
from starlette.middleware.authentication import AuthenticationMiddleware

from ...adapter import login_not_required, templates

router = APIRouter()
COUNTS = {"calls": 0, "ticks": 0}


class User(BaseModel):
    name: str


@router.get("/paged")
@login_not_required
async def paged() -> Page[User]:
    return paginate([User(name=f"n{number}") for number in range(120)])


@router.get("/kept-answer")
@login_not_required
@cache(expire=60)
async def kept_answer() -> dict[str, int]:
    COUNTS["calls"] += 1
    return COUNTS


@router.get("/ticks")
@login_not_required
async def ticks() -> int:
    return COUNTS["ticks"]


limiter = Limiter(Rate(2, Duration.MINUTE))


@router.get("/per-minute", dependencies=[Depends(RateLimiter(limiter=limiter))])
@login_not_required
async def per_minute() -> str:
    return "fine"


class CsrfSettings(BaseSettings):
    secret_key: str = "asecrettoeverybody"
    token_location: str = "body"
    token_key: str = "token"


@CsrfProtect.load_config
def get_csrf_config() -> Any:
    return CsrfSettings()


@router.get("/token-form")
@login_not_required
def token_form(csrf_protect: Annotated[CsrfProtect, Depends()]) -> Response:
    token, signed = csrf_protect.generate_csrf_tokens()
    response = HTMLResponse(f'<form action="/token-form"><input name="token" value="{token}">')
    csrf_protect.set_csrf_cookie(signed, response)
    return response


@router.post("/token-form")
@login_not_required
async def token_sent(request: Request, csrf_protect: Annotated[CsrfProtect, Depends()]) -> str:
    await csrf_protect.validate_csrf(request)
    return "fine"


manager = LoginManager("a-secret-key-of-32-bytes-or-longer", "/manager/token", use_cookie=True)


@manager.user_loader()
def load_user(name: str) -> Any:
    return {"ada": {"name": "ada", "password": "p"}}.get(name)


@router.post("/manager/token")
@login_not_required
def manager_token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], response: Response
) -> dict[str, str]:
    user = load_user(form.username)
    if not user or user["password"] != form.password:
        raise InvalidCredentialsException
    token = manager.create_access_token(data={"sub": form.username})
    manager.set_cookie(response, token)
    return {"access_token": token}


@router.get("/manager/me")
@login_not_required
def manager_me(user: Annotated[Any, Depends(manager)]) -> str:
    return str(user["name"])


jinja = Jinja(templates)


@router.get("/fragment")
@login_not_required
@jinja.hx("fragment.html")
async def fragment() -> User:
    return User(name="<b>")


# https://www.starlette.dev/authentication/
class Backend(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        sent = conn.headers.get("authorization")
        if sent == "bad":
            raise AuthenticationError("Invalid credentials")
        return (AuthCredentials(["authenticated"]), SimpleUser(sent)) if sent else None


@router.get("/by-backend")
@login_not_required
@requires("authenticated")
async def by_backend(request: Request) -> str:
    return str(request.user.display_name)


def flash(request: Request, message: str) -> None:
    request.session.setdefault("_messages", []).append(message)


@router.post("/flash")
@login_not_required
def flashing(request: Request, message: Annotated[str, Form()]) -> Response:
    flash(request, message)
    return RedirectResponse(request.url_for("flashed"), 303)


@router.get("/flash")
@login_not_required
def flashed(request: Request) -> list[str]:
    messages: list[str] = request.session.pop("_messages", [])
    return messages


class PropagateHandler(logging.Handler):
    """Of loguru's documentation: hands its lines to the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


logger.remove()
logger.add(PropagateHandler(), format="{message}")


@router.get("/logs")
@login_not_required
def logs(text: str) -> None:
    logger.info("loguru: {}", text)


flask_app = Flask(__name__)


@flask_app.route("/")
def flask_main() -> str:
    return f"Hello, {escape(asked.args.get('name', 'World'))}! {asked.url}"


@flask_app.route("/leads")
def flask_leads() -> Any:
    return lead(asked.args["to"])


query = QueryType()


@query.field("hello")
def resolve_hello(_: Any, info: Any) -> str:
    return f"Hello {info.context['request'].url.path}"


schema = make_executable_schema(gql("type Query { hello: String! }"), query)
sio = socketio.AsyncServer(async_mode="asgi")


def add_to(app: FastAPI) -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        FastAPICache.init(InMemoryBackend(), prefix="fastapi-cache")
        scheduler = AsyncIOScheduler()
        scheduler.add_job(lambda: COUNTS.update(ticks=COUNTS["ticks"] + 1), "interval", seconds=0.1)
        scheduler.start()
        yield
        scheduler.shutdown()

    app.router.lifespan_context = lifespan
    app.include_router(router)
    app.mount("/wsgi", WSGIMiddleware(flask_app))
    app.mount("/ariadne/", GraphQL(schema))
    app.mount("/sio", socketio.ASGIApp(sio, socketio_path=""))
    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    app.add_middleware(CorrelationIdMiddleware)
    add_pagination(app)

    @app.exception_handler(CsrfProtectError)
    def csrf_error(_: Request, error: CsrfProtectError) -> Response:
        return JSONResponse({"detail": error.message}, error.status_code)
