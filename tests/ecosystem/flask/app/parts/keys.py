"""`SECRET_KEY`, which most extensions ask for."""

import os

from flask import Flask


def init_app(app: Flask) -> None:
    app.config["SECRET_KEY"] = os.environ["PARTS_SECRET"]
