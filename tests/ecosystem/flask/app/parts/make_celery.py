"""Celery: what its worker is told to load."""

from ..main import create_app

flask_app = create_app()
celery_app = flask_app.extensions["celery"]
