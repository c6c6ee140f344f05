"""What a Litestar developer expects of Litestar, with the policy around it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from litestar import Litestar, Request, asgi, get, post
from litestar.exceptions import HTTPException
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import FromPath, FromQuery
from litestar.plugins.flash import FlashConfig, FlashPlugin, flash, get_flashes
from litestar.types import Receive, Scope, Send
from typing_extensions import override

from my_service.adapter import templates
from my_service.app import main

from .. import expect
from ..conftest import Make
from ..driver import COOKIE_SESSIONS, Files, Inside, run_cli


@pytest.mark.contract("FPR-4")
@pytest.mark.parametrize("switch", ["debug", "pdb_on_exception"])
def test_debug_mode_is_refused_in_production(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    switches: dict[str, Any] = {switch: True}
    monkeypatch.setattr(main, "Litestar", partial(Litestar, **switches))
    with pytest.raises(ValueError, match="debug=True of the application"):
        make()
    result = run_cli("check", environment=Files(tmp_path).environment())
    assert result.exit_code == 1
    assert "debug=True of the application" in result.output


@post("/own/{value:str}")
async def fill(value: FromPath[str], request: Request[Any, Any, Any]) -> None:
    request.session["own"] = value


@get("/own")
async def show(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return request.session


@get("/layer", middleware=[ServerSideSessionConfig().middleware])
async def layer(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return dict(request.session)


@post("/flash")
async def flashing(request: Request[Any, Any, Any]) -> None:
    flash(request, "done", category="info")


@get("/flash")
async def flashed(request: Request[Any, Any, Any]) -> list[Any]:
    messages: list[Any] = get_flashes({"request": request})
    return messages


class Documented:
    """An application of another framework, which writes documentation as FastAPI does."""

    openapi_url, docs_url, redoc_url = "/openapi.json", "/docs", None

    def __init__(self) -> None:
        self.app: Documented | None = None
        routes = [SimpleNamespace(path=path) for path in ("/openapi.json", "/docs", "/page")]
        self.router = SimpleNamespace(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer nothing: it is only looked at."""


DOCUMENTED = Documented()
DOCUMENTED.app = Documented()
"""As if it stood around another one."""


@get("/led", exclude_from_auth=True)
async def led(to: FromQuery[str], status: FromQuery[int] = 303) -> None:
    raise HTTPException(status_code=status, headers={"Location": to})


class Configured(Inside):
    """The service with what Litestar's documentation says of sessions."""

    @override
    def build(self, settings: Any) -> Any:
        engine: Any = SimpleNamespace(engine_instance=_Engine())
        plugin = FlashPlugin(FlashConfig(engine))
        made = partial(Litestar, middleware=[ServerSideSessionConfig().middleware])

        def create(handlers: list[Any], plugins: list[Any], **options: Any) -> Litestar:
            mounted = asgi("/documented", is_mount=True, copy_scope=True)(DOCUMENTED)
            more = [fill, show, layer, flashing, flashed, led, mounted]
            return made([*handlers, *more], plugins=[*plugins, plugin], **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(main, "Litestar", create)
            return super().build(settings)


class _Engine:
    def register_template_callable(self, key: str, template_callable: Any) -> None:
        templates.globals[key] = template_callable


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Inside]:
    with closing(Configured(Files(tmp_path))) as service:
        yield service


@pytest.mark.contract("SES-12")
@pytest.mark.usefixtures("restored_logging")
def test_middleware_for_sessions_gives_the_policys(
    configured: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    member = configured.member()
    answer = member.post("/own/a")
    assert answer.status_code == 201
    assert len(answer.headers.get_list("set-cookie")) == COOKIE_SESSIONS
    assert member.get("/nothing").status_code == 404
    assert member.get("/own").json() == member.get("/layer").json() == {"own": "a"}
    assert member.logged_in()


@pytest.mark.contract("BND-8")
def test_plugin_for_flash_messages_works(configured: Inside) -> None:
    member = configured.member()
    assert member.post("/flash").status_code == 201
    assert [message["message"] for message in member.get("/flash").json()] == ["done"]
    assert member.get("/flash").json() == []


@pytest.mark.contract("FPR-4")
@pytest.mark.usefixtures("configured")
def test_documentation_of_an_application_of_another_framework_is_gone() -> None:
    assert DOCUMENTED.app
    for documented in (DOCUMENTED, DOCUMENTED.app):
        assert [route.path for route in documented.router.routes] == ["/page"]


@pytest.mark.contract("BND-2", "RED-4")
def test_exception_may_lead_on_but_not_astray(configured: Inside) -> None:
    visitor = configured.visitor()
    answer = visitor.get("/led?to=/login")
    assert (answer.status_code, expect.once(answer, "location")) == (303, "/login")
    for status in (303, 307, 404):
        astray = visitor.get(f"/led?to=https://evil.example/&status={status}")
        expect.error(astray, 400, echo="evil.example")
        assert "location" not in astray.headers
