"""What a Litestar developer expects of Litestar, with the policy around it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from litestar import Litestar, MediaType, Request, Response, asgi, get, post
from litestar.config.app import AppConfig
from litestar.datastructures import UploadFile
from litestar.dto import DataclassDTO
from litestar.exceptions import HTTPException, InternalServerException
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import (
    FromPath,
    FromQuery,
    JSONBody,
    MsgPackBody,
    MultipartBody,
    URLEncodedBody,
)
from litestar.plugins import InitPlugin
from litestar.plugins.flash import FlashConfig, FlashPlugin, flash, get_flashes
from litestar.plugins.pydantic import PydanticDTO
from litestar.plugins.structlog import StructlogPlugin
from litestar.response import Stream
from litestar.testing import TestClient
from litestar.types import Receive, Scope, Send
from pydantic import BaseModel, Field, field_validator
from typing_extensions import override

from my_service.adapter import CurrentAuth, templates
from my_service.app import main

from .. import expect
from ..conftest import Make
from ..driver import COOKIE_SESSIONS, FORM, ORIGIN, Files, Inside, run_cli
from .stage import Stage


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


@get("/identified", exclude_from_auth=True)
async def identified(request: Request[Any, Any, Any]) -> dict[str, str | None]:
    return {"id": request.get_session_id()}


@post("/flash")
async def flashing(request: Request[Any, Any, Any]) -> None:
    flash(request, "done", category="info")


@get("/flash")
async def flashed(request: Request[Any, Any, Any]) -> list[Any]:
    messages: list[Any] = get_flashes({"request": request})
    return messages


@get("/pieces", exclude_from_auth=True)
async def pieces() -> Stream:
    def make() -> Iterator[str]:
        yield "first"
        raise ValueError("secret-4711")

    return Stream(make(), media_type=MediaType.TEXT)


@get(["/decimal/{value:decimal}", "/length/{value:timedelta}"], exclude_from_auth=True)
async def converted(value: FromPath[Any]) -> str:
    return str(value)


@get("/logs", exclude_from_auth=True)
async def logs(request: Request[Any, Any, Any]) -> bool:
    request.logger.info("written for %s", "4711")
    request.app.logger.info("written by the application")  # type: ignore[union-attr] # it is set
    return True


@get("/logs/structured", exclude_from_auth=True)
async def logs_structured(request: Request[Any, Any, Any]) -> bool:
    request.logger.info("structured", number=4711)
    return True


@get("/classes", exclude_from_auth=True)
async def classes(request: Request[Any, Any, Any]) -> list[str]:
    return [each.__name__ for each in type(request).mro()]


@post("/classes", exclude_from_auth=True)
async def parsed(request: Request[Any, Any, Any]) -> Any:
    return await request.json()


class Documented:
    """An application of another framework, which writes documentation as FastAPI does."""

    openapi_url, docs_url, redoc_url = "/openapi.json", "/docs", None

    def __init__(self) -> None:
        self.app: Documented | None = None
        routes = [SimpleNamespace(path=path) for path in ("/openapi.json", "/docs", "/page")]
        self.router = SimpleNamespace(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer nothing: it is only looked at."""


