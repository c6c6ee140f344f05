"""Flask-WTF: its quick start, its file upload, its CSRF protection."""

from flask import Blueprint, Flask, redirect, render_template
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from flask_wtf.file import FileAllowed, FileField, FileRequired, MultipleFileField
from werkzeug.utils import secure_filename
from wtforms import SelectMultipleField, StringField
from wtforms.validators import DataRequired, Email

csrf = CSRFProtect()
blueprint = Blueprint("forms", __name__, url_prefix="/forms", template_folder="templates")


class Token:
    """In the place of `csrf_field`, which each form of the template has: made when asked for."""

    def __html__(self):
        return f'<input type="hidden" name="csrf_token" value="{generate_csrf()}">'


class MyForm(FlaskForm):
    name = StringField("name", validators=[DataRequired()])
    email = StringField("email", validators=[DataRequired(), Email()])
    colours = SelectMultipleField("colours", choices=[("r", "red"), ("g", "green")])


class PhotoForm(FlaskForm):
    photo = FileField(validators=[FileRequired(), FileAllowed(["png"], "Images only!")])


class AlbumForm(FlaskForm):
    photos = MultipleFileField("photos")


@blueprint.route("/submit", methods=["GET", "POST"])
def submit():
    form = MyForm()
    if form.validate_on_submit():
        return redirect("/forms/success/" + "".join(form.colours.data))
    return render_template("submit.html", form=form)


@blueprint.route("/success/<colours>")
def success(colours):
    return colours


@blueprint.route("/upload", methods=["GET", "POST"])
def upload():
    form = PhotoForm()
    if form.validate_on_submit():
        f = form.photo.data
        filename = secure_filename(f.filename)
        return {"name": filename, "size": len(f.read())}
    return render_template("upload.html", form=form)


@blueprint.route("/album", methods=["GET", "POST"])
def album():
    form = AlbumForm()
    if form.validate_on_submit():
        return {"sizes": [len(each.read()) for each in form.photos.data]}
    return render_template("upload.html", form=form)


@blueprint.route("/script", methods=["POST"])
def script():
    return {"ok": True}


def handle_csrf_error(e):
    return render_template("csrf_error.html", reason=e.description), 400


def init_app(app: Flask) -> None:
    from . import keys

    keys.init_app(app)
    csrf.init_app(app)
    app.context_processor(lambda: {"csrf_field": Token()})
    app.register_error_handler(CSRFError, handle_csrf_error)
    app.register_blueprint(blueprint)
