"""Flask-JWT-Extended: its basic usage."""

from flask import Blueprint, Flask, jsonify, request
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

from . import keys

blueprint = Blueprint("jwt", __name__, url_prefix="/jwt")


@blueprint.route("/login", methods=["POST"])
def login():
    username = request.json.get("username", None)
    password = request.json.get("password", None)
    if username != "test" or password != "test":
        return jsonify({"msg": "Bad username or password"}), 401
    return jsonify(access_token=create_access_token(identity=username))


@blueprint.route("/protected", methods=["GET", "POST"])
@jwt_required()
def protected():
    return jsonify(logged_in_as=get_jwt_identity()), 200


def init_app(app: Flask) -> None:
    keys.init_app(app)
    JWTManager(app)
    app.register_blueprint(blueprint)
