"""Django's settings: what the template derives from the policy and the environment, and yours."""

from __future__ import annotations

from ..adapter.settings import *  # noqa: F403 - settings of Django are names of a module

# INSTALLED_APPS += ["yours"]
