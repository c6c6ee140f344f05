"""Sentry: https://docs.sentry.io/platforms/python/integrations/fastapi/."""

import os

import sentry_sdk
from fastapi import FastAPI

from ...adapter import login_not_required

sentry_sdk.init(dsn=os.environ.get("PARTS_DSN"), traces_sample_rate=1.0)


def add_to(app: FastAPI) -> None:
    @app.api_route("/sentry-debug", methods=["GET", "POST"])
    @login_not_required
    async def trigger_error():
        return 1 / 0
