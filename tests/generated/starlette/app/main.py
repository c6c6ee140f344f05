"""The application: put your routes here."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.applications import Starlette

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
    app = Starlette(routes=[*pages.routes, *api.routes])
    app.state.database = Database(settings.database_url)
    guard.ready.append(app.state.database.ping)
    return protect(app, guard)
