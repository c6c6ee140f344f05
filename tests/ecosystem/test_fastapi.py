"""What FastAPI's documentation shows, and packages for it, in a service as it runs in production.

`fastapi/app/parts/` has the code; `docs/ecosystem.md` has a row for each test.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ecosystem import environment
from tests.ecosystem.checks import check_authlib, dsn, refusals, socket_of, told_sentry
from tests.ecosystem.environment import Edit
from tests.ecosystem.loopback import Received, provider, silent, web_server
from tests.ecosystem.service import (
    FOREIGN,
    GZIP,
    JSON,
    SWAGGER,
    Client,
    Facts,
    Service,
    asks_for_login,
    development,
    member,
    production,
    public,
    submit,
    title,
    tool,
    window,
    with_parts,
)
from tests.live.service import HOST, ORIGIN, Edge
from tests.live.websocket import TEXT
from tests.projects import Project

EDITS = (
    Edit(
        "app/main.py",
        "from . import factors, notes, pages\n",
        "from . import factors, notes, pages, parts\n",
    ),
    Edit("app/main.py", "app = FastAPI(", "app = FastAPI(lifespan=parts.everyday.lifespan, "),
    Edit("app/main.py", "    return secure(", "    parts.add_to(app)\n    return secure("),
)
UPLOAD = {"path": "/uploadfiles/", "body": ["multipart/form-data"], "max-body": 50_000_000}
HOOKS = {
    "path": "/hooks/",
    "access": "public",
    "cross-site": "without-session",
    "body": ["application/json", "application/xml", "application/x-protobuf"],
}
FACTS = Facts(
    service={
        "response-headers": ["x-total-count", "x-process-time", "x-custom"],
        "redirect-hosts": ["provider.example"],
    },
    routes=[
        UPLOAD,
        HOOKS,
        {"path": "/long", "access": "public", "origins": ["https://spa.example.com"]},
        {"path": "/ws/", "websocket": True},
        *map(public, ("/metrics", "/auth/")),
    ],
)
FACTS_MORE = Facts(
    service={"response-headers": ["x-custom", "x-request-id", "x-fastapi-cache"]},
    routes=[
        {"path": "/sum", "body": ["application/json"]},
        {"path": "/socket/", "websocket": True},
        public("/front/"),
    ],
)
"""For `tutorial` and `extras`."""
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="session")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with all packages and the code for them."""
    target = tmp_path_factory.mktemp("fastapi") / "project"
    return environment.build("fastapi", template, target, EDITS)


@pytest.fixture(scope="module")
def everyday(project: Project) -> Iterator[tuple[Service, Client]]:
    """Run the service with what FastAPI's own documentation shows."""
    with with_parts(project, "everyday", FACTS) as found:
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


@pytest.fixture
def program(everyday: tuple[Service, Client]) -> Iterator[httpx.Client]:
    """Open a client that is no browser: no cookies, nothing that says where it is."""
    transport = Edge(everyday[0].transport(), "198.51.100.7")
    with httpx.Client(transport=transport, base_url=ORIGIN) as program:
        yield program


@pytest.fixture(scope="module")
def packages(project: Project) -> Iterator[tuple[Service, Client]]:
    """Run the service with packages that go together."""
    with with_parts(project, "packages", FACTS) as found:
        yield found


@pytest.fixture(scope="module")
def tutorial(project: Project) -> Iterator[tuple[Service, Client]]:
    """Run the service with more of the tutorial."""
    hosts = f"{HOST},api.example.org"
    with with_parts(project, "tutorial", FACTS_MORE, APP_HOSTS=hosts) as found:
        yield found


@pytest.fixture(scope="module")
def extras(project: Project) -> Iterator[tuple[Service, Client]]:
    """Run the service with packages that go together; one worker, which has all counts."""
    with (
        production(project, FACTS_MORE, workers=1, PARTS="extras") as service,
        service.client() as client,
    ):
        assert client.login(service.add_user()).status_code == 303
        yield service, client


# FastAPI itself -----------------------------------------------------------------------------------


@pytest.mark.sample
def test_lifespan(client: Client) -> None:
    assert client.get("/predict?x=2").json() == {"result": 84, "state": "by lifespan"}


def test_files(client: Client) -> None:
    answer = client.post("/files/", files=[("files", b"abc"), ("files", b"de")])
    assert answer.json() == {"file_sizes": [3, 2]}


