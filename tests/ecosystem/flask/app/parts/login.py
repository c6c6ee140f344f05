"""Flask-Login: its documentation, with the members of Flask-SQLAlchemy."""

import flask
from flask import Blueprint, Flask, abort, redirect, render_template, request, url_for
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
)

from ...adapter import current_auth
from . import keys, models

login_manager = LoginManager()
blueprint = Blueprint("club", __name__, url_prefix="/club", template_folder="templates")


class Person(UserMixin):
    """A user of the service."""

    def __init__(self, user_id):
        self.id = user_id


@login_manager.user_loader
def load_user(user_id):
    # Users of the service have ids of another kind.
    if not user_id.isdecimal():
        return Person(user_id)
    return models.db.session.get(models.Member, int(user_id))


@login_manager.request_loader
def load_user_from_request(request):
    api_key = request.headers.get("Authorization")
    if api_key:
        api_key = api_key.replace("Basic ", "", 1)
        return models.db.session.execute(
            models.db.select(models.Member).filter_by(email=api_key)
        ).scalar()
    return None


@blueprint.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "POST":
        user = models.db.session.execute(
            models.db.select(models.Member).filter_by(username=request.form["username"])
        ).scalar()
        if user is None:
            abort(401)
        login_user(user, remember="remember" in request.form)
        flask.flash("Logged in successfully.")
        return redirect(request.args.get("next") or url_for("club.settings"))
    return render_template("club_login.html")


@blueprint.post("/enter")
def enter():
    # As when another service has told who it is.
    account = current_auth.service.accounts.find(request.form["username"])
    if account is None:
        abort(401)
    login_user(Person(account.id), remember="remember" in request.form)
    return redirect(url_for("club.inside"))


@blueprint.route("/inside")
@login_required
def inside():
    return f"user {current_user.get_id()}"


@blueprint.route("/settings")
@login_required
def settings():
    return render_template("club_settings.html")


@blueprint.route("/fresh")
@fresh_login_required
def fresh():
    return "fresh"


@blueprint.route("/api")
@login_required
def api():
    return {"name": current_user.username}


@blueprint.route("/whoami")
def whoami():
    return {"anonymous": current_user.is_anonymous}


@blueprint.route("/logout", methods=["GET", "POST"])
@login_required
def logout():
    logout_user()
    return redirect("/")


def init_app(app: Flask) -> None:
    keys.init_app(app)
    login_manager.login_view = "club.login"
    login_manager.refresh_view = "club.login"
    login_manager.init_app(app)
    app.register_blueprint(blueprint)
