"""What Litestar's documentation shows, and packages for it, in a service as it runs in production.

`litestar/app/parts/` has the code; `docs/ecosystem.md` has a row for each test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ecosystem import environment
from tests.ecosystem.checks import (
    CALLER,
    HOOK,
    TRACE,
    check_authlib,
    check_webhook,
    dsn,
    refusals,
    socket_of,
    told_sentry,
)
from tests.ecosystem.environment import Edit
from tests.ecosystem.loopback import provider, silent, web_server
from tests.ecosystem.service import (
    JSON,
    SECRET,
    SWAGGER,
    Client,
    Facts,
    Service,
    asks_for_login,
    development,
    member,
    production,
    public,
    tool,
    window,
    with_parts,
)
from tests.live.service import ORIGIN
from tests.live.websocket import TEXT
from tests.projects import Project

EDITS = (
    Edit(
        "app/main.py",
        "from . import factors, notes, pages\n",
        "from . import factors, notes, pages, parts\n",
    ),
    Edit(
        "app/main.py", "for feature in FEATURES)],", "for feature in FEATURES), *parts.HANDLERS],"
    ),
    Edit(
        "app/main.py",
        "plugins=[security],",
        "plugins=[security, *parts.PLUGINS],\n        **parts.OPTIONS,",
    ),
)
FACTS = Facts(
    service={
        "redirect-hosts": ["provider.example"],
        "response-headers": [
            *("x-total-count", "x-odd", "x-after", "authorization", "ratelimit-limit"),
            *("hx-redirect", "hx-location", "hx-trigger", "hx-refresh", "hx-push-url"),
        ],
    },
    routes=[
        {"path": "/upload", "body": ["multipart/form-data"], "max-body": 50_000_000},
        {"path": "/long", "access": "public", "origins": ["https://spa.example.com"]},
        {"path": "/msgpack", "body": ["application/vnd.msgpack"]},
        {"path": "/raw", "body": ["application/xml"]},
        {"path": "/chunks", "body": ["application/octet-stream"]},
        {"path": "/webhook", **HOOK},
        {"path": "/ws/chat", "websocket": True},
        {"path": "/echo", "websocket": True},
        *map(public, ("/jwt/", "/auth/", "/metrics", "/keyed/")),
    ],
)


PARTS = "flash alchemy channels compression hosts mount prometheus"


@pytest.fixture(scope="session")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with all packages and the code for them."""
    target = tmp_path_factory.mktemp("litestar") / "project"
    return environment.build("litestar", template, target, EDITS)


@pytest.fixture(scope="module")
def everyday(project: Project) -> Iterator[tuple[Service, Client]]:
    """Run the service with what Litestar's own documentation shows, and what goes with it."""
    with with_parts(project, PARTS, FACTS, PARTS_SECRET=SECRET) as found:
        yield found


@pytest.fixture(scope="module")
def client(everyday: tuple[Service, Client]) -> Client:
    """Return a browser in which somebody has logged in."""
    return everyday[1]


@pytest.fixture
def visitor(everyday: tuple[Service, Client]) -> Iterator[Client]:
    """Open a browser without a session."""
    with everyday[0].client() as visitor:
        yield visitor


# Litestar itself ----------------------------------------------------------------------------------


@pytest.mark.sample
def test_dto(client: Client) -> None:
    made = client.post("/users", json={"name": "n", "email": "e", "age": 3})
    assert made.status_code == 201
    assert made.json() == {"name": "n", "age": 3, "id": "00000000-0000-0000-0000-000000000001"}
    assert client.post("/users", json={"name": "n"}).status_code == 400


def test_guards(client: Client, visitor: Client) -> None:
    assert client.get("/secret", headers={"secret-header": "s3"}).status_code == 200
    # Somebody who has logged in is not sent to log in.
    assert client.get("/secret").status_code == 401
    refused = client.get("/admins", headers=JSON)
    assert (refused.status_code, refused.json()["detail"]) == (403, "You are no admin.")
    assert asks_for_login(visitor.get("/secret", headers={"secret-header": "s3"}))


def test_stores_and_response_cache(client: Client, visitor: Client) -> None:
    assert client.put("/store/x").json() == {"value": "value"}
    assert client.get("/cached").text == client.get("/cached").text
    # What is kept is not handed to who may not see it.
    assert asks_for_login(visitor.get("/cached"))


