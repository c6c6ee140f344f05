"""Flask-Admin: its first page, with Flask-SQLAlchemy's models, and files."""

import os
from pathlib import Path

from flask import Flask
from flask_admin import Admin, BaseView, expose
from flask_admin.contrib.fileadmin import FileAdmin
from flask_admin.contrib.sqla import ModelView
from flask_admin.form import SecureForm

from ...adapter import current_auth
from . import keys, models


class Guarded(ModelView):
    form_base_class = SecureForm
    column_searchable_list = ("username",)
    column_filters = ("username",)
    can_export = True

    def is_accessible(self):
        return bool(current_auth.user)


class MyView(BaseView):
    @expose("/")
    def index(self):
        return self.render("analytics.html")


def init_app(app: Flask) -> None:
    keys.init_app(app)
    app.config["FLASK_ADMIN_SWATCH"] = "cerulean"
    folder = os.environ["PARTS_FOLDER"] + "/files"
    Path(folder).mkdir(exist_ok=True)
    admin = Admin(app, name="microblog")
    admin.add_view(Guarded(models.Member, models.db))
    admin.add_view(ModelView(models.Post, models.db))
    admin.add_view(FileAdmin(folder, "/uploads/", name="Files"))
    admin.add_view(MyView(name="Analytics", endpoint="analytics"))
