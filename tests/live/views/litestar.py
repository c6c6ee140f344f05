"""Views of Litestar for tests of bodies and connections; in a generated project `app/probe/`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar import Response, Router, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import UploadFile
from litestar.params import FromQuery, MultipartBody
from litestar.response import File, Stream

from ...adapter import Request
from . import material
from .material import NAVIGATION as NAVIGATION


@dataclass
class Upload:
    """What the form has."""

    text: str
    file: UploadFile


@get("/facts", exclude_from_auth=True, sync_to_thread=True)
def facts(request: Request) -> dict[str, Any]:
    client = request.client.host if request.client else None
    return material.facts(client, request.url.scheme, request.url.netloc, request.headers)


@post("/upload", exclude_from_auth=True, status_code=200)
async def upload(
    data: MultipartBody[Upload],
) -> dict[str, Any]:
    return material.stored(data.text, await data.file.read())


@get("/broken", exclude_from_auth=True, sync_to_thread=True)
def broken() -> Stream:
    return Stream(material.broken(), media_type="text/plain")


@get("/large", exclude_from_auth=True, sync_to_thread=True)
def large(size: FromQuery[int]) -> Stream:
    return Stream(material.large(size), media_type="text/plain")


@get("/file", exclude_from_auth=True, sync_to_thread=True)
def file() -> File:
    return File(material.FILE, media_type="text/plain")


@get("/behind", exclude_from_auth=True, sync_to_thread=False)
def behind(folder: FromQuery[str]) -> Response[dict[str, Any]]:
    return Response({}, background=BackgroundTask(work, folder))


async def work(folder: str) -> None:
    for seconds in material.behind(folder):
        await asyncio.sleep(seconds)


@get("/hang", exclude_from_auth=True, sync_to_thread=True)
def hang(seconds: FromQuery[int]) -> None:
    material.hang(seconds)


@websocket(["/socket", "/unlisted"], exclude_from_auth=True)
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_text(str(socket.url))
    while (text := await socket.receive_text()) != "bye":
        await socket.send_text(text)
    await socket.close()


router = Router("/probe", route_handlers=[facts, upload, broken, large, file, behind, hang, echo])
