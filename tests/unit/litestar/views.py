"""Views for the suite alone, as Litestar's documentation writes them; `stage` says what they do."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from litestar import (
    Controller,
    HttpMethod,
    Litestar,
    MediaType,
    Response,
    WebSocket,
    asgi,
    get,
    head,
    post,
    route,
    websocket,
    websocket_listener,
)
from litestar.config.compression import CompressionConfig
from litestar.datastructures import UploadFile
from litestar.dto import DataclassDTO
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    NotFoundException,
    PermissionDeniedException,
    WebSocketDisconnect,
)
from litestar.params import FromQuery, JSONBody, URLEncodedBody
from litestar.plugins.pydantic import PydanticDTO
from litestar.response import Redirect, ServerSentEvent, Stream
from litestar.response.base import ASGIResponse
from litestar.serialization import decode_json
from litestar.types import ASGIApp, Receive, Scope, Send
from pydantic import BaseModel, field_validator

from my_service.adapter import Auth, CurrentAuth, CurrentUser, Problem, Request, single_values

STREAM_BEGUN = threading.Event()
"""Set by a stream of events."""
Socket = WebSocket[Any, Any, Any]


class Text(BaseModel):
    text: str


@dataclass
class Numbers:
    first: int


class Model(BaseModel):
    first: int

    @field_validator("first")
    @classmethod
    def refuse(cls, first: int) -> int:
        if first == 4711:
            raise LookupError("a fault of the author's")
        return first


def is_right(word: str) -> bool:
    if word == "crash":
        raise ValueError("secret-4711")
    return word == "4711"


async def answer_all(socket: Socket, auth: Auth) -> None:
    await socket.accept()
    user = auth.user
    await socket.send_json({"user": user and user.name, "session": dict(socket.session)})
    with suppress(WebSocketDisconnect):
        while (text := await socket.receive_text()) != "bye":
            if text == "set":
                socket.session["a"] = "b"
            await socket.send_text(text)
        await socket.close()


def entered(name: str, then: str, auth: Auth, to: str) -> Response[Any]:
    # As a callback of OpenID Connect does, which another service has told who it is.
    if account := auth.service.accounts.find(name):
        auth.start(account)
    if then == "crash":
        raise ValueError("secret-4711")
    if then == "refuse":
        raise PermissionDeniedException("not you")
    if then == "redirect":
        return Redirect(to, status_code=303)
    media = MediaType.JSON if then == "json" else MediaType.TEXT
    return Response(
        {"inside": True} if then == "json" else "inside",
        media_type=media,
        cookies={"remember": "me"},
    )


@websocket("/stage/socket/silent")
async def silent_socket(socket: Socket, auth: CurrentAuth) -> None:
    await answer_all(socket, auth)


class Stage(Controller):
    path = "/stage"
    opt = {"exclude_from_auth": True}  # noqa: RUF012 - as Litestar's documentation writes it

    @websocket(["/socket/echo", "/unlisted"])
    async def echo(self, socket: Socket, auth: CurrentAuth) -> None:
        await answer_all(socket, auth)

    @websocket("/socket/sends")
    async def sending_socket(self, socket: Socket, ticks: FromQuery[int] = 0) -> None:
        await socket.accept()
        for _ in range(ticks) if ticks else itertools.count():
            await socket.send_text("tick")
            await asyncio.sleep(0.05)
        await socket.send_text(await socket.receive_text() + await socket.receive_text())

    @websocket("/socket/header")
    async def header_socket(self, socket: Socket) -> None:
        await socket.accept(headers={"x-secret": "1", "x-total-count": "1"})
        await socket.close()

    @websocket("/socket/refuses")
    async def refusing_socket(self, socket: Socket) -> None:
        await socket.close(4404)

    @websocket("/socket/crash")
    async def crashing_socket(self, socket: Socket) -> None:  # noqa: ARG002 - Litestar wants it
        raise ValueError("secret-4711")

    @websocket("/socket/late")
    async def late_socket(self, socket: Socket) -> None:
        await socket.accept()
        raise ValueError("secret-4711")

    @websocket("/socket/after")
    async def after_socket(self, socket: Socket, closes: FromQuery[str] = "") -> None:
        await socket.accept()
        if closes:
            await socket.close()
        else:
            with suppress(WebSocketDisconnect):
                await socket.receive_text()
        raise ValueError("secret-4711")

    @websocket("/socket/raises")
    async def raising_socket(self, socket: Socket) -> None:  # noqa: ARG002 - Litestar wants it
        raise HTTPException(status_code=409)

    @websocket("/socket/problem")
    async def problem_socket(self, socket: Socket) -> None:  # noqa: ARG002 - Litestar wants it
        raise Problem(409)

    @websocket("/socket/member")
    async def member_socket(self, socket: Socket, user: CurrentUser) -> None:
        await socket.accept()
        await socket.send_text(user.name)

    @websocket_listener("/socket/data", dto=PydanticDTO[Model])
    async def data_socket(self, data: Model) -> None:
        """Of what is not that, pydantic says so."""

    @websocket_listener("/socket/typed", dto=DataclassDTO[Numbers])
    async def typed_socket(self, data: Numbers) -> None:
        """Of what is not that, Litestar says so."""

    @websocket("/socket/says")
    async def saying_socket(self, socket: Socket) -> None:
        await socket.accept()
        raise HTTPException("Only two left", status_code=409)

    @websocket("/socket/late-raises")
    async def late_raising_socket(self, socket: Socket) -> None:
        await socket.accept()
        raise HTTPException(status_code=409)

    @websocket("/socket/late-problem")
    async def late_problem_socket(self, socket: Socket) -> None:
        await socket.accept()
        raise Problem(409)

    @websocket("/socket/json")
    async def json_socket(self, socket: Socket) -> None:
        await socket.accept()
        await socket.send_json(await socket.receive_json())

    @websocket("/socket/own-json")
    async def own_json_socket(self, socket: Socket) -> None:
        await socket.accept()
        await socket.receive_json()
        decode_json("secret-4711")

    @websocket("/socket/number")
    async def number_socket(self, socket: Socket, number: FromQuery[int]) -> None:
        await socket.accept()
        await socket.send_text(str(number))

    @get("/answer")
    async def answer(self, request: Request) -> ASGIApp:
        query = request.query_params
        pairs = [line.partition(":")[::2] for line in query.getall("header", [])]
        return ASGIResponse(
            body=query.get("body", ""),
            status_code=int(query.get("status", "200")),
            headers=[(name, value.strip().encode().decode("latin-1")) for name, value in pairs],
        )

    @get("/raise")
    async def raise_(self, status: FromQuery[int], text: FromQuery[str] = "") -> None:
        raise HTTPException(text, status_code=status)

    @get("/document")
    async def document(self) -> None:
        raise HTTPException(status_code=409, extra={"left": 2})

    @get("/problem")
    async def problem(
        self, status: FromQuery[int], detail: FromQuery[str] = "", to: FromQuery[str] = ""
    ) -> None:
        raise Problem(status, detail=detail, headers=[("location", to)] if to else ())

    @get("/crash")
    async def crash(self) -> None:
        raise ValueError("secret-4711")

    @get("/slow", sync_to_thread=True)
    def slow(
        self, request: Request, seconds: FromQuery[float], begin: FromQuery[str] = ""
    ) -> Response[str] | Stream:
        if not begin:
            time.sleep(seconds)
            return Response("slow", media_type=MediaType.TEXT)

        async def parts() -> AsyncIterator[str]:
            yield "first"
            await asyncio.sleep(seconds)
            if begin == "write":
                request.session["late"] = 1
            yield "second"

        return Stream(parts())

    @get("/broken")
    async def broken(
        self, request: Request, first: FromQuery[str] = "first", key: FromQuery[str] = ""
    ) -> Stream:
        if key:
            request.session[key] = "lost"

        async def parts() -> AsyncIterator[str]:
            if first:
                yield first
            raise ValueError("secret-4711")

        return Stream(parts(), media_type=MediaType.TEXT)

    @get("/drop", media_type=MediaType.HTML)
    async def drop(self, then: FromQuery[str]) -> str:
        Response("<p>dropped", media_type=MediaType.HTML)
        Redirect("/stage/dropped", status_code=303)
        if then == "page":
            return "<p>kept"
        if then == "problem":
            raise Problem(409)
        raise ValueError("secret-4711")

    @get("/redirect")
    async def redirect(self, to: FromQuery[str]) -> Redirect:
        return Redirect(to, status_code=303)

    @get("/seen", name="seen")
    async def seen(self, request: Request) -> dict[str, Any]:
        return {
            "url": request.url_for("seen"),
            "client": request.client.host if request.client else "",
            "scheme": request.url.scheme,
            "host": request.url.netloc,
            "headers": [name for name in request.headers if name.startswith(("x-", "forwarded"))],
        }

    @get("/basic")
    async def basic(self) -> None:
        raise NotAuthorizedException(headers={"WWW-Authenticate": 'Basic realm="stage"'})

    @get("/long")
    async def long(self) -> str:
        return "a" * 5000

    @post("/json", status_code=200)
    async def json(self, data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
        return {"got": data}

    @post(["/form", "/upload"], status_code=200)
    async def form(self, request: Request) -> dict[str, Any]:
        return {
            "got": {
                name: len(await value.read()) if isinstance(value, UploadFile) else value
                for name, value in (await request.form()).multi_items()
            }
        }

    @post("/text", before_request=single_values, status_code=200)
    async def text(self, data: URLEncodedBody[Text]) -> dict[str, int]:
        return {"size": len(data.text)}

    @head("/count")
    async def count(self) -> Response[None]:
        return Response(None, headers={"X-Total-Count": "3"})

    # In one: Litestar adds an answer of its own to handlers that it registers before.
    @route("/able", http_method=[HttpMethod.GET, HttpMethod.OPTIONS], status_code=200)
    async def able(self, request: Request) -> dict[str, str]:
        return {"can": "much" if request.method == HttpMethod.OPTIONS else "nothing"}

    @post(["/raw", "/callback"], status_code=200)
    async def raw(self, request: Request, auth: CurrentAuth) -> dict[str, Any]:
        return {"size": len(await request.body()), "user": auth.user is not None}

    @get("/greeted", media_type=MediaType.TEXT)
    async def greeted(self, auth: CurrentAuth) -> str:
        user = auth.shown_user
        return f"hello {user.name if user else 'visitor'}"

    @get("/guess", media_type=MediaType.TEXT, sync_to_thread=True)
    def guess(self, name: FromQuery[str], word: FromQuery[str], auth: CurrentAuth) -> str:
        right = auth.counted(name, lambda: is_right(word))
        return "right" if right else "wrong"

    @get("/ended", media_type=MediaType.TEXT, sync_to_thread=True)
    def ended(self, name: FromQuery[str], auth: CurrentAuth) -> str:
        account = auth.service.accounts.find(name)
        if account is None:
            raise NotFoundException
        auth.end_sessions_of(account.id)
        return "ended"

    @get("/member")
    async def member(
        self, auth: CurrentAuth, status: FromQuery[int] = 0, own: FromQuery[int] = 0
    ) -> Response[Any]:
        if auth.shown_user:
            return Response("inside", media_type=MediaType.TEXT)
        if status:
            raise HTTPException("not you", status_code=status)
        if own:
            return Response("not you", status_code=own, media_type=MediaType.TEXT)
        return Redirect("/login?next=/a", status_code=303)

    @route("/enter", http_method=["GET", "POST"], status_code=200)
    async def enter(
        self, name: FromQuery[str], then: FromQuery[str], auth: CurrentAuth, to: FromQuery[str] = ""
    ) -> Response[Any]:
        return entered(name, then, auth, to)

    @route("/enter/otherwise", http_method=["GET", "POST"], status_code=200, sync_to_thread=True)
    def enter_otherwise(
        self, name: FromQuery[str], then: FromQuery[str], auth: CurrentAuth, to: FromQuery[str] = ""
    ) -> Response[Any]:
        return entered(name, then, auth, to)

    @get("/session")
    async def session(self, request: Request) -> dict[str, Any]:
        return dict(request.session)

    @post("/session/set", status_code=200)
    async def set_(self, request: Request, key: FromQuery[str], value: FromQuery[str]) -> None:
        request.session[key] = value

    @post("/session/append", status_code=200)
    async def append(self, request: Request, key: FromQuery[str], value: FromQuery[str]) -> None:
        request.session.setdefault(key, []).append(value)

    @post("/session/date", status_code=200)
    async def date(self, request: Request) -> None:
        request.session["when"] = datetime.now(UTC)

    @post("/session/clear", status_code=200)
    async def clear(self, request: Request) -> None:
        request.clear_session()

    @post("/session/replace", status_code=200)
    async def replace(self, request: Request) -> None:
        request.set_session({"b": "2"})


@get("/stage/events")
async def events(times: FromQuery[int]) -> ServerSentEvent:
    async def ticks() -> AsyncIterator[str]:
        for _ in range(times):
            yield "tick"
            STREAM_BEGUN.set()
            await asyncio.sleep(0.05)

    return ServerSentEvent(ticks())


@get("/stage/closed")
async def closed() -> str:
    return "inside"


@head("/stage/count/closed")
async def count_closed() -> Response[None]:
    return Response(None, headers={"X-Total-Count": "3"})


@route("/stage/able/closed", http_method=[HttpMethod.GET, HttpMethod.OPTIONS], status_code=200)
async def able_closed(request: Request) -> dict[str, str]:
    return {"can": "much" if request.method == HttpMethod.OPTIONS else "nothing"}


@post("/stage/silent", status_code=200)
async def silent(data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
    return {"got": data}


@get("/stage/extension")
async def extension() -> str:
    return "extension"


async def raw_application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"].endswith("/crash"):
        raise RuntimeError("secret-4711")
    await ASGIResponse(body="raw", media_type=MediaType.TEXT)(scope, receive, send)


# Litestar takes no mount at the address of another handler, which is there for POST.
@get(["/stage/raw", "/stage/raw/{below:path}"])
async def raw() -> ASGIApp:
    return raw_application


@get("/page")
async def page() -> str:
    return "inside"


@get("/public", exclude_from_auth=True)
async def public() -> str:
    return "public"


@get("/problem")
async def problem() -> None:
    raise Problem(409)


@get("/crash")
async def crash() -> None:
    raise ValueError("secret-4711")


def middleware(app: ASGIApp) -> ASGIApp:
    """Return what answers before Litestar has looked for a route."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/stage/early":
            await ASGIResponse(body="early", media_type=MediaType.TEXT)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return call


def add_views(app: Litestar) -> None:
    """Add them to an application that has not started."""
    app.compression_config = CompressionConfig("gzip")
    boundary: Any = app.asgi_handler
    boundary.app = middleware(boundary.app)
    mounted = Litestar([page, public, problem, crash])
    for handler in (
        Stage,
        closed,
        events,
        count_closed,
        able_closed,
        silent,
        silent_socket,
        raw,
        extension,
        asgi("/stage/included/mounted", is_mount=True, copy_scope=True)(mounted),
        asgi("/stage/opened", is_mount=True, copy_scope=True)(raw_application),
    ):
        app.register(handler)