def test_stream_and_server_sent_events(client: Client) -> None:
    assert client.get("/stream").text == "number 0\nnumber 1\nnumber 2\n"
    events = client.get("/sse")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.text.count("event: number") == 3


def test_file(client: Client) -> None:
    answer = client.get("/download")
    assert answer.headers["content-disposition"] == 'attachment; filename="report.txt"'
    assert len(answer.content) == 100_000
    assert client.head("/download").headers["content-length"] == "100000"


def test_static_files_router(client: Client, visitor: Client) -> None:
    assert len(client.get("/folder/file.txt").content) == 100_000
    assert client.get("/folder/none").status_code == 404
    assert asks_for_login(visitor.get("/folder/file.txt"))


def test_headers_and_cookies_of_a_response(client: Client) -> None:
    answer = client.get("/odd")
    assert (answer.headers["x-total-count"], answer.headers["x-odd"]) == ("3", "1")
    assert answer.headers["etag"] == '"x"'
    lines = answer.headers.get_list("set-cookie")
    assert {line.partition("=")[0] for line in lines} == {"own", "handler"}
    assert all("Secure" in line and "HttpOnly" in line for line in lines)
    assert client.get("/redirect").headers["location"] == "/odd"
    assert client.delete("/thing").status_code == 204
    assert client.get("/messagepack").content == b"\x81\xa5hello\xa5world"


def test_forms_and_repeated_names(client: Client) -> None:
    fields = {"a": ["1", "2"], "b": "x"}
    assert client.post("/urlencoded", data=fields).json() == fields
    pairs = client.post("/raw-form", data=fields).json()
    assert sorted(pairs) == [["a", "1"], ["a", "2"], ["b", "x"]]


def test_uploads(client: Client) -> None:
    files = [("files", ("a", b"x" * 3_000_000)), ("files", ("b", b"y" * 12_000_000))]
    answer = client.post("/upload", files=files, data={"note": "n"})
    assert answer.json() == {"names": ["a", "b"], "sizes": [3_000_000, 12_000_000], "note": "n"}


def test_webhook_with_a_signature(visitor: Client) -> None:
    check_webhook(visitor, "/webhook")


def test_authentication_middleware(visitor: Client) -> None:
    assert visitor.get("/keyed/whoami", headers=JSON).status_code == 401
    answer = visitor.get("/keyed/whoami", headers={"x-api-key": "k3y"})
    assert answer.json() == {"user": "robot", "auth": "k3y"}


@pytest.mark.parametrize(
    ("path", "kind", "body", "got"),
    [
        ("/raw", "application/xml", b"<a/>", {"size": 4}),
        ("/chunks", "application/octet-stream", b"x" * 100_000, {"size": 100_000}),
        ("/msgpack", "application/vnd.msgpack", b"\x81\xa1a\x01", {"a": 1}),
    ],
)
def test_other_bodies(client: Client, path: str, kind: str, body: bytes, got: Any) -> None:
    assert client.post(path, content=body, headers={"content-type": kind}).json() == got


def test_background_tasks(client: Client) -> None:
    assert client.get("/background?name=joe").json() == {"hello": "joe"}
    done = {"greeter": "was called with joe", "second": "too"}
    assert client.get("/background/done").json() == done


def test_hooks(client: Client) -> None:
    answer = client.get("/hooked")
    assert answer.headers["x-after"] == "1"
    assert client.get("/hooked?stop=1").json() == {"from": "before"}
    assert client.get("/hooked").json()["after"] > answer.json()["after"]


def test_exceptions(client: Client) -> None:
    own = client.get("/own-error")
    assert (own.status_code, own.json()) == (418, {"mine": "so"})
    raised = client.get("/raise/409", headers=JSON)
    assert (raised.status_code, raised.json()["detail"]) == (409, "words of mine")
    assert client.get("/crash").status_code == 500


def test_own_handlers_of_404_and_500(project: Project) -> None:
    with with_parts(project, "handlers", FACTS) as (_, client):
        missing, crash = client.get("/nothing"), client.get("/crash")
        assert (missing.status_code, missing.json()) == (404, {"mine": "not here"})
        assert (crash.status_code, crash.json()) == (500, {"mine": "sorry"})
        assert crash.headers["x-content-type-options"] == "nosniff"