@pytest.mark.sample
def test_upload_of_several_and_big_files(client: Client) -> None:
    big = b"x" * 8_000_000
    files = [("files", ("a.bin", big)), ("files", ("\xe4 b.txt", big, "text/plain"))]
    answer = client.post("/uploadfiles/", files=files, data={"note": "\xe4 n"}).json()
    assert answer["filenames"] == ["a.bin", "\xe4 b.txt"]
    assert answer["sizes"] == [len(big)] * 2
    assert answer["sha256"] == hashlib.sha256(big + big).hexdigest()
    assert answer["note"] == "\xe4 n"
    huge = [("files", ("a.bin", big * 7))]
    assert client.post("/uploadfiles/", files=huge, data={"note": "n"}).status_code == 413


def test_form_models_and_repeated_names(client: Client) -> None:
    fields = {"username": "u", "password": "p", "tags": ["1", "2"]}
    assert client.post("/form/", data=fields).json() == fields
    refused = client.post("/form/", data={"username": "u", "extra": "p"}, headers=JSON)
    assert (refused.status_code, "password" in refused.json()["fields"]) == (422, True)
    fields = {"a": ["1", "2"]}
    assert client.post("/form/raw", data=fields).json() == [["a", "1"], ["a", "2"]]
    mixed = client.post("/form/raw", files={"f": ("n", b"x")}, data=fields).json()
    assert sorted(mixed) == [["a", "1"], ["a", "2"], ["f", "n"]]


def test_background_tasks(client: Client) -> None:
    assert client.post("/send-notification/a@b.c").status_code == 200
    assert client.get("/notified/a@b.c").json() == {"message": "some notification"}


def test_streams(client: Client) -> None:
    assert client.get("/stream").content == b"some fake video bytes" * 10
    assert len(client.get("/stream/file").content) == 100_000
    assert client.get("/items/stream").text.split() == ['{"username":"a"}', '{"username":"b"}']


