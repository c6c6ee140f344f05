"""Plugins that come with Litestar, events, and what is kept of a page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import strawberry
from litestar import Litestar, Request, get, post
from litestar.events import listener
from litestar.plugins.htmx import HTMXPlugin, HTMXRequest, HTMXTemplate
from litestar.plugins.structlog import StructlogPlugin
from litestar.response import Template
from strawberry.litestar import make_graphql_controller

TOLD: list[str] = []


# https://docs.litestar.dev/latest/usage/logging.html
@get("/logs", exclude_from_auth=True)
async def logs(request: Request[Any, Any, Any]) -> None:
    request.logger.info("inside a request", number=4711)


# https://docs.litestar.dev/latest/usage/htmx.html
@get("/form", exclude_from_auth=True)
async def get_form(request: HTMXRequest) -> Template:
    text = "<p>part</p>" if request.htmx else "<html>whole</html>"
    return HTMXTemplate(template_str=text, push_url="/pushed")


# https://docs.litestar.dev/latest/usage/events.html
@listener("user_created")
async def send_welcome_email_handler(email: str) -> None:
    TOLD.append(email)


@post("/created", exclude_from_auth=True)
async def create_user_handler(request: Request[Any, Any, Any], email: str) -> int:
    request.app.emit("user_created", email=email)
    return int(request.app.state.opened)


@get("/created", exclude_from_auth=True)
async def told() -> list[str]:
    return TOLD


@asynccontextmanager
async def opened(app: Litestar) -> AsyncGenerator[None, None]:
    app.state.opened = 1
    yield


# https://docs.litestar.dev/latest/usage/caching.html
@get("/kept", exclude_from_auth=True, cache=60, sync_to_thread=False)
def kept() -> Template:
    return Template("home.html")


# https://strawberry.rocks/docs/integrations/litestar
@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "Hello World"


PART: dict[str, Any] = {
    "plugins": [StructlogPlugin(), HTMXPlugin()],
    "listeners": [send_welcome_email_handler],
    "lifespan": [opened],
    "route_handlers": [
        logs,
        get_form,
        create_user_handler,
        told,
        kept,
        make_graphql_controller(strawberry.Schema(Query), path="/graphql"),
    ],
}
