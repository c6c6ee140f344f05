"""Each module has the code that a package's documentation shows; `PARTS` names those to load."""

import os
from importlib import import_module

from flask import Flask


def init_app(app: Flask) -> None:
    for name in os.environ.get("PARTS", "").split():
        import_module(f".{name}", __package__).init_app(app)


def around(app: Flask) -> Flask:
    for name in os.environ.get("PARTS", "").split():
        part = import_module(f".{name}", __package__)
        if hasattr(part, "around"):
            part.around(app)
    return app