def test_file_response_and_ranges(client: Client) -> None:
    whole = client.get("/download")
    assert whole.headers["content-disposition"] == 'attachment; filename="report.txt"'
    assert client.head("/download").headers["content-length"] == "100000"
    part = client.get("/download", headers={"range": "bytes=2-5"})
    assert (part.status_code, part.text) == (206, "2345")
    assert part.headers["content-range"] == "bytes 2-5/100000"
    parts = client.get("/download", headers={"range": "bytes=2-5,10-12"})
    assert parts.headers["content-type"].startswith("multipart/byteranges")
    outside = client.get("/download", headers={"range": "bytes=9999999-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, "bytes */100000")
    stale = {"range": "bytes=0-3", "if-range": '"other"'}
    assert client.get("/download", headers=stale).status_code == 200


def test_conditional_request_of_mounted_static_files(client: Client, visitor: Client) -> None:
    kept = client.get("/files-static/file.txt").headers["etag"]
    again = client.get("/files-static/file.txt", headers={"if-none-match": kept})
    assert (again.status_code, again.content) == (304, b"")
    assert "content-security-policy" not in again.headers
    assert client.get("/files-static/file.txt", headers={"range": "bytes=0-3"}).text == "0123"
    assert client.get("/files-static/none").status_code == 404
    assert asks_for_login(visitor.get("/files-static/file.txt"))


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("/items.xml", "application/xml", "<shampoo>Use in hair</shampoo>"),
        ("/custom", "application/vnd.example+json", '{"message": "Hello World"}'),
        ("/html", "text/html; charset=utf-8", "<html>"),
        ("/plain", "text/plain; charset=utf-8", "Hello World"),
    ],
)
def test_custom_responses(client: Client, path: str, kind: str, text: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"] == kind
    assert answer.text.startswith(text)


def test_redirects(client: Client) -> None:
    answer = client.get("/typer")
    assert (answer.status_code, answer.headers["location"]) == (307, "/plain")
    # Starlette adds a slash, as its documentation says; the other way there is one address.
    assert client.get("/headers-and-object").headers["location"] == f"{ORIGIN}/headers-and-object/"
    assert client.get("/star").headers["location"] == f"{ORIGIN}/star/"
    assert client.get("/plain/").status_code == 404


def test_headers_of_a_response(client: Client) -> None:
    headers = client.get("/headers-and-object/").headers
    assert headers["x-total-count"] == "3"
    assert headers["x-process-time"] == "0.1"
    assert headers["x-custom"] == "Example"
    assert headers["link"] == '</next>; rel="next"'
    assert headers["content-language"] == "de-DE"
    # No fact names these.
    assert "x-cat-dog" not in headers
    assert "deprecation" not in headers


def test_cookies_of_a_response(client: Client) -> None:
    lines = client.post("/cookie-and-object/").headers.get_list("set-cookie")
    assert all("Secure" in line and "HttpOnly" in line for line in lines)
    assert "SameSite=strict" in lines[1]
    assert client.get("/cookies").json() == {"fakesession": "fake-cookie-session-value"}
    client.post("/cookies/delete")
    assert client.get("/cookies").json() == {"fakesession": None}


def test_response_model_and_status(client: Client) -> None:
    made = client.post("/user/", json={"username": "u", "password": "p"})
    assert (made.status_code, made.json()) == (201, {"username": "u"})
    assert client.put("/get-or-create-task/x").status_code == 201
    assert client.delete("/thing").status_code == 204
    assert client.get("/query/?q=a&q=b").json() == {"q": ["a", "b"]}


def test_security_dependencies(program: httpx.Client) -> None:
    form = {"username": "johndoe", "password": "secret2"}
    token = program.post("/token", data=form).json()["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert program.get("/users/me", headers=bearer).json() == "johndoe"
    item = program.post("/users/me/items", headers=bearer, json={"username": "i"})
    assert item.json() == "johndoe i"
    for path, challenge in (
        ("/users/me", "Bearer"),
        ("/bearer", "Bearer"),
        ("/apikey", "APIKey"),
        ("/basic", "Basic"),
    ):
        refused = program.get(path)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, challenge)
    assert program.get("/apikey", headers={"x-key": "1"}).json() == "1"
    assert program.get("/basic", auth=("a", "b")).json() == "a"
    wrong = program.get("/users/me", headers={"authorization": "Bearer x", **JSON})
    assert wrong.json()["detail"] == "Invalid authentication credentials"


def test_dependencies_of_a_router_and_with_yield(client: Client) -> None:
    assert client.get("/guarded/items").status_code == 422
    token = {"x-token": "fake-super-secret-token"}
    assert client.get("/guarded/items", headers=token).json() == ["Foo"]
    refused = client.get("/guarded/items", headers={"x-token": "wrong", **JSON})
    assert (refused.status_code, refused.json()["detail"]) == (400, "X-Token header invalid")
    assert client.get("/yielded").json() == {"value": "session", "opened": True}


def test_websockets(everyday: tuple[Service, Client]) -> None:
    service, client = everyday
    # A foreign page, a visitor, a path that no fact names.
    assert refusals(service, client, "/ws/1", "/unlisted-ws") == [403, 401, 403]
    with socket_of(client, service, "/ws/1") as one:
        assert one.status == 101
        with socket_of(client, service, "/ws/2") as two:
            two.send(b"hello")
            assert two.read() == (TEXT, b"You wrote: hello")
            for opened in (one, two):
                assert opened.read() == (TEXT, b"Client #2 says: hello")
        assert one.read() == (TEXT, b"Client #2 left the chat")


@pytest.mark.parametrize(
    ("kind", "media_type", "body", "got"),
    [
        ("json", "application/json", b'{"b":1.0, "a": 2}', {"b": 1.0, "a": 2}),
        ("xml", "application/xml", b"<order/>", "order"),
        ("protobuf", "application/x-protobuf", b"\x08\x96\x01", 3),
    ],
)
def test_webhook_with_a_signature(
    program: httpx.Client, kind: str, media_type: str, body: bytes, got: Any
) -> None:
    signature = hmac.new(b"whsec", body, hashlib.sha256).hexdigest()
    headers = {"content-type": media_type, "x-signature": signature, **FOREIGN}
    answer = program.post(f"/hooks/{kind}", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"got": got})
    forged = program.post(f"/hooks/{kind}", content=body, headers={**headers, "x-signature": "a"})
    assert forged.status_code == 403


@pytest.mark.sample
def test_session(client: Client) -> None:
    assert client.post("/cart/tea").status_code == 200
    assert client.post("/cart/tea").json() == {"cart": {"tea": 2}, "log": ["tea", "tea"]}
    found = client.get("/cart").json()
    assert found["url"] == f"{ORIGIN}/cart"
    assert found["client"][0] == "198.51.100.1"
    assert client.post("/cart-clear").json() == {"log": ["tea", "tea"]}
    assert client.logged_in()


