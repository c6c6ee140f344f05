"""The service as a WSGI application, for tools that look for it here."""

from __future__ import annotations

from .main import create_app

application = create_app()
