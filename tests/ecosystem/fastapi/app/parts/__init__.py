"""Each module has the code that a documentation shows; `PARTS` names those to load."""

import os
from importlib import import_module

from fastapi import FastAPI

from . import everyday as everyday


def add_to(app: FastAPI) -> None:
    for name in os.environ.get("PARTS", "").split():
        import_module(f".{name}", __package__).add_to(app)
