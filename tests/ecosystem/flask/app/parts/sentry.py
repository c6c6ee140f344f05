"""Sentry: its quick start for Flask."""

import os

import sentry_sdk
from flask import Blueprint, Flask

from ...adapter import login_not_required

blueprint = Blueprint("sentry", __name__)


@blueprint.route("/debug-sentry", methods=["GET", "POST"])
@login_not_required
def trigger_error():
    1 / 0  # noqa: B018 - as the documentation has it


def init_app(app: Flask) -> None:
    sentry_sdk.init(dsn=os.environ["PARTS_DSN"], traces_sample_rate=1.0)
    app.register_blueprint(blueprint)
