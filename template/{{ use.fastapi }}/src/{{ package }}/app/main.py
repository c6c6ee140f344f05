"""The application: put your routers here."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI

from ..adapter.asgi import Guarded
from ..adapter.compose import compose
from ..adapter.web import protect
from ..config import Settings, load
from . import api, pages
from .database import Database


def create_app(
    settings: Settings | None = None,
    *,
    clock: Callable[[], float] = time.time,
    blank_server: bool = False,
) -> Guarded:
    """Build the service from `settings`, by default from the environment."""
    settings = settings or load()
    guard = compose(settings, clock, blank_server=blank_server)
    app = FastAPI(
        title=guard.policy.service.name,
        description=guard.policy.service.description,
        openapi_url=None if settings.production else "/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.database = Database(settings.database_url)
    guard.ready.append(app.state.database.ping)
    app.include_router(pages.router)
    app.include_router(api.router)
    return protect(app, guard)
