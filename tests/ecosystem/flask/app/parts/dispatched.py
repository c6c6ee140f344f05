"""Werkzeug's DispatcherMiddleware: Flask's pattern "Application Dispatching"."""

from flask import Flask, abort
from werkzeug.middleware.dispatcher import DispatcherMiddleware


def backend() -> Flask:
    app = Flask("backend")

    @app.get("/")
    def index():
        return "backend"

    @app.get("/missing")
    def missing():
        abort(404)

    return app


def init_app(app: Flask) -> None:
    pass


def around(app: Flask) -> None:
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/backend": backend()})
