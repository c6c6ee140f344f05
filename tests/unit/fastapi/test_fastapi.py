"""What a FastAPI developer expects of FastAPI, with the policy around it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from my_service.adapter import listing, login_not_required
from my_service.app import main
from my_service.operate import routes

from .. import expect
from ..conftest import Make
from ..driver import Files, Inside, run_cli
from .stage import FACTS, Stage

WAIT = 60


class Answering(Stage):
    """The stage, with a page of its own about a crash."""

    @override
    def build(self, settings: Any) -> Any:
        app: FastAPI = super().build(settings)

        @app.exception_handler(500)
        async def crashed(_: Request, __: Exception) -> JSONResponse:
            return JSONResponse({"sorry": True}, 500)

        return app


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Inside]:
    with closing(Answering(Files(tmp_path))) as service:
        yield service


@pytest.mark.contract("BND-2")
def test_page_about_a_crash_may_be_the_applications(
    answering: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    answer = answering.visitor().get("/stage/crash")
    assert (answer.status_code, answer.json()) == (500, {"sorry": True})
    expect.headers(answer)
    assert "sys_crash" in caplog.text
    # What went wrong is known: not the application's to say.
    expect.error(answering.visitor().get("/stage/problem?status=503"), 503)


@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize(("status", "lines"), [(500, 1), (409, 0)])
@pytest.mark.parametrize("kind", ["async def", "def", "object"])
@pytest.mark.usefixtures("restored_logging")
def test_what_a_handler_of_its_own_answers_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, status: int, lines: int
) -> None:
    """Starlette says nothing of it; a handler that makes something of it knows."""

    def answer(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"mine": "sorry"}, status)

    async def answer_async(request: Request, error: Exception) -> JSONResponse:
        return answer(request, error)

    class Answer:
        async def __call__(self, request: Request, error: Exception) -> JSONResponse:
            return answer(request, error)

    handlers: dict[str, Any] = {"def": answer, "async def": answer_async, "object": Answer()}

    class Own(Stage):
        @override
        def build(self, settings: Any) -> Any:
            app: FastAPI = super().build(settings)
            app.add_exception_handler(ValueError, handlers[kind])
            return app

    with closing(Own(Files(tmp_path))) as service:
        logging.getLogger().addHandler(caplog.handler)
        answered = service.visitor().get("/stage/crash")
    assert (answered.status_code, answered.json()) == (status, {"mine": "sorry"})
    logged = [record for record in caplog.records if "sys_crash" in str(record.msg)]
    assert [record.exc_info and record.exc_info[0] for record in logged] == [ValueError] * lines


@pytest.mark.contract("RTE-2")
@pytest.mark.parametrize("command", ["routes", "check"])
def test_application_around_the_policy_is_not_looked_at(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """As python-socketio and others have it: `return ASGIApp(sio, app)`."""
    made = inside.build
    monkeypatch.setattr(routes, "create_app", lambda settings: CORSMiddleware(made(settings)))
    told = inside.cli(command)
    assert told.exit_code == 1
    assert "create_app returns a CORSMiddleware, not what `secure` returns" in told.output


@pytest.mark.contract("FPR-4")
def test_debug_mode_is_refused_in_production(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "FastAPI", partial(FastAPI, debug=True))
    with pytest.raises(ValueError, match="debug=True of the application"):
        make()
    result = run_cli("check", environment=Files(tmp_path).environment())
    assert result.exit_code == 1
    assert "debug=True of the application" in result.output


class SessionMiddleware:
    """As Starlette's, whose module needs a package that projects do not have."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"] = {}
        await self.app(scope, receive, send)


class Foreign(Stage):
    """The stage, with a middleware for sessions, and views that have a slash."""

    middleware: type[SessionMiddleware] = SessionMiddleware

    @override
    def build(self, settings: Any) -> Any:
        app: FastAPI = super().build(settings)

        async def folder(_: Request) -> PlainTextResponse:
            return PlainTextResponse("folder")

        app.router.routes.append(Route("/stage/folder/", folder))
        app.add_middleware(self.middleware)
        return app


