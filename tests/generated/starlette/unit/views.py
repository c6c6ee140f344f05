"""Views for the suite alone, as Starlette documents them; `stage` says what they do."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from json import loads
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from my_service.adapter import Problem, current_auth, form_fields, login_not_required

STREAM_BEGUN = threading.Event()
"""Set by a stream of events."""


@login_not_required
async def answer(request: Request) -> Response:
    query = request.query_params
    response = Response(query.get("body", ""), int(query.get("status", 200)))
    for line in query.getlist("header"):
        name, _, value = line.partition(":")
        response.raw_headers.append((name.lower().encode(), value.strip().encode()))
    return response


@login_not_required
async def raise_(request: Request) -> Response:
    raise HTTPException(int(request.query_params["status"]), request.query_params.get("text"))


@login_not_required
async def document(_: Request) -> Response:
    # Starlette's exception takes no document: a view responds with one.
    return JSONResponse({"left": 2}, 409)


@login_not_required
async def problem(request: Request) -> Response:
    query = request.query_params
    headers = [("location", query["to"])] if "to" in query else ()
    raise Problem(int(query["status"]), detail=query.get("detail", ""), headers=headers)


@login_not_required
async def crash(_: Request) -> Response:
    raise ValueError("secret-4711")


@login_not_required
def slow(request: Request) -> Response:
    seconds = float(request.query_params["seconds"])
    if "begin" not in request.query_params:
        time.sleep(seconds)
        return PlainTextResponse("slow")

    async def parts() -> AsyncIterator[str]:
        yield "first"
        await asyncio.sleep(seconds)
        if request.query_params["begin"] == "write":
            request.session["late"] = 1
        yield "second"

    return StreamingResponse(parts(), media_type="text/plain")


async def events(request: Request) -> Response:
    async def ticks() -> AsyncIterator[str]:
        for _ in range(times):
            yield "data: tick\n\n"
            STREAM_BEGUN.set()
            await asyncio.sleep(0.05)

    times = int(request.query_params["times"])
    return StreamingResponse(ticks(), media_type="text/event-stream")


@login_not_required
async def broken(request: Request) -> Response:
    first = request.query_params.get("first", "first")
    if key := request.query_params.get("key"):
        request.session[key] = "lost"

    async def parts() -> AsyncIterator[str]:
        if first:
            yield first
        raise ValueError("secret-4711")

    return StreamingResponse(parts(), media_type="text/plain")


@login_not_required
async def drop(request: Request) -> Response:
    HTMLResponse("<p>dropped")
    RedirectResponse("/stage/dropped", 303)
    then = request.query_params["then"]
    if then == "page":
        return HTMLResponse("<p>kept")
    if then == "problem":
        raise Problem(409)
    raise ValueError("secret-4711")


@login_not_required
async def redirect(request: Request) -> Response:
    return RedirectResponse(request.query_params["to"], 303)


@login_not_required
async def seen(request: Request) -> Response:
    return JSONResponse(
        {
            "url": str(request.url_for("seen")),
            "client": request.client.host if request.client else "",
            "scheme": request.url.scheme,
            "host": request.url.netloc,
            "headers": [name for name in request.headers if name.startswith(("x-", "forwarded"))],
        }
    )


@login_not_required
async def basic(_: Request) -> Response:
    raise HTTPException(401, headers={"WWW-Authenticate": 'Basic realm="stage"'})


@login_not_required
async def long(_: Request) -> Response:
    return PlainTextResponse("a" * 5000)


async def closed(_: Request) -> Response:
    return PlainTextResponse("inside")


@login_not_required
async def count(_: Request) -> Response:
    return Response(headers={"X-Total-Count": "3"})


async def count_closed(_: Request) -> Response:
    return Response(headers={"X-Total-Count": "3"})


async def silent(request: Request) -> Response:
    return JSONResponse({"got": await request.json()})


@login_not_required
async def json(request: Request) -> Response:
    return JSONResponse({"got": await request.json()})


@login_not_required
async def form(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse(
            {
                "got": {
                    name: value if isinstance(value, str) else value.size
                    for name, value in fields.items()
                }
            }
        )


@login_not_required
def text(request: Request) -> Response:
    return JSONResponse({"size": len(form_fields(request)["text"])})


@login_not_required
async def raw(request: Request) -> Response:
    user = current_auth(request).user
    return JSONResponse({"size": len(await request.body()), "user": user is not None})


@login_not_required
async def session(request: Request) -> Response:
    return JSONResponse(dict(request.session))


@login_not_required
async def set_(request: Request) -> Response:
    request.session[request.query_params["key"]] = request.query_params["value"]
    return Response()


@login_not_required
async def append(request: Request) -> Response:
    query = request.query_params
    request.session.setdefault(query["key"], []).append(query["value"])
    return Response()


@login_not_required
async def date(request: Request) -> Response:
    request.session["when"] = datetime.now(UTC)
    return Response()


@login_not_required
async def clear(request: Request) -> Response:
    request.session.clear()
    return Response()


@login_not_required
async def replace(request: Request) -> Response:
    request.scope["session"] = {"b": "2"}
    return Response()


@login_not_required
async def greeted(request: Request) -> Response:
    user = current_auth(request).shown_user
    return PlainTextResponse(f"hello {user.name if user else 'visitor'}")


@login_not_required
async def member(request: Request) -> Response:
    query = request.query_params
    if current_auth(request).shown_user:
        return PlainTextResponse("inside")
    if status := int(query.get("status", 0)):
        raise HTTPException(status, "not you")
    if own := int(query.get("own", 0)):
        return PlainTextResponse("not you", own)
    return RedirectResponse("/login?next=/a", 303)


@login_not_required
def enter(request: Request) -> Response:
    # As a callback of OpenID Connect does, which another service has told who it is.
    query, auth = request.query_params, current_auth(request)
    if account := auth.service.accounts.find(query["name"]):
        auth.start(account)
    then = query["then"]
    if then == "crash":
        raise ValueError("secret-4711")
    if then == "refuse":
        raise HTTPException(403, "not you")
    if then == "redirect":
        return RedirectResponse(query.get("to", ""), 303)
    made = JSONResponse({"inside": True}) if then == "json" else PlainTextResponse("inside")
    made.set_cookie("remember", "me")
    return made


@login_not_required
async def enter_otherwise(request: Request) -> Response:
    await asyncio.sleep(0)
    return enter(request)


@login_not_required
def able(request: Request) -> Response:
    return able_closed(request)


def able_closed(request: Request) -> Response:
    if request.method == "OPTIONS":
        return JSONResponse({"can": "much"})
    return PlainTextResponse("inside")


def is_right(word: str) -> bool:
    if word == "crash":
        raise ValueError("secret-4711")
    return word == "4711"


@login_not_required
def guess(request: Request) -> Response:
    query = request.query_params
    right = current_auth(request).counted(query["name"], lambda: is_right(query["word"]))
    return PlainTextResponse("right" if right else "wrong")


@login_not_required
def ended(request: Request) -> Response:
    auth = current_auth(request)
    account = auth.service.accounts.find(request.query_params["name"])
    if account is None:
        raise HTTPException(404)
    auth.end_sessions_of(account.id)
    return PlainTextResponse("ended")


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


def mounted_application() -> Starlette:
    async def page(_: Request) -> Response:
        return PlainTextResponse("inside")

    @login_not_required
    async def public(_: Request) -> Response:
        return PlainTextResponse("public")

    async def problem(_: Request) -> Response:
        raise Problem(409)

    async def crash(_: Request) -> Response:
        raise ValueError("secret-4711")

    views: list[Callable[[Request], Any]] = [page, public, problem, crash]
    return Starlette(routes=[Route(f"/{view.__name__}", view) for view in views])


GET = (
    answer,
    raise_,
    document,
    problem,
    crash,
    slow,
    broken,
    events,
    drop,
    redirect,
    seen,
    basic,
    long,
    closed,
    greeted,
    member,
)
POST = (json, silent, form, text, raw)
OF_SESSION = (set_, append, date, clear, replace)


@login_not_required
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    user = current_auth(socket).user
    await socket.send_json({"user": user and user.name, "session": dict(socket.session)})
    with suppress(WebSocketDisconnect):
        while (text := await socket.receive_text()) != "bye":
            if text == "set":
                socket.session["a"] = "b"
            await socket.send_text(text)
        await socket.close()


async def silent_socket(socket: WebSocket) -> None:
    await echo(socket)


@login_not_required
async def sending_socket(socket: WebSocket) -> None:
    ticks = int(socket.query_params.get("ticks", 0))
    await socket.accept()
    for _ in range(ticks) if ticks else itertools.count():
        await socket.send_text("tick")
        await asyncio.sleep(0.05)
    await socket.send_text(await socket.receive_text() + await socket.receive_text())


@login_not_required
async def header_socket(socket: WebSocket) -> None:
    await socket.accept(headers=[(b"x-secret", b"1"), (b"x-total-count", b"1")])
    await socket.close()


@login_not_required
async def refusing_socket(socket: WebSocket) -> None:
    await socket.close(4404)


@login_not_required
async def crashing_socket(_: WebSocket) -> None:
    raise ValueError("secret-4711")


@login_not_required
async def late_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise ValueError("secret-4711")


@login_not_required
async def after_socket(socket: WebSocket) -> None:
    await socket.accept()
    if socket.query_params.get("closes"):
        await socket.close()
    else:
        with suppress(WebSocketDisconnect):
            await socket.receive_text()
    raise ValueError("secret-4711")


@login_not_required
async def raising_socket(_: WebSocket) -> None:
    raise HTTPException(409)


@login_not_required
async def problem_socket(_: WebSocket) -> None:
    raise Problem(409)


@login_not_required
async def member_socket(socket: WebSocket) -> None:
    user = current_auth(socket).require_user()
    await socket.accept()
    await socket.send_text(user.name)


@login_not_required
async def typed_socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.receive_json()
    await socket.close(1008)


@login_not_required
async def saying_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise WebSocketException(1008, "Only two left")


@login_not_required
async def late_raising_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise HTTPException(409)


@login_not_required
async def late_problem_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise Problem(409)


@login_not_required
async def json_socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json(await socket.receive_json())


def refuse_4711(number: int) -> None:
    if number == 4711:
        raise LookupError("a fault of the author's")


@login_not_required
async def data_socket(socket: WebSocket) -> None:
    await socket.accept()
    async for data in socket.iter_json():
        refuse_4711(data["first"])


@login_not_required
async def own_json_socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.receive_json()
    loads("secret-4711")


@login_not_required
async def number_socket(socket: WebSocket) -> None:
    if not socket.query_params["number"].isdecimal():
        await socket.close(1008)


SOCKETS = {
    "echo": echo,
    "silent": silent_socket,
    "sends": sending_socket,
    "header": header_socket,
    "refuses": refusing_socket,
    "crash": crashing_socket,
    "late": late_socket,
    "after": after_socket,
    "raises": raising_socket,
    "problem": problem_socket,
    "member": member_socket,
    "number": number_socket,
    "typed": typed_socket,
    "says": saying_socket,
    "late-raises": late_raising_socket,
    "late-problem": late_problem_socket,
    "json": json_socket,
    "data": data_socket,
    "own-json": own_json_socket,
}


def add_views(app: Starlette) -> None:
    """Add them to an application that has not started."""
    app.router.routes += [
        *(Route(f"/stage/{view.__name__.strip('_')}", view) for view in (*GET, session)),
        *(Route(f"/stage/{view.__name__}", view, methods=["POST"]) for view in POST),
        *(
            Route(f"/stage/session/{view.__name__.strip('_')}", view, methods=["POST"])
            for view in OF_SESSION
        ),
        Route("/stage/enter", enter, methods=["GET", "POST"]),
        Route("/stage/enter/otherwise", enter_otherwise, methods=["GET", "POST"]),
        Route("/stage/able", able, methods=["GET", "OPTIONS"]),
        Route("/stage/able/closed", able_closed, methods=["GET", "OPTIONS"]),
        Route("/stage/guess", guess),
        Route("/stage/ended", ended),
        Route("/stage/upload", form, methods=["POST"]),
        Route("/stage/count", count, methods=["HEAD"]),
        Route("/stage/count/closed", count_closed, methods=["HEAD"]),
        Route("/stage/callback", raw, methods=["POST"]),
        Mount("/stage/included", routes=[Mount("/mounted", mounted_application())]),
        *(WebSocketRoute(f"/stage/socket/{name}", view) for name, view in SOCKETS.items()),
        WebSocketRoute("/stage/unlisted", echo),
        Mount("/stage/raw", raw_application),
        Mount("/stage/opened", raw_application),
    ]
    app.router.add_route("/stage/extension", extension)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(BaseHTTPMiddleware, dispatch=middleware)
