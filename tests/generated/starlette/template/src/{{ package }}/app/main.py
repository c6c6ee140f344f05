"""The application: put your routes here."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

from starlette.applications import Starlette

from ..adapter import Settings, load_settings, secure, templates
from . import factors, notes, pages
from .database import Database
from .users import Users

FEATURES: tuple[ModuleType, ...] = (notes,)
"""Each has its `routes` and a place in the `NAVIGATION`."""


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> Starlette:
    """Build the service from `settings`, by default from the environment.

    Who is not logged in sees only what says `@login_not_required`.
    """
    settings = settings or load_settings()
    database = Database(settings.database_url)
    features = [route for feature in FEATURES for route in feature.routes]
    app = Starlette(routes=[*pages.routes, *factors.routes, *features])
    app.state.database = database
    templates.env.globals["navigation"] = [feature.NAVIGATION for feature in FEATURES]
    return secure(app, settings, Users(database), ready=[database.ping], clock=clock)