class Known(SessionMiddleware):
    """Starlette's own, by its name."""


Known.__module__, Known.__qualname__ = "starlette.middleware.sessions", "SessionMiddleware"


@pytest.mark.contract("SES-12")
@pytest.mark.parametrize("middleware", [SessionMiddleware, Known])
def test_sessions_of_a_middleware_do_not_end_ours(
    tmp_path: Path, middleware: type[SessionMiddleware]
) -> None:
    kind = type("Sessions", (Foreign,), {"middleware": middleware})
    with closing(kind(Files(tmp_path, facts=FACTS))) as service:
        member = service.member()
        assert member.post("/stage/session/set?key=a&value=1").status_code == 200
        assert member.get("/stage/nothing").status_code == 404
        assert member.logged_in()
        # One that is known is left out: what a view sees is the policy's session.
        kept = {"a": "1"} if middleware is Known else {}
        assert member.get("/stage/session").json() == kept


@pytest.mark.contract("BND-2", "RED-4")
def test_slash_that_is_missing_is_added(tmp_path: Path) -> None:
    with closing(Foreign(Files(tmp_path, facts=FACTS))) as service:
        visitor = service.visitor()
        for path in ("/stage/folder", "/stage/opened", "/stage/included/mounted"):
            answer = visitor.get(f"{path}?a=1")
            place = f"{service.origin}{path}/?a=1"
            assert (answer.status_code, answer.headers["location"]) == (307, place)
        # What is there is closed as before.
        assert visitor.get("/stage/folder/").headers["location"].startswith("/login")
        assert visitor.get("/stage/included/mounted/").headers["location"].startswith("/login")
        expect.error(visitor.get("/stage/unknown"), 404)


class Slashed(Stage):
    """The stage, which adds no slashes; a part of it does."""

    @override
    def build(self, settings: Any) -> Any:
        application: FastAPI = super().build(settings)
        folder = Route("/folder/", PlainTextResponse("inside"))
        application.router.routes.append(folder)
        application.mount("/part", FastAPI(routes=[folder]))
        return application


@pytest.mark.contract("BND-2")
def test_slash_is_not_added_where_the_application_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "FastAPI", partial(FastAPI, redirect_slashes=False))
    with closing(Slashed(Files(tmp_path, facts=FACTS))) as service:
        expect.error(service.visitor().get("/folder"), 404)
        answer = service.visitor().get("/part/folder")
        assert answer.headers["location"] == f"{service.origin}/part/folder/"


