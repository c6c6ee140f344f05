"""What a FastAPI developer expects of FastAPI, with the policy around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from my_service.app import main

from .. import expect
from ..conftest import Make
from ..driver import Files, Inside, run_cli
from .stage import FACTS, Stage


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
