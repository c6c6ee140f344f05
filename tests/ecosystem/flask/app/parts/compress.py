"""Flask-Compress: its introduction."""

from flask import Blueprint, Flask
from flask_compress import Compress

from ...adapter import login_not_required

blueprint = Blueprint("compressed", __name__)


@blueprint.get("/long")
@login_not_required
def long():
    return "word " * 2000


def init_app(app: Flask) -> None:
    Compress(app)
    app.register_blueprint(blueprint)
