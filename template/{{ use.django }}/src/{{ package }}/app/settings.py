"""Django's settings: what the template derives from the policy and the environment, and yours."""

from __future__ import annotations

from ..adapter.settings import *  # noqa: F403 - settings of Django are names of a module

_PACKAGE = __name__.partition(".")[0]

INSTALLED_APPS += [  # noqa: F405 - defined there
    f"{_PACKAGE}.app.notes",
]
