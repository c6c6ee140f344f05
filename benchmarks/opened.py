"""Routes that a fact opens, written as each framework's documentation does: an upload, an echo."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

UPLOAD, ECHO = "/bench/upload", "/bench/echo"


def add(framework: str, app: Any) -> None:
    """Add them to an application, of Django to the module of its addresses."""
    {"fastapi": _fastapi, "flask": _flask, "django": _django, "litestar": _litestar}[framework](app)


def _public(view: Callable[..., Any]) -> Callable[..., Any]:
    view.login_required = False  # type: ignore[attr-defined] # of a function
    return view


def _fastapi(app: Any) -> None:
    fastapi = importlib.import_module("fastapi")

    async def upload(file: Any) -> dict[str, int]:
        return {"size": file.size}

    async def echo(socket: Any) -> None:
        await socket.accept()
        with suppress(fastapi.WebSocketDisconnect):
            while True:
                await socket.send_text(await socket.receive_text())

    upload.__annotations__["file"] = fastapi.UploadFile
    echo.__annotations__["socket"] = fastapi.WebSocket
    app.add_api_route(UPLOAD, _public(upload), methods=["POST"])
    app.add_api_websocket_route(ECHO, _public(echo))


def _litestar(app: Any) -> None:
    litestar = importlib.import_module("litestar")

    async def upload(request: Any) -> dict[str, int]:
        file = (await request.form())["file"]
        # As Starlette counts: where the end is.
        return {"size": file.file.seek(0, 2)}

    async def echo(socket: Any) -> None:
        await socket.accept()
        with suppress(importlib.import_module("litestar.exceptions").WebSocketDisconnect):
            while True:
                await socket.send_text(await socket.receive_text())

    upload.__annotations__["request"] = litestar.Request
    echo.__annotations__["socket"] = litestar.WebSocket
    wide = litestar.post(UPLOAD, exclude_from_auth=True, request_max_body_size=None)
    app.register(wide(upload))
    app.register(litestar.websocket(ECHO, exclude_from_auth=True)(echo))


def _flask(app: Any) -> None:
    flask = importlib.import_module("flask")

    def upload() -> dict[str, int]:
        return {"size": flask.request.files["file"].seek(0, 2)}

    app.add_url_rule(UPLOAD, UPLOAD, _public(upload), methods=["POST"])


def _django(app: Any) -> None:
    http = importlib.import_module("django.http")
    exempt = importlib.import_module("django.views.decorators.csrf").csrf_exempt

    def upload(request: Any) -> Any:
        return http.JsonResponse({"size": request.FILES["file"].size})

    route = importlib.import_module("django.urls").path
    app.urlpatterns.insert(0, route(UPLOAD[1:], exempt(_public(upload))))
