"""The application."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from django.core.wsgi import get_wsgi_application

from ..adapter import database
from ..adapter.compose import compose
from ..adapter.service import adopt
from ..adapter.wsgi import Guarded
from ..config import Settings, load

os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{__package__}.settings")


def create_app(
    settings: Settings | None = None,
    *,
    clock: Callable[[], float] = time.time,
    blank_server: bool = False,
) -> Guarded:
    """Build the service from `settings`, by default from the environment.

    Django's own settings come from the environment in any case.
    """
    guard = compose(settings or load(), clock, blank_server=blank_server)
    application = get_wsgi_application()
    adopt(guard)
    database.prepare()
    guard.ready.append(database.ping)
    return Guarded(application, guard)