async def sorry(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a crash, then raise it, as an application of FastAPI's does."""
    await receive()
    page = b"Internal Server Error" if "plain" in scope["path"] else b"sorry"
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": page, "more_body": False})
    raise ValueError("secret-4711")


DOCUMENTED = Documented()
DOCUMENTED.app = Documented()
"""As if it stood around another one."""


@get("/led", exclude_from_auth=True)
async def led(to: FromQuery[str], status: FromQuery[int] = 303) -> None:
    raise HTTPException(status_code=status, headers={"Location": to})


@get("/failed", exclude_from_auth=True)
async def failed(kind: FromQuery[str]) -> None:
    if kind == "document":
        raise HTTPException(status_code=500, extra={"left": 2})
    if kind == "status":
        raise HTTPException("secret-4711", status_code=500)
    raise InternalServerException("secret-4711")


@get("/asked")
async def asked(word: FromQuery[str]) -> str:
    return word


class Item(BaseModel):
    """As the documentation of DTOs has it, with limits."""

    name: str = Field(max_length=5)
    size: int = 0

    @field_validator("name")
    @classmethod
    def fail(cls, name: str) -> str:
        if name == "fail":
            raise KeyError("secret-4711")
        return name


@dataclass
class Entry:
    name: str
    tags: list[str] = field(default_factory=list)


@post("/dto/pydantic", dto=PydanticDTO[Item], exclude_from_auth=True)
async def dto_pydantic(data: JSONBody[Item]) -> Item:
    return data


@post("/dto/form", dto=DataclassDTO[Entry], exclude_from_auth=True)
async def dto_form(data: URLEncodedBody[Entry]) -> Entry:
    return data


@post("/upload/one", exclude_from_auth=True)
async def upload_one(data: MultipartBody[UploadFile]) -> str:
    return data.filename


@post("/upload/list", exclude_from_auth=True)
async def upload_list(data: MultipartBody[list[UploadFile]]) -> list[str]:
    return [each.filename for each in data]


@post("/packed", exclude_from_auth=True)
async def packed(data: MsgPackBody[Any]) -> Any:
    return data


@post("/packed/read", exclude_from_auth=True)
async def packed_read(request: Request[Any, Any, Any]) -> Any:
    return await request.msgpack()


@post("/packed/json", exclude_from_auth=True)
async def packed_json(request: Request[Any, Any, Any]) -> Any:
    return await request.json()


@post("/packed/own", exclude_from_auth=True)
async def packed_own(request: Request[Any, Any, Any]) -> Any:
    return msgspec.msgpack.decode(await request.body(), type=dict[str, int])


class Mistake(Exception):
    """As a library raises it, which brings a handler for it."""


@get("/mistaken", exclude_from_auth=True)
async def mistaken() -> None:
    raise Mistake("secret-4711")


def answer_mistake(request: Request[Any, Any, Any], _: Exception) -> Response[dict[str, str]]:
    status = int(request.query_params.get("status", "500"))
    return Response({"mine": "sorry"}, status_code=status)


PACKED = """
[[route]]
path = "/asked"
access = "public"
[[route]]
path = "/packed/"
body = ["application/x-msgpack"]
[[route]]
path = "/packed"
body = ["application/x-msgpack"]
"""


class Configured(Inside):
    """The service with what Litestar's documentation says of sessions."""

    application: Litestar

    @override
    def build(self, settings: Any) -> Any:
        engine: Any = SimpleNamespace(engine_instance=_Engine())
        plugin = FlashPlugin(FlashConfig(engine))
        made = partial(Litestar, middleware=[ServerSideSessionConfig().middleware])

        def create(handlers: list[Any], plugins: list[Any], **options: Any) -> Litestar:
            mounted = asgi("/documented", is_mount=True, copy_scope=True)(DOCUMENTED)
            more = [fill, show, layer, identified, flashing, flashed, led, mounted]
            more += [asgi("/sorry", is_mount=True, copy_scope=True)(sorry)]
            more += [pieces, converted, logs, classes, mistaken]
            more += [dto_pydantic, dto_form, upload_one, upload_list]
            more += [packed, packed_read, packed_json, packed_own, failed, asked]
            options["exception_handlers"] = {Mistake: answer_mistake}
            return made([*handlers, *more], plugins=[*plugins, plugin], **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(main, "Litestar", create)
            self.application = super().build(settings)
            return self.application


class _Engine:
    def register_template_callable(self, key: str, template_callable: Any) -> None:
        templates.globals[key] = template_callable


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Configured]:
    with closing(Configured(Files(tmp_path, facts=PACKED))) as service:
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


@pytest.mark.contract("SES-12")
def test_id_of_the_session_tells_them_apart(configured: Inside) -> None:
    """As Litestar documents it: by it applications keep what belongs to a session."""
    member = configured.member()
    assert member.get("/identified").json() == {"id": member.session}
    assert configured.visitor().get("/identified").json() == {"id": None}


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
    # Litestar sends it as Latin-1.
    answer = visitor.get("/led?to=/caf%C3%A9")
    assert (answer.status_code, expect.once(answer, "location")) == (303, "/caf%C3%A9")
    for status in (303, 307, 404):
        astray = visitor.get(f"/led?to=https://evil.example/&status={status}")
        expect.error(astray, 400, echo="evil.example")
        assert "location" not in astray.headers


@pytest.mark.contract("BND-2", "FPR-2")
def test_page_about_a_crash_may_be_that_of_a_mounted_application(configured: Inside) -> None:
    member = configured.member()
    answer = member.get("/sorry/own")
    assert (answer.status_code, answer.text) == (500, "sorry")
    expect.headers(answer)
    plain = member.get("/sorry/plain")
    expect.error(plain, 500, echo="secret-4711")
    assert "Internal Server Error" not in plain.text
    assert configured.visitor().get("/sorry/own").headers["location"].startswith("/login")


@pytest.mark.contract("BND-4")
def test_piece_that_is_a_value_error_is_no_end(configured: Inside) -> None:
    """Litestar's own sign of the end."""
    with pytest.raises(RuntimeError):
        configured.visitor().get("/pieces")


class Handing:
    """Hands on as Starlette's `BaseHTTPMiddleware` does, in whose place it stands."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        broken: list[Exception] = []
        try:
            await self.app(scope, receive, send)
        except ValueError as error:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            broken.append(error)
        for each in broken:
            raise each


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize("first", ["", "first"])
def test_middleware_of_starlettes_kind_does_not_end_what_breaks_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    module: Any = ModuleType("starlette.middleware.base")
    module.BaseHTTPMiddleware = type("Base", (Handing,), {})
    monkeypatch.setitem(sys.modules, module.__name__, module)

    class Own(Stage):
        @override
        def build(self, settings: Any) -> Any:
            app = super().build(settings)
            app.asgi_handler.app = module.BaseHTTPMiddleware(app.asgi_handler.app)
            return app

    with closing(Own(Files(tmp_path))) as service:
        if first:
            with pytest.raises(ValueError, match="secret-4711"):
                service.visitor().get("/stage/broken")
        else:
            expect.error(service.visitor().get("/stage/broken?first="), 500)
        assert service.visitor().get("/stage/answer?body=whole").text == "whole"


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("kind", ["status", "class"])
def test_words_of_what_failed_are_for_the_log_alone(
    configured: Inside, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Litestar itself tells no client with which words something raised a 500."""
    caplog.clear()
    answer = configured.visitor().get(f"/failed?kind={kind}")
    expect.error(answer, 500, echo="secret-4711")
    assert "secret-4711" in caplog.text


@pytest.mark.contract("FPR-2")
def test_document_of_what_failed_leaves_as_litestar_writes_it(configured: Inside) -> None:
    answer = configured.visitor().get("/failed?kind=document")
    assert (answer.status_code, answer.json()["extra"]) == (500, {"left": 2})


@pytest.mark.contract("BND-8")
def test_query_of_a_test_client_is_no_part_of_the_path(configured: Configured) -> None:
    """Litestar's client says both where ASGI has the path alone."""
    with TestClient(configured.application, base_url=ORIGIN) as client:
        assert client.get("/asked", params={"word": "a?b"}).text == "a?b"
        answer = client.get("/own", params={"a": "b"}, follow_redirects=False)
        assert answer.headers["location"] == f"/login?next={quote('/own?a=b')}"
        assert client.get("/asked%3Fword=a", follow_redirects=False).status_code == 404


@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize(("status", "lines"), [(500, 1), (409, 0), (503, 0)])
def test_what_a_handler_of_its_own_answers_is_in_the_log(
    configured: Inside, caplog: pytest.LogCaptureFixture, status: int, lines: int
) -> None:
    """Litestar asks nobody else who could say why; a handler that makes something of it knows."""
    for _ in range(2):
        caplog.clear()
        answer = configured.visitor().get(f"/mistaken?status={status}")
        assert (answer.status_code, answer.json()) == (status, {"mine": "sorry"})
        logged = [record for record in caplog.records if "sys_crash" in str(record.msg)]
        assert len(logged) == lines
        assert all(record.exc_info and record.exc_info[0] is Mistake for record in logged)


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("path", ["/decimal/a", "/length/99999999999999999999"])
def test_part_of_an_address_that_cannot_be_converted(configured: Inside, path: str) -> None:
    expect.error(configured.visitor().get(path), 404)
    assert configured.visitor().get("/decimal/1.5").text == "1.5"


@pytest.mark.contract("INP-2")
def test_what_a_dto_refuses(configured: Inside) -> None:
    visitor = configured.visitor()
    answer = visitor.api("POST", "/dto/pydantic", b'{"name": "abcdefgh", "size": 1}')
    expect.error(answer, 422, echo="abcdefgh")
    assert answer.json()["fields"] == ["name"]
    assert visitor.api("POST", "/dto/pydantic", b'{"name": "a", "size": 1}').json()["size"] == 1
    # What the author's own validator raises is a fault of the service.
    expect.error(visitor.api("POST", "/dto/pydantic", b'{"name": "fail"}'), 500, echo="secret-4711")


UPLOAD = ("Content-Type", "multipart/form-data; boundary=b")
FILE = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\nx\r\n--b--\r\n'
TEXT = b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n'
MESSAGE = ("Content-Type", "application/x-msgpack")


@pytest.mark.contract("BND-4")
@pytest.mark.parametrize(
    ("path", "kind", "wrong", "right"),
    [
        ("/dto/form", ("Content-Type", FORM), b"tags=b", b"name=a"),
        ("/dto/form", ("Content-Type", FORM), b"name=a&tags=b", b"name=a&tags=b&tags=c"),
        ("/upload/one", UPLOAD, TEXT, FILE % b"data"),
        ("/upload/list", UPLOAD, b"--b--\r\n", FILE % b"data"),
        ("/packed", MESSAGE, b"\x91" * 5_000 + b"\xc0", b"\x91\xc0"),
        ("/packed/read", MESSAGE, b"\xc1", b"\x91\xc0"),
        ("/packed/read", MESSAGE, b"\x91" * 5_000 + b"\xc0", b"\x91\xc0"),
        ("/packed/json", MESSAGE, b"\xc1", b"[1]"),
    ],
    ids=[
        *("DTO without a field", "DTO with another type", "no file", "no files"),
        *("too deep", "request.msgpack", "request.msgpack, too deep", "request.json"),
    ],
)
def test_body_that_litestar_cannot_read_is_the_clients_fault(
    configured: Inside, path: str, kind: tuple[str, str], wrong: bytes, right: bytes
) -> None:
    visitor = configured.visitor()
    headers = (("Sec-Fetch-Site", "same-origin"), kind)
    expect.error(visitor.send("POST", path, headers, wrong), 400)
    assert visitor.send("POST", path, headers, right).status_code == 201


@pytest.mark.contract("DAT-3")
def test_body_that_a_handler_cannot_read_is_the_services_fault(configured: Inside) -> None:
    headers = (("Sec-Fetch-Site", "same-origin"), MESSAGE)
    expect.error(configured.visitor().send("POST", "/packed/own", headers, b"\xc1"), 500)


@pytest.mark.contract("BND-8")
@pytest.mark.usefixtures("restored_logging")
def test_loggers_of_requests_and_application(
    configured: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert configured.visitor().get("/logs").json() is True
    written = [record.getMessage() for record in caplog.records]
    assert "written for 4711" in written
    assert "written by the application" in written


COUNTS: list[str] = []


@get("/kept", exclude_from_auth=True, cache=60)
async def kept(auth: CurrentAuth) -> str:
    COUNTS.append(auth.user.name if auth.user else "visitor")
    return f"{COUNTS[-1]} {len(COUNTS)}"


@get("/kept", exclude_from_auth=True, cache=60)
async def kept_there(request: Request[Any, Any, Any]) -> str:
    session: Any = request.scope["session"]
    COUNTS.append(session.user_name if session.user else "visitor")
    return f"{COUNTS[-1]} {len(COUNTS)}"


class Plugins(Inside):
    """The service with plugins that come after the policy's."""

    plugins: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 - set by the tests

    @override
    def build(self, settings: Any) -> Any:
        kept_inside = asgi("/inside", is_mount=True, copy_scope=True)(Litestar([kept_there]))

        def create(handlers: list[Any], plugins: list[Any], **options: Any) -> Litestar:
            more = [logs_structured, classes, parsed, kept, kept_inside]
            return Litestar(
                [*handlers, *more], plugins=[*plugins, *self.plugins], **options, **self.options
            )

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(main, "Litestar", create)
            return super().build(settings)


class Requests(InitPlugin):
    """Chooses the class of requests where nobody has, as that for htmx does."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Choose it."""
        app_config.request_class = app_config.request_class or Chosen
        return app_config


class Chosen(Request[Any, Any, Any]):
    """A class of requests."""


@pytest.mark.contract("BND-8")
@pytest.mark.parametrize("way", ["plugin", "option"])
def test_class_of_requests_that_somebody_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "plugin":
        monkeypatch.setattr(Plugins, "plugins", (Requests(),))
    else:
        monkeypatch.setattr(Plugins, "options", {"request_class": Chosen})
    with closing(Plugins(Files(tmp_path))) as service:
        visitor = service.visitor()
        assert "Chosen" in visitor.get("/classes").json()
        # It reads a body as the policy does.
        kind = ("Content-Type", FORM)
        same = ("Sec-Fetch-Site", "same-origin")
        expect.error(visitor.send("POST", "/classes", (same, kind), b"a=b"), 415)
        assert visitor.api("POST", "/classes", b"[1]").json() == [1]


@pytest.mark.contract("LOG-1")
@pytest.mark.usefixtures("restored_logging")
def test_structlog_and_what_it_logs_of_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Plugins, "plugins", (StructlogPlugin(),))
    with closing(Plugins(Files(tmp_path))) as service:
        visitor = service.visitor()
        assert visitor.get("/logs/structured").json() is True
        user = service.add_user()
        member = service.member(user)
        assert member.get("/account").status_code == 200
    told = capfd.readouterr().err
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert {"structured", "HTTP Request", "HTTP Response"} <= {line["event"] for line in lines}
    assert next(line["number"] for line in lines if line["event"] == "structured") == 4711
    assert not [each for each in (member.session, user.password) if each in told]


@pytest.mark.contract("HDR-4")
@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("path", ["/kept", "/inside/kept/"])
def test_kept_response_is_for_its_session_alone(tmp_path: Path, path: str) -> None:
    with closing(Plugins(Files(tmp_path))) as service:
        users = [service.add_user() for _ in range(2)]
        browsers = [*map(service.member, users), service.visitor(), service.visitor()]
        first, other, visitor, stranger = [browser.get(path).text for browser in browsers]
        assert first.startswith(f"{users[0].name} ")
        assert other.startswith(f"{users[1].name} ")
        assert visitor.startswith("visitor ")
        # Kept it is.
        assert stranger == visitor
        assert [browser.get(path).text for browser in browsers] == [first, other, visitor, visitor]
