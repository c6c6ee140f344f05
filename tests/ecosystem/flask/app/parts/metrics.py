"""prometheus-flask-exporter: its introduction."""

from flask import Blueprint, Flask
from prometheus_flask_exporter import PrometheusMetrics

from ...adapter import login_not_required

metrics = PrometheusMetrics.for_app_factory()
blueprint = Blueprint("measured", __name__)


@blueprint.route("/skip")
@metrics.do_not_track()
@login_not_required
def skip():
    return "skipped"


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    metrics.init_app(app)
