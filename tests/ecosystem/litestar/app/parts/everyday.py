"""What Litestar's own documentation shows, most of it word for word."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, Router, delete, get, post, put, route
from litestar.background_tasks import BackgroundTask, BackgroundTasks
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, ResponseHeader, UploadFile
from litestar.di import Provide
from litestar.dto import DataclassDTO, DTOConfig
from litestar.enums import MediaType, RequestEncodingType
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import (
    AbstractAuthenticationMiddleware,
    AuthenticationResult,
    DefineMiddleware,
)
from litestar.params import Body, Parameter
from litestar.plugins.htmx import (
    ClientRedirect,
    ClientRefresh,
    HTMXRequest,
    HTMXTemplate,
    HXLocation,
    TriggerEvent,
)
from litestar.response import (
    File,
    Redirect,
    ServerSentEvent,
    ServerSentEventMessage,
    Stream,
)
from litestar.static_files import create_static_files_router
from litestar.stores.memory import MemoryStore

FOLDER = Path(mkdtemp())
(FOLDER / "file.txt").write_bytes(b"0123456789" * 10_000)
STATE: dict[str, Any] = {}


# https://docs.litestar.dev/latest/usage/dto/
@dataclass
class User:
    name: str
    email: str
    age: int
    id: UUID | None = None


class UserDTO(DataclassDTO[User]):
    config = DTOConfig(exclude={"email"}, rename_strategy="camel")


class WriteDTO(DataclassDTO[User]):
    config = DTOConfig(exclude={"id"})


@post("/users", dto=WriteDTO, return_dto=UserDTO, sync_to_thread=False)
def create_user(data: User) -> User:
    data.id = UUID(int=1)
    return data


# https://docs.litestar.dev/latest/usage/security/guards.html
def secret_token_guard(
    connection: ASGIConnection[Any, Any, Any, Any], route_handler: BaseRouteHandler
) -> None:
    if (
        route_handler.opt.get("secret")
        and connection.headers.get("Secret-Header", "") != route_handler.opt["secret"]
    ):
        raise NotAuthorizedException()


def admin_guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    raise PermissionDeniedException("You are no admin.")


@get("/secret", guards=[secret_token_guard], opt={"secret": "s3"}, sync_to_thread=False)
def secret() -> None: ...


@get("/admins", guards=[admin_guard], sync_to_thread=False)
def admins() -> None: ...


# https://docs.litestar.dev/latest/usage/stores.html
store = MemoryStore()


@put("/store/{key:str}")
async def store_set(key: str, request: Request[Any, Any, Any]) -> dict[str, Any]:
    await request.app.stores.get("own").set(key, "value", expires_in=60)
    value = await request.app.stores.get("own").get(key)
    return {"value": value.decode() if value else None}


@get("/cached", cache=60, sync_to_thread=False)
def cached() -> str:
    STATE["calls"] = STATE.get("calls", 0) + 1
    return str(STATE["calls"])


# https://docs.litestar.dev/latest/usage/responses.html
@get("/stream")
async def stream() -> Stream:
    async def my_generator() -> AsyncGenerator[str, None]:
        for number in range(3):
            await asyncio.sleep(0)
            yield f"number {number}\n"

    return Stream(my_generator())


@get("/sse", sync_to_thread=False)
def sse() -> ServerSentEvent:
    async def my_generator() -> AsyncGenerator[ServerSentEventMessage, None]:
        for count in range(3):
            await asyncio.sleep(0)
            yield ServerSentEventMessage(data=str(count), event="number", id=str(count))

    return ServerSentEvent(my_generator())


@get("/download", media_type="text/plain", sync_to_thread=False)
def download() -> File:
    return File(path=FOLDER / "file.txt", filename="report.txt")


@get(
    "/odd",
    response_headers=[ResponseHeader(name="X-Odd", value="1")],
    response_cookies=[Cookie(key="handler", value="1")],
    sync_to_thread=False,
)
def odd() -> Response[dict[str, str]]:
    return Response({"a": "b"}, headers={"X-Total-Count": "3", "ETag": '"x"'}, cookies={"own": "2"})


@get("/redirect", sync_to_thread=False)
def redirect() -> Redirect:
    return Redirect(path="/odd")


@get("/html", media_type=MediaType.HTML, sync_to_thread=False)
def html() -> str:
    return "<h1>Hello</h1>"


@delete("/thing", sync_to_thread=False)
def thing() -> None: ...


@get("/messagepack", media_type=MediaType.MESSAGEPACK, sync_to_thread=False)
def messagepack() -> dict[str, str]:
    return {"hello": "world"}


# https://docs.litestar.dev/latest/usage/requests.html
@post("/urlencoded")
async def urlencoded(
    data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, Any]:
    return data


@post("/raw-form")
async def raw_form(request: Request[Any, Any, Any]) -> list[Any]:
    form = await request.form()
    return [[name, getattr(value, "filename", value)] for name, value in form.multi_items()]


# Signed over its bytes.
@post("/webhook", status_code=200, exclude_from_auth=True)
async def webhook(request: Request[Any, Any, Any]) -> dict[str, Any]:
    secret = os.environ["PARTS_SECRET"].encode()
    body = await request.body()
    signature = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, request.headers.get("X-Hub-Signature-256", "")):
        raise PermissionDeniedException
    if request.content_type[0] == RequestEncodingType.JSON:
        return {"event": (await request.json())["event"]}
    if request.content_type[0] == RequestEncodingType.URL_ENCODED:
        return {"event": (await request.form())["event"]}
    return {"bytes": len(body)}


# https://docs.litestar.dev/latest/usage/security/abstract-authentication-middleware.html
@dataclass
class Program:
    name: str


class KeyAuthenticationMiddleware(AbstractAuthenticationMiddleware):
    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        api_key = connection.headers.get("X-API-KEY")
        if api_key != "k3y":
            raise NotAuthorizedException()
        return AuthenticationResult(user=Program("robot"), auth=api_key)


@get("/whoami", sync_to_thread=False)
def whoami(request: Request[Program, str, Any]) -> dict[str, str]:
    return {"user": request.user.name, "auth": request.auth}


keyed = Router(
    "/keyed", route_handlers=[whoami], middleware=[DefineMiddleware(KeyAuthenticationMiddleware)]
)


@dataclass
class Upload:
    files: list[UploadFile]
    note: str


@post("/upload")
async def upload(
    data: Annotated[Upload, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, Any]:
    return {
        "names": [file.filename for file in data.files],
        "sizes": [len(await file.read()) for file in data.files],
        "note": data.note,
    }


@post("/raw")
async def raw(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"size": len(await request.body())}


@post("/chunks")
async def chunks(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"size": sum([len(chunk) async for chunk in request.stream()])}


@post("/msgpack")
async def msgpack(
    data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MESSAGEPACK)],
) -> dict[str, Any]:
    return data


# https://docs.litestar.dev/latest/usage/responses.html#background-tasks
async def logging_task(identifier: str, message: str) -> None:
    STATE[identifier] = message


@get("/background", sync_to_thread=False)
def background(name: str) -> Response[dict[str, str]]:
    return Response(
        {"hello": name},
        background=BackgroundTasks(
            [
                BackgroundTask(logging_task, "greeter", message=f"was called with {name}"),
                BackgroundTask(logging_task, "second", message="too"),
            ]
        ),
    )


@get("/background/done", sync_to_thread=False)
def background_done() -> dict[str, str]:
    return {name: STATE.get(name, "") for name in ("greeter", "second")}


# https://docs.litestar.dev/latest/usage/lifecycle-hooks.html
async def before_request_handler(request: Request[Any, Any, Any]) -> dict[str, str] | None:
    return {"from": "before"} if request.query_params.get("stop") else None


async def after_request(response: Response[Any]) -> Response[Any]:
    response.headers["X-After"] = "1"
    return response


async def after_response(request: Request[Any, Any, Any]) -> None:
    STATE["after"] = STATE.get("after", 0) + 1


@get(
    "/hooked",
    before_request=before_request_handler,
    after_request=after_request,
    after_response=after_response,
)
async def hooked() -> dict[str, int]:
    return {"after": STATE.get("after", 0)}


# https://docs.litestar.dev/latest/usage/exceptions.html
class OwnError(Exception): ...


def own_error_handler(_: Request[Any, Any, Any], exc: OwnError) -> Response[dict[str, str]]:
    return Response({"mine": str(exc)}, status_code=418)


@get("/own-error", exception_handlers={OwnError: own_error_handler}, sync_to_thread=False)
def own_error() -> None:
    raise OwnError("so")


@get("/raise/{status:int}", sync_to_thread=False)
def raise_(status: int) -> None:
    raise HTTPException("words of mine", status_code=status)


@route("/crash", http_method=["GET", "POST"], sync_to_thread=False)
def crash() -> None:
    raise ValueError("secret-4711")


# https://docs.litestar.dev/latest/usage/dependency-injection.html
async def bool_fn() -> bool:
    return True


async def closing() -> AsyncGenerator[str, None]:
    STATE["open"] = True
    yield "opened"
    STATE["open"] = False


class MyController(Controller):
    path = "/controller"
    dependencies = {"controller_dependency": Provide(closing), "flag": Provide(bool_fn)}

    @get("/{number:int}")
    async def my_route_handler(
        self,
        number: int,
        controller_dependency: str,
        flag: bool,
        limit: Annotated[int, Parameter(ge=1)] = 5,
    ) -> dict[str, Any]:
        return {"number": number, "dep": controller_dependency, "flag": flag, "limit": limit}

    @post("/{number:int}", exclude_from_auth=True)
    async def public(self, number: int, data: dict[str, Any]) -> dict[str, Any]:
        return data


layered = Router("/layer", route_handlers=[MyController], opt={"exclude_from_auth": True})


# https://docs.litestar.dev/latest/usage/middleware/builtin-middleware.html
@post("/session/{key:str}")
async def session_set(key: str, request: Request[Any, Any, Any]) -> dict[str, Any]:
    request.session[key] = request.session.get(key, 0) + 1
    return dict(request.session)


@get("/session")
async def session_get(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return request.session


@post("/session-replace")
async def session_replace(request: Request[Any, Any, Any]) -> None:
    request.set_session({"b": 1})


@get("/where", name="where")
async def where(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {
        "url": str(request.url),
        "base": str(request.base_url),
        "for": request.url_for("where"),
        "client": request.client.host if request.client else None,
    }


# https://docs.litestar.dev/latest/usage/htmx.html
@get("/htmx/{kind:str}", request_class=HTMXRequest)
async def htmx(request: HTMXRequest, kind: str) -> Any:
    if kind == "location":
        return HXLocation(redirect_to="/odd")
    if kind == "redirect":
        return ClientRedirect(redirect_to="/odd")
    if kind == "refresh":
        return ClientRefresh()
    if kind == "trigger":
        return TriggerEvent(
            content="Success!", name="showMessage", params={"alert": "Confirm"}, after="receive"
        )
    return HTMXTemplate(
        template_str="<p>part</p>" if request.htmx else "<html>whole</html>",
        push_url="/pushed",
        re_target="#x",
    )


class Handlers:
    """What belongs to the application."""

    routes: tuple[Any, ...] = (
        create_user,
        secret,
        admins,
        store_set,
        cached,
        stream,
        sse,
        download,
        odd,
        redirect,
        html,
        thing,
        messagepack,
        urlencoded,
        raw_form,
        webhook,
        keyed,
        upload,
        raw,
        chunks,
        msgpack,
        background,
        background_done,
        hooked,
        own_error,
        raise_,
        crash,
        layered,
        session_set,
        session_get,
        session_replace,
        where,
        htmx,
        create_static_files_router(path="/folder", directories=[FOLDER]),
    )
