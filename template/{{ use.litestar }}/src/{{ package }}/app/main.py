"""The application: put your controllers here."""

from __future__ import annotations

import time
from collections.abc import Callable

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from ..adapter.asgi import Guarded
from ..adapter.compose import compose
from ..adapter.web import PolicyPlugin, protect
from ..config import Settings, load
from .api import NotesApi
from .database import Database
from .deps import DEPENDENCIES
from .pages import Account, NotesPages, Pages


def create_app(
    settings: Settings | None = None,
    *,
    clock: Callable[[], float] = time.time,
    blank_server: bool = False,
) -> Guarded:
    """Build the service from `settings`, by default from the environment."""
    settings = settings or load()
    guard = compose(settings, clock, blank_server=blank_server)
    service = guard.policy.service
    schema = OpenAPIConfig(
        title=service.name,
        version="0.1.0",
        description=service.description,
        render_plugins=[JsonRenderPlugin()],
    )
    app = Litestar(
        [Pages, Account, NotesPages, NotesApi],
        dependencies=DEPENDENCIES,
        openapi_config=None if settings.production else schema,
        plugins=[PolicyPlugin()],
    )
    app.state.database = Database(settings.database_url)
    guard.ready.append(app.state.database.ping)
    return protect(app, guard)
