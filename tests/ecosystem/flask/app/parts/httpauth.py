"""Flask-HTTPAuth: Basic, Digest, tokens, and several of them."""

import os

from flask import Blueprint, Flask
from flask_httpauth import HTTPBasicAuth, HTTPDigestAuth, HTTPTokenAuth, MultiAuth
from werkzeug.security import check_password_hash, generate_password_hash

from ...adapter import current_auth

blueprint = Blueprint("http_auth", __name__, url_prefix="/httpauth")
basic = HTTPBasicAuth()
digest = HTTPDigestAuth()
token = HTTPTokenAuth(scheme="Bearer")
multi = MultiAuth(basic, token)
users = {"john": generate_password_hash("hello"), "susan": generate_password_hash("bye")}


@basic.verify_password
def verify_password(username, password):
    def check():
        return username in users and check_password_hash(users.get(username), password)

    # Without a header it is called, too.
    return username if username and current_auth.counted(username, check) else None


@basic.get_user_roles
def get_user_roles(user):
    return ["admin"] if user == "susan" else []


@digest.get_password
def get_pw(username):
    return {"john": "hello"}.get(username)


@token.verify_token
def verify_token(token):
    return {"secret-token-1": "john"}.get(token)


@blueprint.route("/basic")
@basic.login_required
def with_basic():
    return f"Hello, {basic.current_user()}!"


@blueprint.route("/admin")
@basic.login_required(role="admin")
def with_role():
    return f"Hello {basic.current_user()}, you are an admin!"


@blueprint.route("/digest")
@digest.login_required
def with_digest():
    return f"Hello, {digest.username()}!"


@blueprint.route("/multi")
@multi.login_required
def with_multi():
    return f"Hello, {multi.current_user()}!"


def init_app(app: Flask) -> None:
    app.config["SECRET_KEY"] = os.environ["PARTS_SECRET"]
    app.register_blueprint(blueprint)
