"""What FastAPI's own documentation shows, most of it word for word."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any
from xml.etree import ElementTree

from fastapi import (
    APIRouter,
    BackgroundTasks,
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
    status,
)
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fastapi.security import (
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
)
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount, Route

from ...adapter import login_not_required

router = APIRouter()
FOLDER = Path(mkdtemp())
(FOLDER / "file.txt").write_bytes(b"0123456789" * 10_000)
STATE: dict[str, Any] = {}
"""What background tasks and the lifespan have done."""


# https://fastapi.tiangolo.com/advanced/events/
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    STATE["answer_to_everything"] = lambda x: x * 42
    yield {"started": "by lifespan"}
    STATE.clear()


@router.get("/predict")
async def predict(request: Request, x: float) -> dict[str, Any]:
    return {"result": STATE["answer_to_everything"](x), "state": request.state.started}


# https://fastapi.tiangolo.com/tutorial/request-files/
@router.post("/files/")
async def create_files(files: Annotated[list[bytes], File()]) -> dict[str, list[int]]:
    return {"file_sizes": [len(file) for file in files]}


@router.post("/uploadfiles/")
async def create_upload_files(files: list[UploadFile], note: Annotated[str, Form()]) -> Any:
    digest = hashlib.sha256()
    for file in files:
        while chunk := await file.read(65536):
            digest.update(chunk)
    return {
        "filenames": [file.filename for file in files],
        "sizes": [file.size for file in files],
        "types": [file.content_type for file in files],
        "sha256": digest.hexdigest(),
        "note": note,
    }


# https://fastapi.tiangolo.com/tutorial/request-form-models/
class FormData(BaseModel):
    username: str
    password: str
    tags: list[str] = []
    model_config = {"extra": "forbid"}


@router.post("/form/")
async def form_model(data: Annotated[FormData, Form()]) -> FormData:
    return data


@router.post("/form/raw")
async def form_raw(request: Request) -> list[Any]:
    async with request.form() as form:
        return [[name, getattr(value, "filename", value)] for name, value in form.multi_items()]


# https://fastapi.tiangolo.com/tutorial/background-tasks/
def write_notification(email: str, message: str = "") -> None:
    STATE[email] = message


@router.post("/send-notification/{email}")
async def send_notification(email: str, background_tasks: BackgroundTasks) -> dict[str, str]:
    background_tasks.add_task(write_notification, email, message="some notification")
    return {"message": "Notification sent in the background"}


@router.get("/notified/{email}")
async def notified(email: str) -> dict[str, str]:
    return {"message": STATE.get(email, "")}


# https://fastapi.tiangolo.com/advanced/custom-response/
@router.get("/stream")
async def stream() -> StreamingResponse:
    async def fake_video_streamer() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"some fake video bytes"
            await asyncio.sleep(0)

    return StreamingResponse(fake_video_streamer())


@router.get("/stream/file")
def stream_file() -> StreamingResponse:
    def iterfile() -> Iterator[bytes]:
        with (FOLDER / "file.txt").open("rb") as file_like:
            yield from file_like

    return StreamingResponse(iterfile(), media_type="video/mp4")


@router.get("/download")
async def download() -> FileResponse:
    return FileResponse(FOLDER / "file.txt", filename="report.txt")


@router.get("/items.xml")
def legacy() -> Response:
    return Response(content="<shampoo>Use in hair</shampoo>", media_type="application/xml")


class CustomORJSONResponse(Response):
    media_type = "application/vnd.example+json"

    def render(self, content: Any) -> bytes:
        return repr(content).replace("'", '"').encode()


@router.get("/custom", response_class=CustomORJSONResponse)
async def custom() -> Any:
    return {"message": "Hello World"}


@router.get("/html", response_class=HTMLResponse)
async def html() -> str:
    return "<html><head><title>Some HTML</title></head><body><h1>Look</h1></body></html>"


@router.get("/plain", response_class=PlainTextResponse)
async def plain() -> str:
    return "Hello World"


@router.get("/typer")
async def redirect_typer() -> RedirectResponse:
    return RedirectResponse("/plain")


# https://fastapi.tiangolo.com/advanced/response-headers/, response-cookies
@router.get("/headers-and-object/")
def get_headers(response: Response) -> dict[str, str]:
    response.headers["X-Cat-Dog"] = "alone in the world"
    response.headers["X-Total-Count"] = "3"
    response.headers["ETag"] = '"abc"'
    response.headers["Link"] = '</next>; rel="next"'
    response.headers["Content-Language"] = "de-DE"
    response.headers["Deprecation"] = "true"
    return {"message": "Hello World"}


@router.post("/cookie-and-object/")
def create_cookie(response: Response) -> dict[str, str]:
    response.set_cookie(key="fakesession", value="fake-cookie-session-value")
    response.set_cookie("second", "2", max_age=60, path="/cookie", samesite="strict")
    return {"message": "Come to the dark side, we have cookies"}


@router.get("/cookies")
async def read_cookies(fakesession: Annotated[str | None, Cookie()] = None) -> Any:
    return {"fakesession": fakesession}


@router.post("/cookies/delete")
def delete_cookie(response: Response) -> dict[str, str]:
    response.delete_cookie("fakesession")
    return {}


# https://fastapi.tiangolo.com/tutorial/response-model/
class UserIn(BaseModel):
    username: str
    password: str


class UserOut(BaseModel):
    username: str


@router.post("/user/", response_model=UserOut, status_code=status.HTTP_201_CREATED)
async def create_user(user: UserIn) -> Any:
    return user


@router.put("/get-or-create-task/{task_id}", status_code=200)
def get_or_create_task(task_id: str, response: Response) -> str:
    response.status_code = status.HTTP_201_CREATED
    return task_id


@router.delete("/thing", status_code=204)
def delete_thing() -> None: ...


# https://fastapi.tiangolo.com/tutorial/query-param-models/, header-param-models
@router.get("/query/")
async def read_query(q: Annotated[list[str] | None, Query()] = None) -> Any:
    return {"q": q}


@router.get("/header/")
async def read_header(
    user_agent: Annotated[str | None, Header()] = None,
    x_token: Annotated[list[str] | None, Header()] = None,
) -> Any:
    return {"User-Agent": user_agent, "X-Token": x_token}


# https://fastapi.tiangolo.com/tutorial/security/
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")
TOKEN = secrets.token_urlsafe()


@router.post("/token")
@login_not_required
async def token(form_data: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Any:
    if form_data.password != "secret2":
        raise HTTPException(status_code=400, detail="Incorrect username or password")
    return {"access_token": TOKEN, "token_type": "bearer"}


async def get_current_user(token: Annotated[str, Depends(oauth2_scheme)]) -> str:
    if not secrets.compare_digest(token, TOKEN):
        raise HTTPException(
            status_code=status.HTTP_401_UNAUTHORIZED,
            detail="Invalid authentication credentials",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return "johndoe"


@router.get("/users/me")
@login_not_required
async def read_users_me(current_user: Annotated[str, Depends(get_current_user)]) -> str:
    return current_user


@router.post("/users/me/items")
@login_not_required
async def add_item(current_user: Annotated[str, Depends(get_current_user)], item: UserOut) -> str:
    return f"{current_user} {item.username}"


@router.get("/bearer")
@login_not_required
def bearer(found: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    return found.credentials


@router.get("/apikey")
@login_not_required
async def api_key(key: Annotated[str, Depends(APIKeyHeader(name="x-key"))]) -> str:
    return key


@router.get("/basic")
@login_not_required
def basic(credentials: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    return credentials.username


# https://fastapi.tiangolo.com/tutorial/dependencies/dependencies-in-path-operation-decorators/
async def verify_token(x_token: Annotated[str, Header()]) -> None:
    if x_token != "fake-super-secret-token":
        raise HTTPException(status_code=400, detail="X-Token header invalid")


guarded = APIRouter(prefix="/guarded", dependencies=[Depends(verify_token)])


@guarded.get("/items")
async def guarded_items() -> list[str]:
    return ["Foo"]


async def dependency_with_yield() -> AsyncIterator[str]:
    STATE["opened"] = True
    try:
        yield "session"
    finally:
        STATE["opened"] = False


@router.get("/yielded")
async def yielded(value: Annotated[str, Depends(dependency_with_yield)]) -> Any:
    return {"value": value, "opened": STATE["opened"]}


# https://fastapi.tiangolo.com/advanced/websockets/
class ConnectionManager:
    def __init__(self):
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket):
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket):
        self.active_connections.remove(websocket)

    async def send_personal_message(self, message: str, websocket: WebSocket):
        await websocket.send_text(message)

    async def broadcast(self, message: str):
        for connection in self.active_connections:
            await connection.send_text(message)


manager = ConnectionManager()


@router.websocket("/ws/{client_id}")
async def websocket_endpoint(websocket: WebSocket, client_id: int):
    await manager.connect(websocket)
    try:
        while True:
            data = await websocket.receive_text()
            await manager.send_personal_message(f"You wrote: {data}", websocket)
            await manager.broadcast(f"Client #{client_id} says: {data}")
    except WebSocketDisconnect:
        manager.disconnect(websocket)
        await manager.broadcast(f"Client #{client_id} left the chat")


@router.websocket("/unlisted-ws")
async def unlisted(websocket: WebSocket):
    await websocket.accept()


# Webhooks: the signature is over the bytes as they came.
SECRET = b"whsec"


async def signed(request: Request, x_signature: Annotated[str, Header()]) -> bytes:
    body = await request.body()
    expected = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, x_signature):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "bad signature")
    return body


@router.post("/hooks/{kind}")
async def hook(kind: str, request: Request, body: Annotated[bytes, Depends(signed)]) -> Any:
    if kind == "json":
        return {"got": await request.json()}
    if kind == "xml":
        return {"got": ElementTree.fromstring(body).tag}  # noqa: S314 - of whom signs
    return {"got": len(body)}


# request.session: https://www.starlette.io/middleware/#sessionmiddleware
@router.post("/cart/{item}")
async def add_to_cart(item: str, request: Request) -> Any:
    cart = request.session.get("cart", {})
    cart[item] = cart.get(item, 0) + 1
    request.session["cart"] = cart
    request.session.setdefault("log", []).append(item)
    return request.session


@router.get("/cart")
async def cart(request: Request) -> Any:
    return {**request.session, "url": str(request.url_for("cart")), "client": request.client}


@router.post("/cart-clear")
async def clear(request: Request) -> Any:
    request.session.pop("cart", None)
    return dict(request.session)


# https://fastapi.tiangolo.com/advanced/sub-applications/
subapi = FastAPI()


@subapi.get("/sub")
def read_sub() -> dict[str, str]:
    return {"message": "Hello World from sub API"}


@subapi.get("/crash")
def crash_sub() -> None:
    raise ValueError("secret-4711")


def homepage(request: Any) -> PlainTextResponse:
    return PlainTextResponse(f"Hello, {request.path_params.get('username', 'world')}!")


starlette = Starlette(
    routes=[Route("/", homepage), Mount("/in", routes=[Route("/{username}", homepage)])]
)


# https://fastapi.tiangolo.com/tutorial/middleware/
class CustomHeaderMiddleware(BaseHTTPMiddleware):
    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers["X-Custom"] = "Example"
        return response


class UnicornException(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


@router.get("/unicorns/{name}")
async def read_unicorn(name: str) -> dict[str, str]:
    raise UnicornException(name=name)


@router.get("/crash")
async def crash() -> None:
    raise ValueError("secret-4711")


# https://fastapi.tiangolo.com/tutorial/stream-json-lines/
@router.get("/items/stream")
async def stream_items() -> AsyncIterable[UserOut]:
    for name in ("a", "b"):
        yield UserOut(username=name)


def add_to(app: FastAPI) -> None:
    app.include_router(router)
    app.include_router(guarded)
    app.mount("/subapi", subapi)
    app.mount("/star", starlette)
    app.mount("/files-static", StaticFiles(directory=FOLDER), name="files")
    app.add_middleware(CustomHeaderMiddleware)

    @app.middleware("http")
    async def add_process_time_header(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers["X-Process-Time"] = "0.1"
        return response

    @app.exception_handler(UnicornException)
    async def unicorn_exception_handler(request: Request, exc: UnicornException) -> JSONResponse:
        return JSONResponse(
            status_code=418,
            content={"message": f"Oops! {exc.name} did something. There goes a rainbow..."},
        )
