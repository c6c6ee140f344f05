"""What the documentations show; `PARTS` names configurations of `packages`, or modules, to use."""

import os
from importlib import import_module
from typing import Any

import sentry_sdk

from . import everyday, packages

if dsn := os.environ.get("PARTS_DSN"):
    # https://docs.sentry.io/platforms/python/integrations/litestar/
    local_variables = os.environ["PARTS_LOCAL_VARIABLES"] == "yes"
    sentry_sdk.init(dsn=dsn, traces_sample_rate=1.0, include_local_variables=local_variables)

HANDLERS: list[Any] = [*everyday.Handlers.routes, *packages.ROUTES]
PLUGINS: list[Any] = []
OPTIONS: dict[str, Any] = {"stores": {"own": everyday.store}}
for name in os.environ.get("PARTS", "").split():
    found = packages.PARTS.get(name)
    part = dict(import_module(f".{name}", __package__).PART if found is None else found)
    HANDLERS += part.pop("route_handlers", [])
    PLUGINS += part.pop("plugins", [])
    for option, value in part.items():
        OPTIONS[option] = [*OPTIONS.get(option, []), *value] if isinstance(value, list) else value
