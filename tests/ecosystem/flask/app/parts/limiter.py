"""Flask-Limiter: its quick start."""

from flask import Blueprint, Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from ...adapter import login_not_required

limiter = Limiter(
    get_remote_address,
    default_limits=["200 per day", "50 per hour"],
    storage_uri="memory://",
    headers_enabled=True,
)
blueprint = Blueprint("limited", __name__)


@blueprint.route("/slow")
@limiter.limit("2 per day")
@login_not_required
def slow():
    return ":("


@blueprint.route("/fast")
@login_not_required
def fast():
    return ":)"


@blueprint.route("/ping")
@limiter.exempt
@login_not_required
def ping():
    return "PONG"


def init_app(app: Flask) -> None:
    limiter.init_app(app)
    app.register_blueprint(blueprint)
