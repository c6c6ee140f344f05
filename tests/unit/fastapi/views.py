"""Views for the suite alone, as FastAPI's documentation writes them; `stage` says what they do."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from json import loads
from typing import Annotated, Any

from fastapi import (
    APIRouter,
    Body,
    Depends,
    FastAPI,
    Form,
    HTTPException,
    Query,
    Request,
    Response,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
)
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.types import Receive, Scope, Send

from my_service.adapter import CurrentAuth, CurrentUser, Problem, login_not_required

STREAM_BEGUN = threading.Event()
"""Set by a stream of events."""
router = APIRouter(prefix="/stage")


def is_right(word: str) -> bool:
    if word == "crash":
        raise ValueError("secret-4711")
    return word == "4711"


@router.get("/answer")
@login_not_required
def answer(
    body: str = "", status: int = 200, header: Annotated[tuple[str, ...], Query()] = ()
) -> Response:
    response = Response(body, status)
    for line in header:
        name, _, value = line.partition(":")
        response.raw_headers.append((name.lower().encode(), value.strip().encode()))
    return response


@router.get("/raise")
@login_not_required
def raise_(status: int, text: str = "") -> None:
    raise HTTPException(status, text) if text else HTTPException(status)


@router.get("/document")
@login_not_required
def document() -> None:
    raise HTTPException(409, {"left": 2})


@router.get("/problem")
@login_not_required
def problem(status: int, detail: str = "", to: str = "") -> None:
    raise Problem(status, detail=detail, headers=[("location", to)] if to else ())


@router.get("/crash")
@login_not_required
def crash() -> None:
    raise ValueError("secret-4711")


@router.get("/slow")
@login_not_required
def slow(request: Request, seconds: float, begin: str = "") -> Response:
    if not begin:
        time.sleep(seconds)
        return PlainTextResponse("slow")

    async def parts() -> AsyncIterator[str]:
        yield "first"
        await asyncio.sleep(seconds)
        if begin == "write":
            request.session["late"] = 1
        yield "second"

    return StreamingResponse(parts(), media_type="text/plain")


@router.get("/events")
def events(times: int) -> Response:
    async def ticks() -> AsyncIterator[str]:
        for _ in range(times):
            yield "data: tick\n\n"
            STREAM_BEGUN.set()
            await asyncio.sleep(0.05)

    return StreamingResponse(ticks(), media_type="text/event-stream")


@router.get("/broken")
@login_not_required
def broken(request: Request, first: str = "first", key: str = "") -> Response:
    if key:
        request.session[key] = "lost"

    async def parts() -> AsyncIterator[str]:
        if first:
            yield first
        raise ValueError("secret-4711")

    return StreamingResponse(parts(), media_type="text/plain")


@router.get("/drop")
@login_not_required
def drop(then: str) -> Response:
    HTMLResponse("<p>dropped")
    RedirectResponse("/stage/dropped", 303)
    if then == "page":
        return HTMLResponse("<p>kept")
    if then == "problem":
        raise Problem(409)
    raise ValueError("secret-4711")


@router.get("/redirect")
@login_not_required
def redirect(to: str) -> Response:
    return RedirectResponse(to, 303)


@router.get("/seen")
@login_not_required
def seen(request: Request) -> dict[str, Any]:
    return {
        "url": str(request.url_for("seen")),
        "client": request.client.host if request.client else "",
        "scheme": request.url.scheme,
        "host": request.url.netloc,
        "headers": [name for name in request.headers if name.startswith(("x-", "forwarded"))],
    }


@router.get("/basic")
@login_not_required
def basic(_: Annotated[HTTPBasicCredentials, Depends(HTTPBasic(realm="stage"))]) -> None:
    """Without credentials FastAPI does not come here."""


@router.get("/long")
@login_not_required
def long() -> Response:
    return PlainTextResponse("a" * 5000)


@router.get("/closed")
def closed() -> Response:
    return PlainTextResponse("inside")


@router.head("/count")
@login_not_required
def count() -> Response:
    return Response(headers={"X-Total-Count": "3"})


@router.head("/count/closed")
def count_closed() -> Response:
    return Response(headers={"X-Total-Count": "3"})


@router.get("/able")
@login_not_required
def able() -> PlainTextResponse:
    return PlainTextResponse("inside")


@router.options("/able")
@login_not_required
def options() -> dict[str, str]:
    return {"can": "much"}


@router.get("/able/closed")
def able_closed() -> PlainTextResponse:
    return PlainTextResponse("inside")


@router.options("/able/closed")
def options_closed() -> dict[str, str]:
    return {"can": "much"}


@router.post("/json")
@login_not_required
def json(content: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    return {"got": content}


@router.post("/silent")
def silent(content: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    return {"got": content}


@router.post("/form")
@router.post("/upload")
@login_not_required
async def form(request: Request) -> dict[str, Any]:
    async with request.form() as fields:
        return {
            "got": {
                name: value if isinstance(value, str) else value.size
                for name, value in fields.items()
            }
        }


@router.post("/text")
@login_not_required
def text(text: Annotated[str, Form()]) -> dict[str, int]:
    return {"size": len(text)}


@router.post("/raw")
@router.post("/callback")
@login_not_required
async def raw(request: Request, auth: CurrentAuth) -> dict[str, Any]:
    return {"size": len(await request.body()), "user": auth.user is not None}


@router.get("/session")
@login_not_required
def session(request: Request) -> dict[str, Any]:
    return dict(request.session)


@router.post("/session/set")
@login_not_required
def set_(request: Request, key: str, value: str) -> None:
    request.session[key] = value


@router.post("/session/append")
@login_not_required
def append(request: Request, key: str, value: str) -> None:
    request.session.setdefault(key, []).append(value)


@router.post("/session/date")
@login_not_required
def date(request: Request) -> None:
    request.session["when"] = datetime.now(UTC)


@router.post("/session/clear")
@login_not_required
def clear(request: Request) -> None:
    request.session.clear()


@router.post("/session/replace")
@login_not_required
def replace(request: Request) -> None:
    request.scope["session"] = {"b": "2"}


@router.get("/greeted")
@login_not_required
def greeted(auth: CurrentAuth) -> PlainTextResponse:
    user = auth.shown_user
    return PlainTextResponse(f"hello {user.name if user else 'visitor'}")


@router.get("/guess")
@login_not_required
def guess(name: str, word: str, auth: CurrentAuth) -> PlainTextResponse:
    right = auth.counted(name, lambda: is_right(word))
    return PlainTextResponse("right" if right else "wrong")


@router.get("/ended")
@login_not_required
def ended(name: str, auth: CurrentAuth) -> PlainTextResponse:
    account = auth.service.accounts.find(name)
    if account is None:
        raise HTTPException(404)
    auth.end_sessions_of(account.id)
    return PlainTextResponse("ended")


@router.get("/member")
@login_not_required
def member(auth: CurrentAuth, status: int = 0, own: int = 0) -> Response:
    if auth.shown_user:
        return PlainTextResponse("inside")
    if status:
        raise HTTPException(status, "not you")
    return PlainTextResponse("not you", own) if own else RedirectResponse("/login?next=/a", 303)


@router.get("/enter")
@router.post("/enter")
@login_not_required
def enter(name: str, then: str, auth: CurrentAuth, to: str = "") -> Response:
    # As a callback of OpenID Connect does, which another service has told who it is.
    if account := auth.service.accounts.find(name):
        auth.start(account)
    if then == "crash":
        raise ValueError("secret-4711")
    if then == "refuse":
        raise HTTPException(403, "not you")
    if then == "redirect":
        return RedirectResponse(to, 303)
    made = JSONResponse({"inside": True}) if then == "json" else PlainTextResponse("inside")
    made.set_cookie("remember", "me")
    return made


@router.get("/enter/otherwise")
@router.post("/enter/otherwise")
@login_not_required
async def enter_otherwise(name: str, then: str, auth: CurrentAuth, to: str = "") -> Response:
    await asyncio.sleep(0)
    return enter(name, then, auth, to)


@router.websocket("/unlisted")
@router.websocket("/socket/echo")
@login_not_required
async def echo(socket: WebSocket, auth: CurrentAuth) -> None:
    await socket.accept()
    user = auth.user
    await socket.send_json({"user": user and user.name, "session": dict(socket.session)})
    with suppress(WebSocketDisconnect):
        while (text := await socket.receive_text()) != "bye":
            if text == "set":
                socket.session["a"] = "b"
            await socket.send_text(text)
        await socket.close()


@router.websocket("/socket/silent")
async def silent_socket(socket: WebSocket, auth: CurrentAuth) -> None:
    await echo(socket, auth)


@router.websocket("/socket/sends")
@login_not_required
async def sending_socket(socket: WebSocket, ticks: int = 0) -> None:
    await socket.accept()
    for _ in range(ticks) if ticks else itertools.count():
        await socket.send_text("tick")
        await asyncio.sleep(0.05)
    await socket.send_text(await socket.receive_text() + await socket.receive_text())


@router.websocket("/socket/header")
@login_not_required
async def header_socket(socket: WebSocket) -> None:
    await socket.accept(headers=[(b"x-secret", b"1"), (b"x-total-count", b"1")])
    await socket.close()


@router.websocket("/socket/refuses")
@login_not_required
async def refusing_socket(socket: WebSocket) -> None:
    await socket.close(4404)


@router.websocket("/socket/crash")
@login_not_required
async def crashing_socket(_: WebSocket) -> None:
    raise ValueError("secret-4711")


@router.websocket("/socket/late")
@login_not_required
async def late_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise ValueError("secret-4711")


@router.websocket("/socket/after")
@login_not_required
async def after_socket(socket: WebSocket, closes: str = "") -> None:
    await socket.accept()
    if closes:
        await socket.close()
    else:
        with suppress(WebSocketDisconnect):
            await socket.receive_text()
    raise ValueError("secret-4711")


@router.websocket("/socket/raises")
@login_not_required
async def raising_socket(_: WebSocket) -> None:
    raise HTTPException(409)


@router.websocket("/socket/problem")
@login_not_required
async def problem_socket(_: WebSocket) -> None:
    raise Problem(409)


@router.websocket("/socket/member")
@login_not_required
async def member_socket(socket: WebSocket, user: CurrentUser) -> None:
    await socket.accept()
    await socket.send_text(user.name)


async def accepted(socket: WebSocket) -> None:
    await socket.accept()


@router.websocket("/socket/typed")
@login_not_required
async def typed_socket(_: Annotated[None, Depends(accepted)], number: int) -> None:
    """FastAPI looks at the number once the socket is accepted, and does not come here."""


@router.websocket("/socket/says")
@login_not_required
async def saying_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise WebSocketException(1008, "Only two left")


@router.websocket("/socket/late-raises")
@login_not_required
async def late_raising_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise HTTPException(409)


@router.websocket("/socket/late-problem")
@login_not_required
async def late_problem_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise Problem(409)


@router.websocket("/socket/json")
@login_not_required
async def json_socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json(await socket.receive_json())


@router.websocket("/socket/data")
@login_not_required
async def data_socket(socket: WebSocket) -> None:
    await socket.accept()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(socket.receive_json())
    if task.result()["first"] == 4711:
        raise LookupError("a fault of the author's")


@router.websocket("/socket/own-json")
@login_not_required
async def own_json_socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.receive_json()
    loads("secret-4711")


@router.websocket("/socket/number")
@login_not_required
async def number_socket(socket: WebSocket, number: int) -> None:
    await socket.accept()
    await socket.send_text(str(number))


async def middleware(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    if request.url.path == "/stage/early":
        return PlainTextResponse("early")
    return await call_next(request)


async def raw_application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"].endswith("/crash"):
        raise RuntimeError("secret-4711")
    await PlainTextResponse("raw")(scope, receive, send)


async def extension(_: Request) -> Response:
    return PlainTextResponse("extension")


def mounted_application() -> FastAPI:
    app = FastAPI()

    @app.get("/page")
    def page() -> Response:
        return PlainTextResponse("inside")

    @app.get("/public")
    @login_not_required
    def public() -> Response:
        return PlainTextResponse("public")

    @app.get("/problem")
    def problem() -> None:
        raise Problem(409)

    @app.get("/crash")
    def crash() -> None:
        raise ValueError("secret-4711")

    return app


def add_views(app: FastAPI) -> None:
    """Add them to an application that has not started."""
    included = APIRouter()
    included.mount("/mounted", mounted_application())
    app.include_router(router)
    app.include_router(included, prefix="/stage/included")
    app.mount("/stage/raw", raw_application)
    app.mount("/stage/opened", raw_application)
    app.router.add_route("/stage/extension", extension)
    app.add_middleware(GZipMiddleware)
    app.middleware("http")(middleware)