def test_layers_and_dependencies(visitor: Client) -> None:
    found = visitor.get("/layer/controller/3").json()
    assert found == {"number": 3, "dep": "opened", "flag": True, "limit": 5}
    assert visitor.get("/layer/controller/3?limit=0").status_code == 422
    assert visitor.post("/layer/controller/3", json={"a": 1}).json() == {"a": 1}


@pytest.mark.sample
def test_session(client: Client) -> None:
    assert client.post("/session/a").json() == {"a": 1}
    assert client.get("/session").json() == {"a": 1}
    client.post("/session-replace")
    assert client.get("/session").json() == {"b": 1}
    assert client.logged_in()
    where = client.get("/where").json()
    assert where == {
        "url": f"{ORIGIN}/where",
        "base": f"{ORIGIN}/",
        "for": f"{ORIGIN}/where",
        "client": "198.51.100.1",
    }


@pytest.mark.parametrize("kind", ["server", "cookie"])
def test_middleware_for_sessions(project: Project, kind: str) -> None:
    with with_parts(project, kind, FACTS) as (service, client):
        assert client.post("/cart/tea").status_code == 201
        assert client.get("/cart").json() == {"cart": "tea"}
        assert client.get("/nothing").status_code == 404
        assert client.logged_in()
        assert "session" not in client.cookies
        assert service.events("session_backend_replaced")


@pytest.mark.sample
def test_flash_plugin(client: Client) -> None:
    assert client.post("/flash").status_code == 201
    assert "been flashed" in client.get("/flashed").text
    assert client.get("/flashed").text == ""


def test_htmx(client: Client) -> None:
    def ask(kind: str) -> httpx.Response:
        return client.get(f"/htmx/{kind}", headers={"hx-request": "true"})

    assert ask("location").headers["hx-location"] == '{"path":"/odd"}'
    assert ask("redirect").headers["hx-redirect"] == "/odd"
    assert ask("refresh").headers["hx-refresh"] == "true"
    assert "Confirm" in ask("trigger").headers["hx-trigger"]
    page = ask("page")
    assert (page.text, page.headers["hx-push-url"]) == ("<p>part</p>", "/pushed")


def test_compression(client: Client, visitor: Client) -> None:
    for name in ("br", "gzip"):
        accept = {"accept-encoding": name}
        assert visitor.get("/long", headers=accept).headers["content-encoding"] == name
        # Next to a session nothing is compressed.
        assert "content-encoding" not in client.get("/long", headers=accept).headers


def test_rate_limit(project: Project) -> None:
    with production(project, FACTS, PARTS="rate") as service:
        with service.client("203.0.113.1") as one, service.client("203.0.113.2") as other:
            # A client says what it likes.
            answers = [
                one.get("/long", headers={"x-real-ip": f"203.0.113.{number}"})
                for number in range(10, 14)
            ]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert answers[0].headers["ratelimit-limit"] == "3"
            assert other.get("/long").status_code == 200


def test_csrf_of_litestar(project: Project) -> None:
    with production(project, FACTS, PARTS="csrf") as service, service.client() as visitor:
        token = visitor.get("/login").cookies["csrftoken"]
        user = service.add_user()
        form = {"username": user.name, "password": user.password}
        assert visitor.post("/login", data=form).status_code == 403
        answer = visitor.post("/login", data=form, headers={"x-csrftoken": token})
        assert answer.status_code == 303


def test_cors_of_litestar(project: Project) -> None:
    with production(project, FACTS, PARTS="cors") as service, service.client() as visitor:
        # Whom the fact names, not the configuration.
        origin = {"origin": "https://spa.example.com"}
        allowed = "access-control-allow-origin"
        assert allowed not in visitor.get("/cached", headers=origin).headers
        assert visitor.get("/long", headers=origin).headers[allowed] == origin["origin"]


def test_problem_details(project: Project) -> None:
    with production(project, FACTS, PARTS="problems") as service, service.client() as visitor:
        answer = visitor.get("/purchase")
        assert (answer.status_code, answer.json()["balance"]) == (403, 30)
        missing = visitor.get("/nothing")
        assert (missing.status_code, missing.json()["title"]) == (404, "Not Found")
        assert "content-security-policy" in missing.headers
        assert asks_for_login(visitor.get("/account"))


@pytest.fixture(scope="module")
def plugged(project: Project) -> Iterator[tuple[Service, Client]]:
    """Run the service with plugins that come with Litestar."""
    with with_parts(project, "plugins", FACTS) as found:
        yield found


