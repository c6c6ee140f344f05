"""Flask-Security-Too, as its quick start with Flask-SQLAlchemy shows it."""

import os
from functools import partial
from pathlib import Path

from flask import Flask, render_template_string
from flask_security import (
    LoginForm,
    Security,
    SQLAlchemyUserDatastore,
    VerifyForm,
    auth_required,
    hash_password,
)
from flask_security.models import fsqla_v3 as fsqla
from flask_sqlalchemy import SQLAlchemy

from ...adapter import current_auth

db = SQLAlchemy()
fsqla.FsModels.set_db_info(db)


class Role(db.Model, fsqla.FsRoleMixin):
    pass


class WebAuthn(db.Model, fsqla.FsWebAuthnMixin):
    pass


class User(db.Model, fsqla.FsUserMixin):
    pass


class CountedLoginForm(LoginForm):
    def validate(self, **kwargs):
        return current_auth.counted(self.email.data or "", partial(super().validate, **kwargs))


class CountedVerifyForm(VerifyForm):
    def validate(self, **kwargs):
        return current_auth.counted(self.user.email, partial(super().validate, **kwargs))


def init_app(app: Flask) -> None:
    app.config["SECRET_KEY"] = os.environ["PARTS_SECRET"]
    app.config["SECURITY_PASSWORD_SALT"] = os.environ["PARTS_SECRET"]
    app.config["SECURITY_EMAIL_VALIDATOR_ARGS"] = {"check_deliverability": False}
    app.config["SECURITY_REGISTERABLE"] = True
    app.config["SECURITY_SEND_REGISTER_EMAIL"] = False
    app.config["SECURITY_URL_PREFIX"] = "/accounts"
    path = str(Path(os.environ["PARTS_FOLDER"]) / "accounts.sqlite")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{path}"
    db.init_app(app)
    app.security = Security(
        app,
        SQLAlchemyUserDatastore(db, User, Role),
        login_form=CountedLoginForm,
        verify_form=CountedVerifyForm,
    )
    with app.app_context():
        db.create_all()
        if not app.security.datastore.find_user(email="test@example.com"):
            app.security.datastore.create_user(
                email="test@example.com", password=hash_password("password")
            )
        db.session.commit()

    @app.route("/accounts/home")
    @auth_required()
    def accounts_home():
        return render_template_string("Hello {{ current_user.email }}!")
