"""Flask-SQLAlchemy, Flask-Migrate: their quick starts."""

import os

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask_login import UserMixin
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
migrate = Migrate()


class Member(UserMixin, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(db.String(80), unique=True, nullable=False)
    email: Mapped[str | None] = mapped_column(db.String(120))
    posts: Mapped[list["Post"]] = relationship(back_populates="author")

    def __str__(self):
        return self.username


class Post(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(db.String(80))
    author_id: Mapped[int | None] = mapped_column(db.ForeignKey("member.id"))
    author: Mapped[Member | None] = relationship(back_populates="posts")


members = Blueprint("members", __name__, url_prefix="/members", template_folder="templates")


@members.route("/")
def user_list():
    users = db.session.execute(db.select(Member).order_by(Member.username)).scalars()
    return render_template("members.html", users=users)


@members.route("/create", methods=["GET", "POST"])
def user_create():
    if request.method == "POST":
        user = Member(username=request.form["username"], email=request.form["email"])
        db.session.add(user)
        db.session.commit()
        flash("Created.")
        return redirect(url_for("members.user_detail", id=user.id))
    return render_template("create.html")


@members.route("/page")
def page():
    found = db.paginate(db.select(Member).order_by(Member.id), per_page=1)
    return {"items": [each.username for each in found.items], "pages": found.pages}


@members.route("/<int:id>")
def user_detail(id):
    user = db.get_or_404(Member, id)
    return render_template("member.html", member=user)


def init_app(app: Flask) -> None:
    folder = os.environ["PARTS_FOLDER"]
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/members.sqlite3"
    db.init_app(app)
    migrate.init_app(app, db)
    app.register_blueprint(members)
    if "PARTS_MIGRATED" not in os.environ:
        with app.app_context():
            db.create_all()
