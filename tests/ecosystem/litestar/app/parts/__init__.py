"""What the documentations show; `PARTS` names the configurations of `packages` to use."""

import os
from typing import Any

import sentry_sdk

from . import everyday, packages

if dsn := os.environ.get("PARTS_DSN"):
    # https://docs.sentry.io/platforms/python/integrations/litestar/
    sentry_sdk.init(dsn=dsn, traces_sample_rate=1.0)

HANDLERS: list[Any] = [*everyday.Handlers.routes, *packages.ROUTES]
PLUGINS: list[Any] = []
OPTIONS: dict[str, Any] = {"stores": {"own": everyday.store}}
for name in os.environ.get("PARTS", "").split():
    part = dict(packages.PARTS[name])
    HANDLERS += part.pop("route_handlers", [])
    PLUGINS += part.pop("plugins", [])
    for option, value in part.items():
        OPTIONS[option] = [*OPTIONS.get(option, []), *value] if isinstance(value, list) else value
