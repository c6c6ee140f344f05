"""Views of FastAPI for tests of bodies and connections; in a generated project `app/probe/`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Form, Request, UploadFile, WebSocket
from fastapi.responses import FileResponse, StreamingResponse

from ...adapter import login_not_required
from . import material
from .material import NAVIGATION as NAVIGATION

router = APIRouter(prefix="/probe")


@router.get("/facts")
@login_not_required
def facts(request: Request) -> dict[str, object]:
    client = request.client.host if request.client else None
    return material.facts(client, request.url.scheme, request.url.netloc, request.headers)


@router.post("/upload")
@login_not_required
def upload(text: Annotated[str, Form()], file: UploadFile) -> dict[str, object]:
    return material.stored(text, file.file.read())


@router.get("/broken")
@login_not_required
def broken() -> StreamingResponse:
    return StreamingResponse(material.broken(), media_type="text/plain")


@router.get("/large")
@login_not_required
def large(size: int) -> StreamingResponse:
    return StreamingResponse(material.large(size), media_type="text/plain")


@router.get("/file")
@login_not_required
def file() -> FileResponse:
    return FileResponse(material.FILE, media_type="text/plain")


@router.get("/behind")
@login_not_required
def behind(folder: str, tasks: BackgroundTasks) -> None:
    tasks.add_task(work, folder)


async def work(folder: str) -> None:
    for seconds in material.behind(folder):
        await asyncio.sleep(seconds)


@router.get("/hang")
@login_not_required
def hang(seconds: int) -> None:
    material.hang(seconds)


@router.websocket("/socket")
@router.websocket("/unlisted")
@login_not_required
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(str(socket.url))
    while (text := await socket.receive_text()) != "bye":
        await socket.send_text(text)
    await socket.close()