def test_structlog(plugged: tuple[Service, Client]) -> None:
    service, client = plugged
    assert client.get("/logs").status_code == 200
    (line,) = service.events("inside a request")
    assert line["number"] == 4711
    assert service.events("HTTP Request")
    assert client.cookies["__Host-session"] not in service.log.read_text("utf-8")


def test_htmx_plugin(plugged: tuple[Service, Client]) -> None:
    part = plugged[1].get("/form", headers={"hx-request": "true"})
    assert (part.text, part.headers["hx-push-url"]) == ("<p>part</p>", "/pushed")
    assert plugged[1].get("/form").text == "<html>whole</html>"


def test_listeners_and_lifespan(plugged: tuple[Service, Client]) -> None:
    assert plugged[1].post("/created?email=a@example.com").json() == 1
    assert plugged[1].get("/created").json() == ["a@example.com"]


def test_cache_keeps_the_nonce_of_another_answer(plugged: tuple[Service, Client]) -> None:
    service, client = plugged
    assert "Log out" in client.get("/kept").text
    with service.client() as visitor:
        first, second = visitor.get("/kept"), visitor.get("/kept")
    # It is not what the member got.
    assert "Log out" not in first.text
    assert first.text == second.text
    assert first.headers["content-security-policy"] != second.headers["content-security-policy"]


def test_strawberry(plugged: tuple[Service, Client]) -> None:
    service, client = plugged
    asked = {"query": "{ hello }"}
    assert client.post("/graphql", json=asked).json() == {"data": {"hello": "Hello World"}}
    with service.client() as visitor:
        assert asks_for_login(visitor.get("/graphql"))


# Packages -----------------------------------------------------------------------------------------


def test_jwt_auth(project: Project) -> None:
    with production(project, FACTS, PARTS="jwt") as service, service.client() as visitor:
        bearer = visitor.post("/jwt/login").headers["authorization"]
        assert visitor.get("/jwt/me").status_code == 401
        answer = visitor.get("/jwt/me", headers={"authorization": bearer})
        assert answer.json() == {"id": "ada", "sub": "ada"}


def test_jwt_cookie_auth(project: Project) -> None:
    with production(project, FACTS, PARTS="tokens") as service, service.client() as visitor:
        assert visitor.get("/jwt/me").status_code == 401
        (line,) = visitor.post("/jwt/login", json={"id": "ada"}).headers.get_list("set-cookie")
        assert "Secure" in line
        assert visitor.get("/jwt/me").json() == {"id": "ada"}
        # It opens nothing of the service's.
        assert not visitor.logged_in()


def test_session_auth(project: Project) -> None:
    with production(project, FACTS, PARTS="session_auth") as service, service.client() as visitor:
        assert visitor.get("/auth/me").status_code == 401
        assert visitor.post("/auth/login").json() == {"id": "joe"}
        assert visitor.get("/auth/me").text == "joe"
        assert "session" not in visitor.cookies


def test_advanced_alchemy(everyday: tuple[Service, Client]) -> None:
    service, client = everyday
    made = client.post("/authors", json={"name": "Ursula"})
    assert (made.status_code, made.json()["name"]) == (201, "Ursula")
    assert client.get("/authors").json() == ["Ursula"]
    assert client.get("/authors/sorted?orderBy=name").json() == ["Ursula"]
    # Its handler answers what it has not foreseen; the log says what that was.
    mark = service.mark()
    unknown = client.get("/authors/sorted?orderBy=unknown")
    assert unknown.status_code == 500
    (line,) = service.events("sys_crash", mark)
    assert "unknown" in line["exception"]


def test_channels(client: Client) -> None:
    assert client.post("/publish/hi").json() == ['{"text":"hi"}']


def test_channels_over_websockets(project: Project) -> None:
    with with_parts(project, "sockets", FACTS) as (service, client):
        # A foreign page, a visitor, a path that no fact names.
        assert refusals(service, client, "/ws/chat", "/ws/unlisted") == [403, 401, 403]
        client.post("/announce/before")
        with (
            socket_of(client, service, "/ws/chat") as one,
            socket_of(client, service, "/ws/chat") as other,
        ):
            client.post("/announce/after")
            for opened in (one, other):
                assert opened.status == 101
                messages: list[str] = []
                while "after" not in messages:
                    kind, message = opened.read()
                    assert kind == TEXT
                    messages.append(json.loads(message)["message"])
                # By the history of the channel.
                assert messages[0] == "before"
        with socket_of(client, service, "/echo") as listener:
            listener.send(b'{"text": "a"}')
            assert listener.read() == (TEXT, b'{"echo":"a"}')