def test_mounted_applications(client: Client, visitor: Client) -> None:
    assert client.get("/subapi/sub").json() == {"message": "Hello World from sub API"}
    assert client.get("/star/").text == "Hello, world!"
    assert client.get("/star/in/joe").text == "Hello, joe!"
    assert client.get("/subapi/crash").status_code == 500
    for path in ("/subapi/sub", "/star/"):
        assert asks_for_login(visitor.get(path))
    for path in ("/docs", "/redoc", "/openapi.json", "/subapi/docs", "/subapi/openapi.json"):
        assert client.get(path).status_code == 404


def test_exception_handler_of_an_own_exception(client: Client) -> None:
    answer = client.get("/unicorns/joe")
    message = "Oops! joe did something. There goes a rainbow..."
    assert (answer.status_code, answer.json()) == (418, {"message": message})


def test_own_handlers_of_all_errors(project: Project) -> None:
    with with_parts(project, "handlers", FACTS) as (_, client):
        assert client.get("/items/3").text == "Nope! I don't like 3."
        assert client.get("/nothing").text == "Not Found"
        invalid = client.get("/items/x")
        assert (invalid.status_code, invalid.text[:17]) == (400, "Validation errors")
        crash = client.get("/items/0")
        assert (crash.status_code, crash.json()) == (500, {"mine": "sorry"})
        assert crash.headers["x-content-type-options"] == "nosniff"


def test_handlers_of_fastapi_reused(project: Project) -> None:
    with with_parts(project, "reused", FACTS) as (_, client):
        assert client.get("/items/3").json() == {"detail": "Nope! I don't like 3."}
        assert client.get("/nothing").json() == {"mine": "not here"}
        assert client.get("/items/x").json()["detail"][0]["type"] == "int_parsing"


def test_middlewares_of_starlette(project: Project) -> None:
    with with_parts(project, "around", FACTS) as (service, client):
        assert client.post("/kept/tea").status_code == 200
        assert client.get("/kept").json() == {"kept": "tea"}
        assert client.logged_in()
        assert "session" not in client.cookies
        (line,) = service.events("middleware_left_out")
        assert "SessionMiddleware" in line["middleware"]
        with service.client() as visitor:
            assert visitor.get("/long", headers=GZIP).headers["content-encoding"] == "gzip"
            # Whom the fact names, not the middleware.
            origin = {"origin": "https://spa.example.com"}
            assert ALLOWED not in visitor.get("/kept", headers=origin).headers
            assert visitor.get("/long", headers=origin).headers[ALLOWED] == origin["origin"]
        # Next to a session nothing is compressed.
        assert "content-encoding" not in client.get("/long", headers=GZIP).headers


# The tutorial, gone on with -----------------------------------------------------------------------


def test_oauth2_with_scopes_and_jwt(tutorial: tuple[Service, Client]) -> None:
    with tutorial[0].client() as visitor:
        form = {"grant_type": "password", "username": "joe", "password": "secret", "scope": "me"}
        token = visitor.post("/scoped/token", data=form).json()["access_token"]
        bearer = {"authorization": f"Bearer {token}", **JSON}
        assert visitor.get("/scoped/me", headers=bearer).json() == "joe"
        refused = visitor.get("/scoped/items", headers=bearer)
        assert (refused.status_code, refused.json()["detail"]) == (401, "Not enough permissions")
        assert refused.headers["www-authenticate"] == 'Bearer scope="items"'
        wrong = visitor.post("/scoped/token", data={**form, "password": "no"}, headers=JSON)
        assert wrong.json()["detail"] == "Incorrect username or password"
        assert visitor.get("/digest", headers={"authorization": "Digest a"}).json() == "a"
        assert visitor.get("/digest").headers["www-authenticate"] == "Digest"


def test_parameter_models_and_bodies(tutorial: tuple[Service, Client]) -> None:
    with tutorial[0].client() as visitor:
        headers = {"cookie": "session_id=1", "save-data": "true", "x-tag": "a"}
        cookies, seen = visitor.get("/models", headers=headers).json()
        assert (cookies["session_id"], seen["host"], seen["x_tag"]) == ("1", HOST, ["a"])
        extra = visitor.get("/models", headers={**headers, "cookie": "session_id=1; b=2"})
        assert extra.status_code == 422
        assert visitor.post("/optional").json() == {"file": None, "small": 0}
        files = {"file": ("../\xe4.txt", b"abc"), "small": b"de"}
        assert visitor.post("/optional", files=files).json() == {"file": "../\xe4.txt", "small": 2}
        assert visitor.put("/embed", json={"name": "n"}).json() == {"name": "n"}
        assert visitor.delete("/nothing").content == b""


