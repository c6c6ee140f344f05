"""Flask-Babel: its introduction."""

from datetime import date

from flask import Blueprint, Flask, render_template_string, request
from flask_babel import Babel, format_date, get_locale, gettext

from ...adapter import login_not_required

blueprint = Blueprint("languages", __name__)


def select_locale():
    return request.accept_languages.best_match(["de", "fr", "en"])


@blueprint.get("/today")
@login_not_required
def today():
    return {
        "locale": str(get_locale()),
        "date": format_date(date(2026, 3, 1)),
        "text": gettext("Hello World!"),
        "template": render_template_string("{{ _('Hello') }}"),
    }


def init_app(app: Flask) -> None:
    Babel(app, locale_selector=select_locale)
    app.register_blueprint(blueprint)
