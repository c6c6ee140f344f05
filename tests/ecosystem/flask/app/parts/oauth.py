"""Authlib: its Flask client, an authorization code with OpenID Connect's parameters."""

import os

from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, redirect, session, url_for

from ...adapter import login_not_required
from . import keys

oauth = OAuth()
blueprint = Blueprint("oauth", __name__)


@blueprint.route("/oauth/login")
@login_not_required
def login():
    redirect_uri = url_for("oauth.authorize", _external=True)
    return oauth.github.authorize_redirect(redirect_uri)


@blueprint.route("/oauth/authorize")
@login_not_required
def authorize():
    token = oauth.github.authorize_access_token()
    resp = oauth.github.get("user", token=token)
    resp.raise_for_status()
    session["profile"] = resp.json()["login"]
    return redirect("/oauth/profile")


@blueprint.route("/oauth/profile")
@login_not_required
def profile():
    return {"profile": session.get("profile")}


def init_app(app: Flask) -> None:
    keys.init_app(app)
    provider = os.environ["PARTS_PROVIDER"]
    oauth.init_app(app)
    oauth.register(
        name="github",
        client_id="id",
        client_secret="secret",
        access_token_url=f"{provider}/token",
        authorize_url="https://provider.example/authorize",
        api_base_url=f"{provider}/",
        client_kwargs={"scope": "user:email", "code_challenge_method": "S256"},
    )
    app.register_blueprint(blueprint)