def test_custom_route_class(tutorial: tuple[Service, Client]) -> None:
    service = tutorial[0]
    with service.client() as visitor:
        answer = visitor.post("/sum", json=[1, 2])
        assert (answer.json(), answer.headers["x-custom"]) == (3, "by the route")
        assert asks_for_login(visitor.get("/sum/closed"))
        # No body may unpack to more than it says.
        packed = {"content-type": "application/json", "content-encoding": "gzip"}
        assert (
            visitor.post("/sum", content=gzip.compress(b"[1]"), headers=packed).status_code == 415
        )


def test_exceptions_that_lead_on(tutorial: tuple[Service, Client]) -> None:
    with tutorial[0].client() as visitor:
        answer = visitor.get("/leads?to=/login")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        astray = visitor.get("/leads?to=https://evil.example/")
        assert (astray.status_code, title(astray)) == (400, "400 Bad request")


def test_header_values_of_a_client(tutorial: tuple[Service, Client]) -> None:
    with tutorial[0].client() as visitor:
        name = visitor.get("/attachment", params={"name": 'a"\r\nb: c'})
        assert "b" not in name.headers
        assert name.status_code == 200
        for value in ("a\r\nb: c", "\x7f"):
            answer = visitor.get("/disposition", params={"name": value})
            assert (answer.status_code, title(answer)) == (500, "500 Internal error")
            assert answer.headers["x-frame-options"] == "DENY"


def test_limits_of_fastapi_itself(tutorial: tuple[Service, Client]) -> None:
    with tutorial[0].client() as visitor:
        assert visitor.post("/small", data={"name": "a"}).json() == "a"
        large = visitor.post("/small", data={"name": "a" * 9})
        assert (large.status_code, title(large)) == (413, "413 Too large")
        wrong = visitor.get("/attachment?name=a", headers={"range": "bytes=5-2"})
        assert (wrong.status_code, title(wrong)) == (400, "400 Bad request")


def test_event_source_response(tutorial: tuple[Service, Client]) -> None:
    with tutorial[0].client() as visitor:
        assert visitor.get("/events").text.count("data: ") == 3
        assert visitor.get("/events", headers={"last-event-id": "1"}).text.count("data: ") == 1


def test_websocket_with_a_token(tutorial: tuple[Service, Client]) -> None:
    service, client = tutorial
    with socket_of(client, service, "/socket/token") as refused:
        assert refused.status == 403
    with socket_of(client, service, "/socket/token?token=abc") as opened:
        opened.send(b"hello")
        assert opened.read() == (TEXT, b"abc hello")


def test_classes_mounts_and_hosts_of_starlette(tutorial: tuple[Service, Client]) -> None:
    service, client = tutorial
    assert client.get("/endpoint").text == "got"
    assert client.put("/endpoint").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.get("/nested/deep/a").text == f"{ORIGIN}/nested/deep/a"
    assert client.get("/around/page").json() == "inside"
    for path in ("/around/docs", "/around/openapi.json"):
        assert client.get(path).status_code == 404
    other = {"host": "api.example.org"}
    assert client.get("/of-host", headers=other).text == "https://api.example.org/of-host"
    with service.client() as visitor:
        for path in ("/endpoint", "/nested/deep/a", "/around/page"):
            assert asks_for_login(visitor.get(path))
        assert asks_for_login(visitor.get("/of-host", headers=other))


def test_frontend(tutorial: tuple[Service, Client]) -> None:
    service = tutorial[0]
    with service.client() as visitor:
        assert visitor.get("/front/app.js").headers["content-type"].startswith("text/javascript")
        page = visitor.get("/front/some/where", headers={"accept": "text/html"})
        assert page.text.startswith("<script")
        # Its scripts have no nonce.
        assert "'strict-dynamic'" in page.headers["content-security-policy"]
        assert visitor.get("/front/%2e%2e/main.py").status_code == 404
    listed = service.command("check", "--json").stdout
    assert "/front/" not in listed
    assert "/front/*" in service.command("routes").stdout


