"""Flask-Talisman, as its documentation shows it."""

from flask import Flask
from flask_talisman import Talisman


def init_app(app: Flask) -> None:
    Talisman(
        app,
        content_security_policy={"default-src": "'self'", "script-src": "'self'"},
        content_security_policy_nonce_in=["script-src"],
    )
