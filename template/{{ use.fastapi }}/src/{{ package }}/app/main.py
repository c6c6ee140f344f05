"""The application: put your routers here."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

from fastapi import FastAPI

from ..adapter import Settings, load_settings, secure, templates
from . import factors, notes, pages
from .database import Database
from .users import Users

FEATURES: tuple[ModuleType, ...] = (notes,)
"""Each has a `router` and a place in the `NAVIGATION`."""


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> FastAPI:
    """Build the service from `settings`, by default from the environment.

    Who is not logged in sees only what says `@login_not_required`.
    """
    settings = settings or load_settings()
    database = Database(settings.database_url)
    # Else it asks OpenTelemetry at every request, and configures itself from OTEL_* variables.
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    app.state.database = database
    templates.env.globals["navigation"] = [feature.NAVIGATION for feature in FEATURES]
    app.include_router(pages.router)
    app.include_router(factors.router)
    for feature in FEATURES:
        app.include_router(feature.router)
    return secure(app, settings, Users(database), ready=[database.ping], clock=clock)
