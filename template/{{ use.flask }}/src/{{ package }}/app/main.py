"""The application: register your blueprints here."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

from flask import Flask

from ..adapter import Settings, load_settings, secure
from . import factors, notes, pages
from .database import Database
from .users import Users

FEATURES: tuple[ModuleType, ...] = (notes,)
"""Each has a `blueprint` and a place in the `NAVIGATION`."""


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> Flask:
    """Build the service from `settings`, by default from the environment.

    Who is not logged in sees only what says `@login_not_required`.
    """
    settings = settings or load_settings()
    database = Database(settings.database_url)
    app = Flask(__name__)
    app.extensions["database"] = database
    app.context_processor(lambda: {"navigation": [each.NAVIGATION for each in FEATURES]})
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(factors.blueprint)
    for feature in FEATURES:
        app.register_blueprint(feature.blueprint)
    return secure(app, settings, Users(database), ready=[database.ping], clock=clock)