def test_mounted_fastapi(client: Client, visitor: Client) -> None:
    assert client.get("/fast/hello").json() == {"hello": "fastapi"}
    for path in ("/fast/docs", "/fast/openapi.json", "/schema"):
        assert client.get(path).status_code == 404
    assert asks_for_login(visitor.get("/fast/hello"))


def test_prometheus(visitor: Client) -> None:
    visitor.get("/")
    assert "litestar_requests_total" in visitor.get("/metrics").text


@pytest.mark.parametrize("local_variables", ["yes", "no"])
def test_sentry(project: Project, local_variables: str) -> None:
    with web_server(silent) as sentry:
        own: dict[str, Any] = {"PARTS_DSN": dsn(sentry), "PARTS_LOCAL_VARIABLES": local_variables}
        with production(project, FACTS, **own) as service:
            user = service.add_user()
            with member(service, user) as client:
                told = told_sentry(service, client, user, sentry, "/crash", "secret-4711")
                # Frames of Litestar hold the request.
                assert bool(told) == (local_variables == "yes")


def test_opentelemetry(project: Project) -> None:
    with production(project, PARTS="traces") as service, service.client() as client:
        assert client.get("/login?next=/account", headers=CALLER).status_code == 200
        spans = client.get("/spans").json()
    (span,) = [each for each in spans if each["name"] == "GET /login" and each["kind"] == "SERVER"]
    assert span["trace"] == TRACE
    attributes = span["attributes"]
    assert attributes["http.url"] == f"{ORIGIN}/login?next=/account"
    assert attributes["net.peer.ip"] == "198.51.100.1"


def test_authlib(project: Project) -> None:
    with web_server(provider) as oauth:
        place = f"http://127.0.0.1:{oauth.port}"
        with production(project, FACTS, PARTS="oauth", PARTS_PROVIDER=place) as service:
            with service.client() as visitor:
                check_authlib(visitor, "/oauth/login", redirect=302)


# Tools --------------------------------------------------------------------------------------------

CLIENTS = """
import asyncio

import pytest
from litestar.testing import AsyncTestClient, TestClient

from my_service.adapter import Settings
from my_service.app.main import create_app


@pytest.fixture
def app(tmp_path):
    return create_app(
        Settings(database_url=f"sqlite:///{tmp_path}/a.db", store_url=f"sqlite:///{tmp_path}/s.db")
    )


def test_client(app):
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
        answer = client.get("/odd", follow_redirects=False)
        assert answer.headers["location"].startswith("/login")


def test_async_client(app):
    async def ask():
        async with AsyncTestClient(app) as client:
            return (await client.get("/")).status_code

    assert asyncio.run(ask()) == 200
"""


def test_clients(project: Project) -> None:
    place = project.path / "tests" / "app" / "test_clients.py"
    place.write_text(CLIENTS, "utf-8")
    # A package that is imported warns of what it uses, and to pytest.ini a warning is an error.
    ignored = ("-W", "default::DeprecationWarning")
    project.run(
        *(project.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ignored, str(place))
    )


def test_litestar_command(project: Project) -> None:
    program = str(Path(project.python).with_name("litestar"))
    listed = project.run(program, "--app", "asgi:app", "routes").stdout
    assert "/layer/controller/{number:int}" in listed
    assert "Litestar" in project.run(program, "--app", "asgi:app", "info").stdout
    with tool(project, program, "--app", "asgi:app", "run", "--port", "{port}") as status:
        assert status("/healthz") == 200
        assert status("/login") == 200


def test_openapi_in_development(project: Project) -> None:
    with development(project) as service, service.client() as visitor:
        assert visitor.get("/schema").status_code == 200
        assert visitor.get("/schema/openapi.json").json()["openapi"].startswith("3.")


def test_pages_about_the_api_in_a_browser(project: Project) -> None:
    with development(project, PARTS="openapi") as service:
        with window(service, {"swagger-ui-bundle": SWAGGER}) as (page, complaints):
            page.goto("/schema/swagger")
            assert page.title() == "ran"
            page.goto("/schema")
            assert not complaints
