"""Flask-CORS: its simple usage, for one path."""

from flask import Blueprint, Flask
from flask_cors import CORS

from ...adapter import login_not_required

blueprint = Blueprint("shared", __name__)


@blueprint.get("/shared/data")
@login_not_required
def data():
    return {"data": 1}


def init_app(app: Flask) -> None:
    CORS(app, resources={r"/shared/*": {"origins": "https://spa.example.com"}})
    app.register_blueprint(blueprint)