def test_pages_about_the_api_of_your_own(tutorial: tuple[Service, Client]) -> None:
    with tutorial[0].client() as visitor:
        page = visitor.get("/own-docs")
        assert "SwaggerUIBundle" in page.text
        # Its script has no nonce, and in production there is nothing to load.
        assert "'unsafe-inline'" not in page.headers["content-security-policy"]
        assert visitor.get("/openapi.json").status_code == 404


# Packages -----------------------------------------------------------------------------------------


def test_sse_starlette(packages: tuple[Service, Client]) -> None:
    service, client = packages
    answer = client.get("/sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.text.count("event: number") == 3
    assert "connection" not in {line.get("header") for line in service.events("response_dropped")}


@pytest.mark.sample
def test_strawberry(packages: tuple[Service, Client]) -> None:
    service, client = packages
    query = {"query": "{ hello }"}
    assert client.post("/graphql", json=query).json() == {"data": {"hello": "Hello World"}}
    mutation = {"query": 'mutation { add(text: "x") }'}
    assert client.post("/graphql", json=mutation).json() == {"data": {"add": "X"}}
    with service.client() as visitor:
        assert asks_for_login(visitor.post("/graphql", json=query))


def test_slowapi(packages: tuple[Service, Client]) -> None:
    with packages[0].client("203.0.113.1") as one, packages[0].client("203.0.113.2") as other:
        answers = [one.get("/limited") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[0].text == "203.0.113.1"
        assert answers[2].json() == {"error": "Rate limit exceeded: 2 per 1 minute"}
        assert "retry-after" in answers[2].headers
        assert other.get("/limited").status_code == 200


def test_sqlmodel(packages: tuple[Service, Client]) -> None:
    client = packages[1]
    made = client.post("/heroes/", json={"name": "Deadpond"}).json()
    assert made == {"name": "Deadpond", "age": None, "id": made["id"]}
    assert made in client.get("/heroes/").json()
    assert client.get(f"/heroes/{made['id']}").json() == made
    missing = client.get("/heroes/99", headers=JSON)
    assert (missing.status_code, missing.json()["detail"]) == (404, "Hero not found")


def test_sqladmin(packages: tuple[Service, Client]) -> None:
    service, client = packages
    with service.client() as visitor:
        assert asks_for_login(visitor.get("/admin/"))
    assert client.get("/admin").headers["location"] == f"{ORIGIN}/admin/"
    made = submit(client, "/admin/hero/create", {"name": "Ada", "age": "36", "save": "Save"})
    assert made.status_code == 302
    assert "Ada" in client.get("/admin/hero/list").text
    assert client.get("/admin/statics/css/main.css").status_code == 200


def test_prometheus_instrumentator(packages: tuple[Service, Client]) -> None:
    with packages[0].client() as visitor:
        visitor.get("/")
        assert 'http_requests_total{handler="/",method="GET"' in visitor.get("/metrics").text


def test_opentelemetry(packages: tuple[Service, Client]) -> None:
    client = packages[1]
    client.get("/heroes/")
    spans = [span for span in client.get("/spans").json() if span["name"] == "GET /heroes/"]
    attributes = spans[0]["attributes"]
    assert attributes["http.url"] == f"{ORIGIN}/heroes/"
    assert attributes["net.peer.ip"] == "198.51.100.1"


def test_starlette_admin(project: Project) -> None:
    with with_parts(project, "office", FACTS) as (service, client):
        with service.client() as visitor:
            answer = visitor.get("/office/")
            assert asks_for_login(answer)
            assert all("HttpOnly" in line for line in answer.headers.get_list("set-cookie"))
        assert title(client.get("/office/")).startswith("Example")
        assert client.get("/office/post/list").status_code == 200
        made = submit(client, "/office/post/create", {"title": "Tea"})
        assert made.status_code == 303
        assert client.get("/office").headers["location"] == f"{ORIGIN}/office/"
        assert client.logged_in()


@contextmanager
def provided(project: Project) -> Iterator[tuple[Service, Received]]:
    """Run the service beside an OAuth provider."""
    with web_server(provider) as oauth:
        place = f"http://127.0.0.1:{oauth.port}"
        with production(project, FACTS, PARTS="oauth", PARTS_PROVIDER=place) as service:
            yield service, oauth


def test_authlib(project: Project) -> None:
    with provided(project) as (service, oauth), service.client() as visitor:
        check_authlib(visitor, "/oauth/login", redirect=307)
        assert oauth.wait(lambda item: item[0] == "/token")
        assert "session" not in visitor.cookies


def test_sentry(project: Project) -> None:
    with web_server(silent) as sentry:
        with production(project, PARTS="sentry", PARTS_DSN=dsn(sentry)) as service:
            user = service.add_user()
            with member(service, user) as client:
                path = "/sentry-debug"
                told = told_sentry(service, client, user, sentry, path, "ZeroDivisionError")
                assert told == []


def test_fastapi_users(project: Project) -> None:
    with production(project, FACTS, PARTS="accounts") as service, service.client() as visitor:
        ada = {"email": "ada@example.com", "password": "Birke Tisch 84"}
        assert visitor.post("/auth/register", json=ada).status_code == 201
        form = {"username": ada["email"], "password": ada["password"]}
        token = visitor.post("/auth/jwt/login", data=form).json()["access_token"]
        assert visitor.get("/auth/route").status_code == 401
        bearer = {"authorization": f"Bearer {token}"}
        greeting = {"message": "Hello ada@example.com!"}
        assert visitor.get("/auth/route", headers=bearer).json() == greeting


def test_fastapi_pagination(extras: tuple[Service, Client]) -> None:
    page = extras[1].get("/paged?page=2&size=3").json()
    assert [item["name"] for item in page["items"]] == ["n3", "n4", "n5"]
    assert extras[1].get("/paged?size=1000").status_code == 422


def test_fastapi_cache(extras: tuple[Service, Client]) -> None:
    with extras[0].client() as visitor:
        first, second = visitor.get("/kept-answer"), visitor.get("/kept-answer")
        assert first.json() == second.json()
        assert second.headers["cache-control"].startswith("max-age=")
        same = visitor.get("/kept-answer", headers={"if-none-match": second.headers["etag"]})
        assert same.status_code == 304


def test_apscheduler(extras: tuple[Service, Client]) -> None:
    deadline = time.monotonic() + 30
    while not extras[1].get("/ticks").json():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_fastapi_limiter(extras: tuple[Service, Client]) -> None:
    """It looks at each route's `path`, and what `include_router` adds has none."""
    service, client = extras
    mark = service.mark()
    assert client.get("/per-minute").status_code == 500
    (line,) = service.events("sys_crash", mark)
    assert "has no attribute 'path'" in line["exception"]


def test_fastapi_csrf_protect(extras: tuple[Service, Client]) -> None:
    with extras[0].client() as visitor:
        assert submit(visitor, "/token-form", {"token": "wrong"}).status_code in {400, 401, 403}
        page = visitor.get("/token-form")
        assert all("Secure" in line for line in page.headers.get_list("set-cookie"))
        assert submit(visitor, "/token-form", {}, known_by="token").json() == "fine"


def test_fastapi_login(extras: tuple[Service, Client]) -> None:
    with extras[0].client() as visitor:
        form = {"username": "ada", "password": "p"}
        refused = visitor.get("/manager/me")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        answer = visitor.post("/manager/token", data=form)
        assert "Secure" in answer.headers["set-cookie"]
        assert visitor.get("/manager/me").json() == "ada"


def test_fasthx(extras: tuple[Service, Client]) -> None:
    with extras[0].client() as visitor:
        answer = visitor.get("/fragment", headers={"hx-request": "true"})
        assert answer.text == "<p>&lt;b&gt;</p>"
        assert visitor.get("/fragment").json() == {"name": "<b>"}


def test_authentication_middleware(extras: tuple[Service, Client]) -> None:
    with extras[0].client() as visitor:
        known = {"authorization": "ada"}
        assert visitor.get("/by-backend", headers=known).json() == "ada"
        assert visitor.get("/by-backend").status_code == 403
        # What it answers itself no view has opened.
        assert asks_for_login(visitor.get("/by-backend", headers={"authorization": "bad"}))


def test_flash_messages(extras: tuple[Service, Client]) -> None:
    with extras[0].client() as visitor:
        assert (
            visitor.post("/flash", data={"message": "<b>"}).headers["location"].endswith("/flash")
        )
        assert visitor.get("/flash").json() == ["<b>"]
        assert visitor.get("/flash").json() == []
        assert not visitor.cookies


def test_loguru(extras: tuple[Service, Client]) -> None:
    service, client = extras
    mark = service.mark()
    client.get("/logs", params={"text": "a\nb"})
    assert "loguru: a\nb" in [line["event"] for line in service.lines(mark)]


def test_asgi_correlation_id(extras: tuple[Service, Client]) -> None:
    assert len(extras[1].get("/ticks").headers["x-request-id"]) == 32


def test_flask_mounted_by_a2wsgi(extras: tuple[Service, Client]) -> None:
    service, client = extras
    assert client.get("/wsgi/?name=<b>").text.startswith(f"Hello, &lt;b&gt;! {ORIGIN}/wsgi/")
    assert client.get("/wsgi/leads?to=//evil.example").status_code == 400
    with service.client() as visitor:
        assert asks_for_login(visitor.get("/wsgi/"))


def test_ariadne(extras: tuple[Service, Client]) -> None:
    service, client = extras
    asked = {"query": "{ hello }"}
    assert client.post("/ariadne/", json=asked).json() == {"data": {"hello": "Hello /ariadne/"}}
    with service.client() as visitor:
        assert asks_for_login(visitor.post("/ariadne/", json=asked))


def test_python_socketio(extras: tuple[Service, Client]) -> None:
    service, client = extras
    opened = client.get("/sio/?EIO=4&transport=polling")
    assert opened.text.startswith('0{"sid":')
    # It writes the names of its headers in capitals.
    assert opened.headers["content-type"].startswith("text/plain")
    with service.client() as visitor:
        assert asks_for_login(visitor.get("/sio/?EIO=4&transport=polling"))


# Tools --------------------------------------------------------------------------------------------


def test_documentation_in_development(project: Project) -> None:
    with development(project, PARTS="everyday") as service, service.client() as visitor:
        assert visitor.get("/openapi.json").json()["openapi"].startswith("3.")
        for path in ("/docs", "/redoc", "/subapi/docs"):
            assert visitor.get(path).status_code == 200


CLIENTS = """
import httpx
import pytest
from fastapi.testclient import TestClient

from my_service.adapter import Settings
from my_service.app.main import create_app
from my_service.app.parts.everyday import dependency_with_yield

@pytest.fixture
def app(tmp_path):
    made = create_app(
        Settings(database_url=f"sqlite:///{tmp_path}/a.db", store_url=f"sqlite:///{tmp_path}/s.db")
    )

    @made.get("/open/items")
    async def items(value=__import__("fastapi").Depends(dependency_with_yield)):
        return {"value": value}

    return made

def test_client(app):
    with TestClient(app) as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/plain", follow_redirects=False)
        assert answer.headers["location"].startswith("/login")
    client = TestClient(app)
    assert client.get("/").status_code == 200

def test_dependency_overrides(app):
    from my_service.adapter import CurrentUser
    app.dependency_overrides[dependency_with_yield] = lambda: "overridden"
    route = next(r for r in app.routes if getattr(r, "path", "") == "/open/items")
    route.endpoint.login_required = False
    assert TestClient(app).get("/open/items").json() == {"value": "overridden"}

def test_async_client(app):
    import asyncio
    async def ask():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/")).status_code
    assert asyncio.run(ask()) == 200
"""


def test_clients_and_overrides(project: Project) -> None:
    place = project.path / "tests" / "app" / "test_clients.py"
    place.write_text(CLIENTS, "utf-8")
    command = (project.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(place))
    project.run(*command, PARTS="everyday")


def test_fastapi_dev(project: Project) -> None:
    program = str(Path(project.python).with_name("fastapi"))
    for command in ("dev", "run"):
        with tool(project, program, command, "--port", "{port}", PARTS="everyday") as status:
            assert status("/healthz") == 200
            assert status("/docs") == 200
            assert status("/login") == 200


def test_swagger_ui_in_a_browser(project: Project) -> None:
    with development(project, PARTS="everyday") as service:
        with window(service, {"swagger-ui-bundle": SWAGGER}) as (page, complaints):
            for path in ("/docs", "/subapi/docs"):
                page.goto(path)
                assert page.title() == "ran"
            assert page.goto("/redoc")
            assert not complaints


@pytest.mark.parametrize("path", ["/graphql", "/admin/", "/office/"])
def test_scripts_of_packages_do_not_run(project: Project, tmp_path: Path, path: str) -> None:
    """Their pages have scripts without a nonce; the day they have one, the page says so."""
    own = {"PARTS": "packages office", "PARTS_FOLDER": str(tmp_path)}
    with development(project, **own) as service, window(service) as (page, complaints):
        page.goto(path)
        assert any("script-src" in line for line in complaints)