@pytest.mark.contract("BND-8")
@pytest.mark.parametrize("path", ["crash", "late", "after", "after?closes=yes"])
def test_test_client_raises_what_a_websocket_raises(tmp_path: Path, path: str) -> None:
    """Else a test of it passes, whatever fails there."""
    facts = f'{FACTS}[[route]]\npath = "/stage/socket/"\nwebsocket = true\n'
    with closing(Stage(Files(tmp_path, facts=facts))) as service:
        ended = threading.Event()

        async def telling(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await service.application(scope, receive, send)
            finally:
                ended.set()

        address = f"{service.origin.replace('http', 'ws', 1)}/stage/socket/{path}"

        def visit() -> None:
            with TestClient(telling).websocket_connect(address) as socket:
                socket.close()
                assert ended.wait(WAIT)

        with pytest.raises(ValueError, match="secret-4711"):
            visit()


class Absent(Stage):
    """The stage, with a page of its own about what is not there."""

    @override
    def build(self, settings: Any) -> Any:
        application: FastAPI = super().build(settings)

        @application.exception_handler(404)
        async def own(request: Request, _: Exception) -> PlainTextResponse:
            return PlainTextResponse("mine", 200 if "spa" in request.query_params else 404)

        return application


@pytest.mark.contract("RTE-2")
def test_own_page_about_what_is_not_there_is_for_everybody(tmp_path: Path) -> None:
    """But not what a page with routes of its own gets instead of an error."""
    with closing(Absent(Files(tmp_path))) as service:
        visitor = service.visitor()
        answer = visitor.get("/unknown")
        assert (answer.status_code, answer.text) == (404, "mine")
        assert expect.once(answer, "cache-control") == "no-store"
        assert visitor.get("/unknown?spa=yes").status_code == 303
        assert visitor.get("/account").status_code == 303
        assert visitor.get("/stage/included/mounted/unknown").status_code == 303
        assert service.member().get("/unknown?spa=yes").text == "mine"


def led(to: str, status: int = 303) -> None:
    raise HTTPException(status, headers={"Location": to})


class Endpoint(HTTPEndpoint):
    """A class with a method of its own for each of HTTP."""

    async def get(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("got")


async def whole(request: Request) -> Any:
    return await request.json()


async def silent(request: Request) -> Any:
    return await request.json()


async def got(_: Request) -> PlainTextResponse:
    return PlainTextResponse("got")


async def parsed(request: Request) -> Any:
    await request.body()
    return json.loads("secret-4711")


def number(of: Decimal) -> Any:
    return {"number": of}


async def shouting(_: Scope, __: Receive, send: Send) -> None:
    headers = [(b"Content-Type", b"text/plain"), (b"LOCATION", b"https://evil.example/")]
    await send({"type": "http.response.start", "status": 201, "headers": headers[:1]})
    await send({"type": "http.response.body", "body": b"shouted"})


async def leading(_: Scope, __: Receive, send: Send) -> None:
    headers = [(b"Location", b"https://evil.example/"), (b"Set-Cookie", b"a=b")]
    await send({"type": "http.response.start", "status": 302, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def half(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("secret-4711")


def failing() -> None:
    raise ValueError("secret-4711")


def mount_crashing(app: FastAPI) -> None:
    """Mount an application with a page of its own about a crash, and one without."""

    async def sorry(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"sorry": True}, 500)

    for path, mounted in (
        ("/stage/sorry", FastAPI(exception_handlers={Exception: sorry})),
        ("/stage/plain", FastAPI()),
    ):
        mounted.add_api_route("/crash", login_not_required(failing))
        app.mount(path, mounted)


class Around:
    """As Starlette's documentation writes a middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class More(Stage):
    """The stage, with more of what the documentation shows."""

    @override
    def build(self, settings: Any) -> Any:
        app: FastAPI = super().build(settings)
        folder = self.files.folder / "dist"
        folder.mkdir()
        page = folder / "index.html"
        page.write_text("<p>front", "utf-8")

        @app.get("/stage/file")
        @login_not_required
        def file() -> FileResponse:
            return FileResponse(page)

        @app.post("/stage/small", max_body_size=9)
        @login_not_required
        def small(item: dict[str, str]) -> dict[str, str]:
            return item

        app.add_api_route("/stage/led", login_not_required(led))
        app.router.routes.append(Route("/stage/endpoint", login_not_required(Endpoint)))
        # Before the other one there.
        app.router.routes.insert(0, Mount("/stage/opened/shouting", shouting))
        app.router.routes.insert(0, Mount("/stage/opened/leading", leading))
        inner = FastAPI(debug=True)
        inner.add_api_route("/public", login_not_required(lambda: "public"))
        inner.add_api_route("/closed", lambda: "closed")
        app.mount("/stage/around", Around(inner))
        app.router.routes.append(Mount("/stage/within", inner, middleware=[Middleware(Around)]))
        app.router.routes.insert(0, Mount("/stage/opened/files", StaticFiles(directory=folder)))
        routes = [Route("/page", got, methods=["GET", "PUT"])]
        app.router.routes.insert(0, Mount("/stage/opened/routes", routes=routes))
        app.router.routes.insert(0, Mount("/stage/opened/half", half))
        mount_crashing(app)
        app.frontend("/stage/front", directory=folder)
        router = APIRouter(prefix="/front")
        router.frontend("/more", directory=folder)
        app.include_router(router, prefix="/stage")
        app.add_api_route("/stage/whole", login_not_required(whole), methods=["POST"])
        app.add_api_route("/stage/parsed", login_not_required(parsed), methods=["POST"])
        app.add_api_route("/stage/number", login_not_required(number), response_model=None)
        return app


@pytest.fixture
def more(tmp_path: Path) -> Iterator[Inside]:
    with closing(More(Files(tmp_path, facts=FACTS))) as service:
        yield service


@pytest.mark.contract("BND-2", "RED-4")
def test_exception_may_lead_on_but_not_astray(more: Inside) -> None:
    visitor = more.visitor()
    answer = visitor.get("/stage/led?to=/login")
    assert (answer.status_code, expect.once(answer, "location")) == (303, "/login")
    expect.headers(answer)
    # Starlette sends it as Latin-1.
    answer = visitor.get("/stage/led?to=/caf%C3%A9")
    assert (answer.status_code, expect.once(answer, "location")) == (303, "/caf%C3%A9")
    for status in (303, 307, 404):
        astray = visitor.get(f"/stage/led?to=https://evil.example/&status={status}")
        expect.error(astray, 400, echo="evil.example")
        assert "location" not in astray.headers
    assert visitor.get("/stage/led?to=/a&status=304").status_code == 304


@pytest.mark.contract("FPR-2")
def test_what_handlers_of_errors_do_not_see_is_ours(more: Inside) -> None:
    visitor = more.visitor()
    for value in ("items=0-1", "bytes=x", "bytes=5-2"):
        expect.error(visitor.get("/stage/file", (("Range", value),)), 400)
    assert visitor.get("/stage/file", (("Range", "bytes=3-"),)).text == "front"
    large = visitor.api("POST", "/stage/small", b'{"a": "0123456789"}')
    expect.error(large, 413)
    assert visitor.api("POST", "/stage/small", b'{"a":1}').status_code == 422


@pytest.mark.contract("BND-2")
def test_only_get_has_parts(more: Inside) -> None:
    part = (("Range", "bytes=3-"),)
    assert more.visitor().send("GET", "/stage/file", part).status_code == 206
    answer = more.visitor().send("HEAD", "/stage/file", part)
    assert answer.status_code == 200
    assert expect.once(answer, "content-length") == "8"
    assert "content-range" not in answer.headers


@pytest.mark.contract("BND-2", "FPR-2")
@pytest.mark.parametrize("kind", ["more", "listening"])
def test_page_about_a_crash_may_be_that_of_a_mounted_application(
    request: pytest.FixtureRequest, kind: str
) -> None:
    """Also within a `BaseHTTPMiddleware`, which hands it on in pieces."""
    service: Inside = request.getfixturevalue(kind)
    answer = service.visitor().get("/stage/sorry/crash")
    assert (answer.status_code, answer.json()) == (500, {"sorry": True})
    expect.headers(answer)
    plain = service.visitor().get("/stage/plain/crash")
    expect.error(plain, 500, echo="secret-4711")
    assert "Internal Server Error" not in plain.text


@pytest.mark.contract("BND-4")
def test_page_about_a_crash_that_breaks_off_is_none(more: Inside) -> None:
    expect.error(more.visitor().get("/stage/opened/half/"), 500, echo="half")


@pytest.mark.contract("FPR-2")
def test_class_of_handlers_says_which_methods_it_has(more: Inside) -> None:
    visitor = more.visitor()
    assert visitor.get("/stage/endpoint").text == "got"
    wrong = visitor.send("DELETE", "/stage/endpoint", (("Sec-Fetch-Site", "same-origin"),))
    expect.error(wrong, 405)
    assert expect.once(wrong, "allow") == "GET, HEAD, OPTIONS"


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize(
    ("path", "methods"),
    [("files/index.html", "GET, HEAD, OPTIONS"), ("routes/page", "GET, HEAD, OPTIONS, PUT")],
)
def test_what_is_mounted_says_which_methods_it_has(more: Inside, path: str, methods: str) -> None:
    visitor = more.visitor()
    assert visitor.get(f"/stage/opened/{path}").status_code == 200
    target = f"/stage/opened/{path}"
    wrong = visitor.send("DELETE", target, (("Sec-Fetch-Site", "same-origin"),))
    expect.error(wrong, 405)
    assert expect.once(wrong, "allow") == methods


class Reading(More):
    """The same, with a middleware that reads each body before a view is looked for."""

    @override
    def build(self, settings: Any) -> Any:
        app: FastAPI = super().build(settings)
        self.read: list[bytes] = []

        @app.middleware("http")
        async def reading(
            request: Request, call_next: Callable[[Request], Awaitable[Response]]
        ) -> Response:
            self.read.append(await request.body())
            return await call_next(request)

        inner = FastAPI()
        inner.add_api_route("/public", login_not_required(whole), methods=["POST"])
        inner.add_api_route("/closed", silent, methods=["POST"])
        app.mount("/stage/inner", Around(inner))
        return app


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Reading]:
    with closing(Reading(Files(tmp_path, facts=FACTS))) as service:
        yield service


@pytest.mark.contract("RTE-2")
def test_middleware_that_reads_the_body_closes_no_public_view(reading: Reading) -> None:
    visitor = reading.visitor()
    # The login is one, too.
    member = reading.member()
    for target in ("/stage/whole", "/stage/inner/public"):
        assert visitor.api("POST", target, b"[1]").json() == [1]
    assert reading.read[-1] == b"[1]"
    assert member.api("POST", "/stage/inner/closed", b"[2]").json() == [2]
    expect.error(visitor.api("POST", "/stage/nothing", b"[3]"), 404)
    expect.error(visitor.api("PUT", "/stage/whole", b"[3]"), 405)
    # What is to be closed, nobody reads.
    del reading.read[:]
    for target in ("/stage/silent", "/stage/inner/closed", "/api/notes"):
        expect.error(visitor.api("POST", target, b"[4]"), 401)
    assert reading.read == []


@pytest.mark.contract("HDR-1", "RED-4", "SES-11")
def test_headers_of_a_raw_application_are_judged_whatever_their_case(more: Inside) -> None:
    visitor = more.visitor()
    answer = visitor.get("/stage/opened/shouting/")
    assert (answer.status_code, answer.text) == (201, "shouted")
    assert expect.once(answer, "content-type") == "text/plain"
    expect.error(visitor.get("/stage/opened/leading/"), 400, echo="evil.example")


@pytest.mark.contract("FPR-4", "RTE-2")
@pytest.mark.parametrize("mount", ["around", "within"])
def test_application_in_a_middleware_is_mounted_as_any(more: Inside, mount: str) -> None:
    visitor, member = more.visitor(), more.member()
    for path in ("docs", "redoc", "openapi.json", "nothing"):
        expect.error(member.get(f"/stage/{mount}/{path}"), 404)
    assert visitor.get(f"/stage/{mount}/public").json() == "public"
    assert visitor.get(f"/stage/{mount}/closed").headers["location"].startswith("/login")
    assert member.get(f"/stage/{mount}/closed").json() == "closed"


@pytest.mark.contract("RTE-3")
def test_routes_in_a_middleware_and_frontends_are_listed(more: More) -> None:
    found = {each.path: each for each in listing.endpoints(lambda: more.application)}
    assert found["/stage/around/public"].public
    assert not found["/stage/within/closed"].public
    for path in ("/stage/front/*", "/stage/front/more/*"):
        assert found[path].methods == {"GET"}
        assert not found[path].public
        assert more.visitor().get(path.replace("*", "")).headers["location"].startswith("/login")
        assert more.member().get(path.replace("*", "")).text == "<p>front"


@pytest.mark.contract("BND-8")
def test_test_client_raises_what_a_view_raises(stage: Stage) -> None:
    client = TestClient(stage.application, base_url=stage.origin)
    with pytest.raises(ValueError, match="secret-4711"):
        client.get("/stage/crash")
    quiet = TestClient(stage.application, stage.origin, raise_server_exceptions=False)
    expect.error(quiet.get("/stage/crash"), 500, echo="secret-4711")
    assert client.get("/stage/problem?status=503").status_code == 503


@pytest.mark.contract("BND-4")
def test_body_that_a_view_cannot_read_is_the_clients_fault(more: Inside) -> None:
    """The policy looks at no body where there is none, and at no text."""
    visitor = more.visitor()
    for content in (b"", b" "):
        expect.error(visitor.api("POST", "/stage/whole", content), 400)
    assert visitor.api("POST", "/stage/whole", b"[1]").json() == [1]
    expect.error(visitor.api("POST", "/stage/parsed", b"[1]"), 500)


@pytest.mark.contract("INP-1")
def test_number_with_an_exponent_is_not_written_out(more: Inside) -> None:
    visitor = more.visitor()
    answers = {"1e50000": "1E+50000", "1e30": 10**30, "1.50": 1.5, "0": 0}
    for sent, number in answers.items():
        assert visitor.get(f"/stage/number?of={sent}").json() == {"number": number}
    expect.error(visitor.get("/stage/number?of=NaN"), 422)


class Listening(Stage):
    """The stage, and what it hands to the server."""

    @override
    def build(self, settings: Any) -> Any:
        app: FastAPI = super().build(settings)
        self.sent: list[Message] = []
        inner = FastAPI()
        inner.add_api_route("/broken", login_not_required(broken))
        app.mount("/stage/inner", inner)
        at_once = Route("/stage/at-once", login_not_required(broken_at_once), middleware=[HANDING])
        app.router.routes.append(at_once)
        app.add_api_route("/stage/late", login_not_required(late))
        app.add_api_route("/stage/streamed", login_not_required(streamed))
        mount_crashing(app)
        app.middleware("http")(catching)

        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            async def listen(message: Message) -> None:
                self.sent.append(message)
                await send(message)

            await app(scope, receive, listen)

        return call


async def broken() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "first"
        raise ValueError("secret-4711")

    return StreamingResponse(parts(), media_type="text/plain")


async def broken_at_once(_: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for piece in range(int("secret-4711")):
            yield str(piece)

    return StreamingResponse(parts(), media_type="text/plain")


async def late(tasks: BackgroundTasks) -> str:
    async def fail() -> None:
        raise ValueError("secret-4711")

    tasks.add_task(fail)
    return "whole"


async def streamed() -> StreamingResponse:
    return StreamingResponse(iter(["whole"]), background=BackgroundTask(failing))


async def catching(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    try:
        return await call_next(request)
    except ValueError:
        return StreamingResponse(iter(["sor", "ry"]), 503)


async def handing(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    return await call_next(request)


HANDING = Middleware(BaseHTTPMiddleware, dispatch=handing)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Listening]:
    with closing(Listening(Files(tmp_path))) as service:
        yield service


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize("path", ["broken", "inner/broken"])
def test_middleware_does_not_end_what_breaks_off(listening: Listening, path: str) -> None:
    """`BaseHTTPMiddleware` would, as if it were whole, and raise only then."""
    with pytest.raises(ValueError, match="secret-4711"):
        listening.visitor().get(f"/stage/{path}")
    start, *pieces = listening.sent
    assert start["status"] == 200
    assert all(piece["more_body"] for piece in pieces)


@pytest.mark.contract("BND-4")
def test_what_fails_otherwise_is_answered_whole(listening: Listening) -> None:
    visitor = listening.visitor()
    for path, content in (("late", b'"whole"'), ("streamed", b"whole")):
        del listening.sent[:]
        with pytest.raises(ValueError, match="secret-4711"):
            visitor.get(f"/stage/{path}")
        assert b"".join(piece.get("body", b"") for piece in listening.sent[1:]) == content
        assert not listening.sent[-1].get("more_body")
    for path in ("crash", "at-once"):
        answer = visitor.get(f"/stage/{path}")
        assert (answer.status_code, answer.text) == (503, "sorry")
