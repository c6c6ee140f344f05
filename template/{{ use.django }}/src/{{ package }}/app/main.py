"""The application: Django's, with the policy around it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

from django.core.wsgi import get_wsgi_application

from ..adapter import Settings, load_settings, secure


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> Callable[..., Iterable[bytes]]:
    """Build the service from `settings`, by default from the environment.

    Django's own settings come from the environment in any case.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"{__package__}.settings")
    return secure(get_wsgi_application(), settings or load_settings(), clock=clock)
