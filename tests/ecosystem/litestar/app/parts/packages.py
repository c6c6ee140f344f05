"""Configurations, plugins and packages, each as its documentation shows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from advanced_alchemy.extensions.litestar import (
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
    base,
    filters,
    providers,
    repository,
    service,
)
from fastapi import FastAPI
from litestar import Controller, MediaType, Request, Response, asgi, get, post
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.config.allowed_hosts import AllowedHostsConfig
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.config.csrf import CSRFConfig
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotFoundException
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import ScalarRenderPlugin, SwaggerRenderPlugin
from litestar.params import Dependency
from litestar.plugins.flash import FlashConfig, FlashPlugin, flash
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.plugins.prometheus import PrometheusConfig, PrometheusController
from litestar.response import Template
from litestar.security.jwt import JWTAuth, Token
from litestar.security.session_auth import SessionAuth
from litestar.template import TemplateConfig
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped

from ...adapter import templates


@post("/cart/{item:str}")
async def add(item: str, request: Request[Any, Any, Any]) -> None:
    request.session["cart"] = item


@get("/cart")
async def cart(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"cart": request.session.get("cart")}


@get("/long", exclude_from_auth=True, media_type=MediaType.TEXT, sync_to_thread=False)
def long() -> str:
    return "a" * 5000


@get("/crashing", sync_to_thread=False)
def crash() -> None:
    raise ValueError("secret-4711")


@get("/raising/{status:int}", sync_to_thread=False)
def raise_(status: int) -> None:
    raise HTTPException("words of mine", status_code=status)


ROUTES: list[Any] = [add, cart, long, crash, raise_]

# https://docs.litestar.dev/latest/usage/plugins/flash_messages.html
template_config = TemplateConfig(instance=JinjaTemplateEngine.from_environment(templates))


@post("/flash")
async def flashing(request: Request[Any, Any, Any]) -> None:
    flash(request, "Oh no! I've been flashed!", category="error")


@get("/flashed")
async def flashed() -> Template:
    text = "{% for message in get_flashes() %}<p>{{ message.message }}</p>{% endfor %}"
    return Template(template_str=text)


# https://docs.litestar.dev/latest/usage/security/jwt.html
@dataclass
class Caller:
    id: str


async def retrieve_user_handler(
    token: Token, connection: ASGIConnection[Any, Any, Any, Any]
) -> Caller | None:
    return Caller(token.sub)


jwt_auth = JWTAuth[Caller](
    retrieve_user_handler=retrieve_user_handler,
    token_secret="a secret of more than thirty-two bytes",
    exclude=["/login$", "/schema", "^/$", "/jwt/login"],
)


@post("/jwt/login")
async def jwt_login() -> Response[Any]:
    return jwt_auth.login(
        identifier="ada", token_extras={"email": "a@example.com"}, response_body={"ok": True}
    )


@get("/jwt/me", sync_to_thread=False)
def jwt_me(request: Request[Caller, Token, Any]) -> dict[str, str]:
    return {"id": request.user.id, "sub": request.auth.sub}


# https://docs.advanced-alchemy.litestar.dev/latest/usage/frameworks/litestar.html
class AuthorModel(base.UUIDBase):
    __tablename__ = "author"
    name: Mapped[str]
    dob: Mapped[datetime | None]


alchemy_config = SQLAlchemyAsyncConfig(
    connection_string=f"sqlite+aiosqlite:///{os.environ.get('PARTS_FOLDER', '.')}/test.sqlite",
    create_all=True,
    before_send_handler="autocommit",
)


@post("/authors")
async def create_author(data: dict[str, str], db_session: AsyncSession) -> dict[str, str]:
    author = AuthorModel(name=data["name"])
    db_session.add(author)
    await db_session.flush()
    return {"id": str(author.id), "name": author.name}


@get("/authors")
async def authors(db_session: AsyncSession, db_engine: Any) -> list[str]:
    return list((await db_session.scalars(select(AuthorModel.name))).all())


class AuthorService(service.SQLAlchemyAsyncRepositoryService[AuthorModel]):
    class Repo(repository.SQLAlchemyAsyncRepository[AuthorModel]):
        model_type = AuthorModel

    repository_type = Repo


class AuthorController(Controller):
    dependencies = providers.create_service_dependencies(
        AuthorService, "authors_service", filters={"sort_field": "name", "sort_order": "asc"}
    )

    @get("/authors/sorted")
    async def listed(
        self,
        authors_service: AuthorService,
        filters: Annotated[list[filters.FilterTypes], Dependency(skip_validation=True)],
    ) -> list[str]:
        return [author.name for author in await authors_service.list(*filters)]


# https://docs.litestar.dev/latest/usage/routing/handlers.html#asgi-route-handlers
api = FastAPI(docs_url="/docs/")


@api.get("/hello/")
def hello() -> dict[str, str]:
    return {"hello": "fastapi"}


@api.get("/crash")
def api_crash() -> None:
    raise ValueError("secret-4711")


mounted = asgi("/fast", is_mount=True, copy_scope=True)(api)


# https://docs.litestar.dev/latest/usage/channels.html
channels = ChannelsPlugin(backend=MemoryChannelsBackend(history=10), channels=["news"])


@post("/publish/{text:str}")
async def publish(text: str, channels: ChannelsPlugin) -> list[Any]:
    async with channels.start_subscription(["news"]) as subscriber:
        await channels.wait_published({"text": text}, ["news"])
        async for event in subscriber.iter_events():
            return [event.decode()]
    return []


def own_404(_: Request[Any, Any, Any], __: NotFoundException) -> Response[dict[str, str]]:
    return Response({"mine": "not here"}, status_code=404)


def own_500(_: Request[Any, Any, Any], __: Exception) -> Response[dict[str, str]]:
    return Response({"mine": "sorry"}, status_code=500)


async def session_user(session: dict[str, Any], _: Any) -> Caller | None:
    return Caller(session["user_id"]) if session.get("user_id") else None


session_auth = SessionAuth[Caller, Any](
    retrieve_user_handler=session_user,
    session_backend_config=ServerSideSessionConfig(),
    exclude=["/auth/login", "/schema", "^/$", "/login"],
)


@post("/auth/login")
async def auth_login(request: Request[Any, Any, Any]) -> dict[str, str]:
    request.set_session({"user_id": "joe"})
    return {"id": "joe"}


@get("/auth/me", sync_to_thread=False)
def auth_me(request: Request[Any, Any, Any]) -> str:
    return str(request.user.id)


PARTS: dict[str, dict[str, Any]] = {
    "none": {},
    "server": {"middleware": [ServerSideSessionConfig().middleware]},
    "cookie": {"middleware": [CookieBackendConfig(secret=os.urandom(16)).middleware]},
    "flash": {
        "template_config": template_config,
        "plugins": [FlashPlugin(config=FlashConfig(template_config=template_config))],
        "route_handlers": [flashing, flashed],
    },
    "jwt": {"on_app_init": [jwt_auth.on_app_init], "route_handlers": [jwt_login, jwt_me]},
    "session_auth": {
        "on_app_init": [session_auth.on_app_init],
        "route_handlers": [auth_login, auth_me],
    },
    "alchemy": {
        "plugins": [SQLAlchemyPlugin(config=alchemy_config)],
        "route_handlers": [create_author, authors, AuthorController],
    },
    "mount": {"route_handlers": [mounted]},
    "channels": {"plugins": [channels], "route_handlers": [publish]},
    "compression": {
        "compression_config": CompressionConfig(backend="brotli", brotli_gzip_fallback=True)
    },
    "rate": {
        "middleware": [
            RateLimitConfig(rate_limit=("minute", 3), exclude=["/login", "/account"]).middleware
        ]
    },
    "csrf": {"csrf_config": CSRFConfig(secret="my-secret")},
    "cors": {"cors_config": CORSConfig(allow_origins=["https://spa.example.com"])},
    "hosts": {"allowed_hosts": AllowedHostsConfig(allowed_hosts=["my-service.example.com"])},
    "handlers": {"exception_handlers": {404: own_404, 500: own_500}},
    "http_handler": {"exception_handlers": {HTTPException: own_500}},
    "openapi": {
        "openapi_config": OpenAPIConfig(
            title="My API",
            version="1.0.0",
            render_plugins=[ScalarRenderPlugin(), SwaggerRenderPlugin()],
        )
    },
    "prometheus": {
        "middleware": [PrometheusConfig().middleware],
        "route_handlers": [PrometheusController],
    },
}
