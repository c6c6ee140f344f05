"""Celery: Flask's pattern "Background Tasks with Celery"."""

import os

from celery import Celery, Task, shared_task
from celery.result import AsyncResult
from flask import Blueprint, Flask, request

blueprint = Blueprint("tasks", __name__, url_prefix="/tasks")


def celery_init_app(app: Flask) -> Celery:
    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


@shared_task(ignore_result=False)
def measure(text):
    return len(text)


@blueprint.post("/")
def start():
    return {"id": measure.delay(request.form["text"]).id}


@blueprint.get("/<id>/")
def result(id):
    found = AsyncResult(id)
    return {"ready": found.ready(), "result": found.result if found.ready() else None}


def init_app(app: Flask) -> None:
    redis = os.environ["PARTS_REDIS"]
    app.config.from_mapping(
        CELERY={"broker_url": redis, "result_backend": redis, "task_ignore_result": True}
    )
    celery_init_app(app)
    app.register_blueprint(blueprint)
