"""More of FastAPI's tutorial and its advanced guide."""

from __future__ import annotations

import gzip
import hmac
from collections.abc import AsyncIterable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any

import jwt
from fastapi import (
    APIRouter,
    Body,
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Request,
    Response,
    Security,
    UploadFile,
    WebSocket,
    WebSocketException,
    status,
)
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.routing import APIRoute
from fastapi.security import (
    HTTPAuthorizationCredentials,
    HTTPDigest,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    SecurityScopes,
)
from fastapi.sse import EventSourceResponse, ServerSentEvent
from jwt.exceptions import InvalidTokenError
from pydantic import BaseModel
from starlette.endpoints import HTTPEndpoint
from starlette.routing import Host, Mount, Route, Router

from ...adapter import login_not_required

router = APIRouter()
KEY = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"
DIST = Path(mkdtemp())
(DIST / "index.html").write_text("<script src=/front/app.js></script>", "utf-8")
(DIST / "app.js").write_text("document.title = 'ran'", "utf-8")

# https://fastapi.tiangolo.com/advanced/security/oauth2-scopes/
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="scoped/token", scopes={"me": "Me", "items": "Items"})


async def get_current_user(
    security_scopes: SecurityScopes, token: Annotated[str, Depends(oauth2_scheme)]
) -> str:
    headers = {"WWW-Authenticate": f'Bearer scope="{security_scopes.scope_str}"'}
    try:
        payload = jwt.decode(token, KEY, algorithms=["HS256"])
    except InvalidTokenError:
        raise HTTPException(401, "Could not validate credentials", headers) from None
    for scope in security_scopes.scopes:
        if scope not in payload["scope"].split(" "):
            raise HTTPException(401, "Not enough permissions", headers)
    return str(payload["sub"])


@router.post("/scoped/token")
@login_not_required
async def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    if not hmac.compare_digest(form.password, "secret"):
        raise HTTPException(400, "Incorrect username or password")
    expires = datetime.now(UTC) + timedelta(minutes=30)
    claims = {"sub": form.username, "scope": " ".join(form.scopes), "exp": expires}
    return {"access_token": jwt.encode(claims, KEY, algorithm="HS256"), "token_type": "bearer"}


@router.get("/scoped/me")
@login_not_required
async def me(user: Annotated[str, Security(get_current_user, scopes=["me"])]) -> str:
    return user


@router.get("/scoped/items")
@login_not_required
async def items(user: Annotated[str, Security(get_current_user, scopes=["items"])]) -> str:
    return user


@router.get("/digest")
@login_not_required
def digest(sent: Annotated[HTTPAuthorizationCredentials, Security(HTTPDigest())]) -> str:
    return sent.credentials


# https://fastapi.tiangolo.com/tutorial/cookie-param-models/, header-param-models
class Cookies(BaseModel):
    model_config = {"extra": "forbid"}
    session_id: str
    tracker: str | None = None


class CommonHeaders(BaseModel):
    host: str
    save_data: bool
    x_tag: list[str] = []


@router.get("/models")
@login_not_required
async def models(
    cookies: Annotated[Cookies, Cookie()], headers: Annotated[CommonHeaders, Header()]
) -> list[Any]:
    return [cookies, headers]


# https://fastapi.tiangolo.com/tutorial/request-files/, body-multiple-params
@router.post("/optional")
@login_not_required
async def optional(
    file: UploadFile | None = None, small: Annotated[bytes, File()] = b""
) -> dict[str, Any]:
    return {"file": file and file.filename, "small": len(small)}


@router.put("/embed")
@login_not_required
async def embed(name: Annotated[str, Body(embed=True)]) -> dict[str, str]:
    return {"name": name}


# https://fastapi.tiangolo.com/how-to/custom-request-and-route/
class GzipRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            body = await super().body()
            if "gzip" in self.headers.getlist("Content-Encoding"):
                body = gzip.decompress(body)
            self._body = body
        return self._body


class GzipRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        original_route_handler = super().get_route_handler()

        async def custom_route_handler(request: Request) -> Response:
            response = await original_route_handler(GzipRequest(request.scope, request.receive))
            response.headers["X-Custom"] = "by the route"
            return response

        return custom_route_handler


numbers = APIRouter(route_class=GzipRoute)


@numbers.post("/sum")
@login_not_required
async def sum_numbers(numbers: Annotated[list[int], Body()]) -> int:
    return sum(numbers)


@numbers.get("/sum/closed")
async def closed() -> int:
    return 0


# https://fastapi.tiangolo.com/tutorial/handling-errors/
@router.get("/leads")
@login_not_required
def leads(to: str) -> None:
    raise HTTPException(status_code=303, headers={"Location": to})


@router.delete("/nothing", status_code=status.HTTP_204_NO_CONTENT)
@login_not_required
def nothing() -> None:
    return None


@router.get("/attachment")
@login_not_required
def attachment(name: str) -> FileResponse:
    return FileResponse(DIST / "app.js", filename=name)


@router.get("/disposition")
@login_not_required
def disposition(name: str) -> Response:
    return Response("a", headers={"Content-Disposition": f'attachment; filename="{name}"'})


# https://fastapi.tiangolo.com/tutorial/server-sent-events/
@router.get("/events", response_class=EventSourceResponse)
@login_not_required
async def events(
    last_event_id: Annotated[int | None, Header()] = None,
) -> AsyncIterable[ServerSentEvent]:
    for number in range(0 if last_event_id is None else last_event_id + 1, 3):
        yield ServerSentEvent(data={"number": number}, id=str(number))


# https://fastapi.tiangolo.com/advanced/websockets/
async def token_of(websocket: WebSocket, token: str = "") -> str:
    if token != "abc":
        raise WebSocketException(code=status.WS_1008_POLICY_VIOLATION)
    return token


@router.websocket("/socket/token")
@login_not_required
async def socket(websocket: WebSocket, token: Annotated[str, Depends(token_of)]) -> None:
    await websocket.accept()
    await websocket.send_text(f"{token} {await websocket.receive_text()}")


class Endpoint(HTTPEndpoint):
    async def get(self, _: Request) -> Response:
        return PlainTextResponse("got")


async def home(request: Request) -> Response:
    return PlainTextResponse(str(request.url))


class Around:
    """A pure ASGI middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def add_to(app: FastAPI) -> None:
    app.include_router(router)
    app.include_router(numbers)
    app.add_route("/endpoint", Endpoint)  # type: ignore[arg-type] # a class, as documented
    app.router.routes.append(Mount("/nested", routes=[Mount("/deep", routes=[Route("/a", home)])]))
    app.router.routes.append(Host("api.example.org", Router(routes=[Route("/of-host", home)])))
    inner = FastAPI()
    inner.add_api_route("/page", lambda: "inside")
    app.mount("/around", Around(inner))
    # https://fastapi.tiangolo.com/tutorial/frontend/
    app.frontend("/front", directory=DIST)

    @app.post("/small", max_body_size=10)
    @login_not_required
    def small(name: Annotated[str, Form()]) -> str:
        return name

    # https://fastapi.tiangolo.com/how-to/custom-docs-ui-assets/
    @app.get("/own-docs", include_in_schema=False)
    @login_not_required
    async def own_docs() -> Response:
        return get_swagger_ui_html(openapi_url="/openapi.json", title="Own")
