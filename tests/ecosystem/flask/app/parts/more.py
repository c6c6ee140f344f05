"""Flask-Principal, Flask-Reuploaded, Flask-Paginate, Bootstrap-Flask, Flask-Session, Flask-Dance,
Flask-Bcrypt, Flask-APScheduler, Flask-SocketIO, Peewee."""

import os
from pathlib import Path

from cachelib.file import FileSystemCache
from flask import (
    Blueprint,
    Flask,
    flash,
    redirect,
    render_template_string,
    request,
    session,
    url_for,
)
from flask_apscheduler import APScheduler
from flask_bcrypt import Bcrypt
from flask_bootstrap import Bootstrap5
from flask_dance.contrib.github import github, make_github_blueprint
from flask_paginate import Pagination, get_page_parameter
from flask_principal import Identity, Permission, Principal, RoleNeed, identity_loaded
from flask_session import Session
from flask_socketio import SocketIO, send
from flask_uploads import IMAGES, UploadSet, configure_uploads
from peewee import CharField, Model, SqliteDatabase

from ...adapter import current_auth, login_not_required

blueprint = Blueprint("more", __name__, url_prefix="/more")
admin_permission = Permission(RoleNeed("admin"))
photos = UploadSet("photos", IMAGES)
bcrypt = Bcrypt()
database = SqliteDatabase(None)
PAGE = """{% from 'bootstrap5/utils.html' import render_messages %}
{{ bootstrap.load_css() }}{{ render_messages() }}
{{ pagination.info }}{{ pagination.links }}{{ bootstrap.load_js(nonce=csp_nonce) }}"""


class Note(Model):
    text = CharField()

    class Meta:
        database = database


@blueprint.route("/admin")
@admin_permission.require(http_exception=403)
def do_admin_index():
    return "Only if you are an admin"


@blueprint.route("/upload", methods=["POST"])
def upload():
    filename = photos.save(request.files["photo"])
    flash("Photo saved.")
    return redirect(photos.url(filename))


@blueprint.route("/page")
def page():
    number = request.args.get(get_page_parameter(), type=int, default=1)
    pagination = Pagination(page=number, total=300, css_framework="bootstrap5")
    return render_template_string(PAGE, pagination=pagination)


@blueprint.route("/bcrypt")
def hashed():
    pw_hash = bcrypt.generate_password_hash("hunter2", 4)
    return {"fits": bcrypt.check_password_hash(pw_hash, "hunter2")}


@blueprint.route("/set")
@login_not_required
def set():
    session["key"] = "value"
    return "ok"


@blueprint.route("/get")
@login_not_required
def get():
    return session.get("key", "not set")


@blueprint.route("/dance")
def dance():
    if not github.authorized:
        return redirect(url_for("github.login"))
    return "You are @ on GitHub"


@blueprint.route("/peewee", methods=["POST"])
def peewee():
    Note.create(text=request.form["text"])
    return {"notes": [note.text for note in Note.select()]}


def init_app(app: Flask) -> None:
    folder = Path(os.environ["PARTS_FOLDER"])
    app.secret_key = os.environ["PARTS_SECRET"]
    app.config["UPLOADED_PHOTOS_DEST"] = str(folder / "photos")
    app.config["UPLOADS_AUTOSERVE"] = True
    configure_uploads(app, photos)
    Bootstrap5(app)
    bcrypt.init_app(app)
    app.config["SESSION_TYPE"] = "cachelib"
    app.config["SESSION_CACHELIB"] = FileSystemCache(cache_dir=str(folder / "sessions"))
    Session(app)
    app.register_blueprint(
        make_github_blueprint(client_id="my-key-here", client_secret="my-secret-here"),
        url_prefix="/github",
    )
    principals = Principal(app)

    @principals.identity_loader
    def load_identity():
        if user := current_auth.shown_user:
            return Identity(user.id)
        return None

    @identity_loaded.connect_via(app)
    def on_identity_loaded(sender, identity):
        user = current_auth.shown_user
        if user and user.name == "principal":
            identity.provides.add(RoleNeed("admin"))

    scheduler = APScheduler()
    scheduler.init_app(app)

    @scheduler.task("interval", id="do_job_1", seconds=1)
    def job1():
        with scheduler.app.app_context():
            text = render_template_string("by {{ pid }}", pid=os.getpid())
            with (folder / "job").open("a") as file:
                file.write(f"{text}\n")

    scheduler.start()
    socketio = SocketIO(app)

    @socketio.on("message")
    def handle_message(data):
        send(f"received message: {data}")

    database.init(folder / "peewee.sqlite")

    @app.before_request
    def _db_connect():
        database.connect()

    @app.teardown_request
    def _db_close(exc):
        if not database.is_closed():
            database.close()

    with database:
        database.create_tables([Note])
    app.register_blueprint(blueprint)
