# Owned by the template: extend, do not edit.
"""How the server talks to the application."""

from __future__ import annotations

from typing import Any


def server_app(app: Any) -> Any:
    """Return what an ASGI server runs: the application itself."""
    return app
