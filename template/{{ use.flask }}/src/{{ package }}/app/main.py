"""The application: register your blueprints here."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from ..adapter.compose import compose
from ..adapter.web import protect
from ..adapter.wsgi import Guarded
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
    # Static files are the policy's; see `security.static`.
    app = Flask(__name__, static_folder=None)
    app.extensions["database"] = Database(settings.database_url)
    guard.ready.append(app.extensions["database"].ping)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(api.blueprint)
    return protect(app, guard)
