"""The application: put your controllers here."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

from litestar import Litestar
from litestar.datastructures import State

from ..adapter import SecurityPlugin, Settings, load_settings, secure, templates
from . import factors, notes, pages
from .database import Database
from .users import Users

FEATURES: tuple[ModuleType, ...] = (notes,)
"""Each has a `router` and a place in the `NAVIGATION`."""


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> Litestar:
    """Build the service from `settings`, by default from the environment.

    Who is not logged in sees only what says `exclude_from_auth=True`.
    """
    settings = settings or load_settings()
    database = Database(settings.database_url)
    templates.globals["navigation"] = [feature.NAVIGATION for feature in FEATURES]
    security = SecurityPlugin(settings, Users(database), ready=[database.ping], clock=clock)
    app = Litestar(
        [pages.router, factors.router, *(feature.router for feature in FEATURES)],
        plugins=[security],
        state=State({"database": database}),
    )
    return secure(app)
