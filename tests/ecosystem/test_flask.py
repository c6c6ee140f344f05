"""Packages for Flask, written as their documentation shows, in a service as it runs in production.

`flask/app/parts/` has the code; each test starts a service with one part of it.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
    check_celery,
    check_events,
    check_webhook,
    dsn,
    told_sentry,
)
from tests.ecosystem.environment import Edit
from tests.ecosystem.loopback import Received, mail_server, provider, silent, web_server
from tests.ecosystem.service import (
    FOREIGN,
    GZIP,
    SECRET,
    Client,
    Facts,
    Page,
    Service,
    asks_for_login,
    development,
    member,
    production,
    public,
    submit,
    window,
)
from tests.live.backends import RedisServer, serving
from tests.live.service import HOST, User, totp
from tests.ports import free_port
from tests.projects import Project, clean_environment

EDITS = (
    Edit(
        "app/main.py",
        "from . import factors, notes, pages\n",
        "from . import factors, notes, pages, parts\n",
    ),
    Edit(
        "app/main.py",
        "    return secure(app, settings, Users(database), ready=[database.ping], clock=clock)",
        "    parts.init_app(app)\n"
        "    secure(app, settings, Users(database), ready=[database.ping], clock=clock)\n"
        "    return parts.around(app)",
    ),
)
TOKEN = "csrf_token"  # noqa: S105 - the name of a field

PARTS = (
    "models login babel admin cors mails caching basics compress oauth sentry metrics dispatched"
)


FACTS = Facts(
    service={
        "redirect-hosts": ["provider.example"],
        "response-headers": ["x-started"],
    },
    routes=[
        *map(public, ("/club/", "/metrics", "/backend/", "/basics/bearer", "/shop/assets/")),
        public("/shared/", origins=["https://spa.example.com"]),
        {"path": "/basics/webhook", **HOOK},
    ],
)
"""What rows of the page name as the fact that opens something."""


@pytest.fixture(scope="session")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with all packages and the code for them."""
    target = tmp_path_factory.mktemp("flask") / "project"
    return environment.build("flask", template, target, EDITS)


@dataclass(frozen=True)
class World:
    """What the packages talk to."""

    mails: Received
    provider: Received
    sentry: Received

    def variables(self) -> Any:
        """Return the environment that says where."""
        return {
            "PARTS_SECRET": SECRET,
            "PARTS_MAIL_PORT": str(self.mails.port),
            "PARTS_PROVIDER": f"http://127.0.0.1:{self.provider.port}",
            "PARTS_DSN": dsn(self.sentry),
        }


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Run services of others on loopback."""
    with mail_server() as mails, web_server(provider) as oauth, web_server(silent) as sentry:
        yield World(mails, oauth, sentry)


@pytest.fixture(scope="session")
def opened(project: Project, world: World) -> Iterator[Service]:
    """Run the service with all parts that go together, and their facts."""
    with production(project, FACTS, PARTS=PARTS, **world.variables()) as service:
        yield service


@pytest.fixture(scope="session")
def closed(project: Project, world: World) -> Iterator[Service]:
    """Run the same without a fact."""
    with production(project, PARTS=PARTS, **world.variables()) as service:
        yield service


@pytest.fixture(scope="session")
def user(opened: Service) -> User:
    """Return a user of the service with the facts."""
    return opened.add_user()


@pytest.mark.sample
def test_flask_wtf(project: Project) -> None:
    with production(project, PARTS="forms", PARTS_SECRET=SECRET) as service:
        user = service.add_user()
        with member(service, user) as client:
            check_files(client)
            check_forms(client)


def check_forms(client: Client) -> None:
    fields: dict[str, str | list[str]] = {"name": "Ada", "email": "a@example.com"}
    answer = submit(client, "/forms/submit", {**fields, "colours": ["r", "g"]})
    assert answer.headers["location"].endswith("/forms/success/rg")
    answer = submit(client, "/forms/submit", {"name": "", "email": "no"})
    assert "Invalid email address." in answer.text
    forged = client.request("POST", "/forms/submit", data=fields)
    assert forged.status_code == 400
    assert "The CSRF token is missing." in forged.text
    token = Page(client.get("/forms/submit").text).form(TOKEN)[1][TOKEN]
    assert isinstance(token, str)
    sent = client.request("POST", "/forms/script", json={}, headers={"X-CSRFToken": token})
    assert sent.json() == {"ok": True}
    # The pages of the template have its token too.
    assert submit(client, "/account", {}, known_by=TOKEN).status_code == 303


def check_files(client: Client) -> None:
    photo = {"photo": ("a.png", b"12345", "image/png")}
    sent = submit(client, "/forms/upload", {}, files=photo, known_by=TOKEN, last=True)
    assert sent.json() == {"name": "a.png", "size": 5}
    wrong = {"photo": ("a.exe", b"12345", "image/png")}
    sent = submit(client, "/forms/upload", {}, files=wrong, known_by=TOKEN, last=True)
    assert "Images only!" in sent.text
    album = [("photos", ("a.png", b"1")), ("photos", ("b.png", b"22"))]
    sent = submit(client, "/forms/album", {}, files=album, known_by=TOKEN, last=True)
    assert sent.json() == {"sizes": [1, 2]}


def test_flask_login(stranger: Client, client: Client, visitor: Client, opened: Service) -> None:
    # Without the fact the login of the service comes first.
    assert asks_for_login(stranger.get("/club/settings"))
    for name in ("ada", "bob"):
        fields = {"username": name, "email": f"key-{name}"}
        assert submit(client, "/members/create", fields).status_code == 302
    refused = visitor.get("/club/settings")
    assert refused.headers["location"].endswith("/club/login?next=%2Fclub%2Fsettings")
    assert "Please log in to access this page." in visitor.get("/club/login").text
    before = visitor.cookies.get("__Host-session")
    answer = submit(visitor, "/club/login?next=/club/settings", {"username": "ada"})
    assert answer.headers["location"].endswith("/club/settings")
    assert visitor.cookies["__Host-session"] != before
    page = visitor.get("/club/settings").text
    assert "Hi ada!" in page
    assert "Logged in successfully." in page
    assert visitor.get("/club/fresh").text == "fresh"
    assert visitor.request("POST", "/club/logout").status_code == 302
    assert "/club/login" in visitor.get("/club/settings").headers["location"]
    by_key = visitor.get("/club/api", headers={"authorization": "key-bob"})
    assert by_key.json() == {"name": "bob"}
    submit(visitor, "/club/login", {"username": "bob", "remember": "on"})
    cookie = visitor.cookies.get("remember_token")
    assert cookie
    with opened.client() as again:
        again.cookies.set("remember_token", cookie, domain=HOST)
        assert "Hi bob!" in again.get("/club/settings").text
        assert "/club/login" in again.get("/club/fresh").headers["location"]


def test_flask_login_is_fresh_by_the_services_page(opened: Service) -> None:
    """Its own mark of a fresh login, and of the browser, are those that `login_user` writes."""
    with member(opened, opened.add_user()) as own:
        assert own.get("/club/inside").text.startswith("user ")
        assert own.get("/club/fresh").text == "fresh"


def test_flask_login_is_the_first_of_two_proofs(opened: Service) -> None:
    """Also where its cookie remembers who it was (PPL-4)."""
    user = opened.add_user()
    with member(opened, user) as own:
        page = own.get("/account/factors/totp")
        secret = re.search(r"<code>([A-Z2-7]{32})</code>", page.text)
        assert secret
        action, given = Page(page.text).form("enrolment")
        data = {**given, "code": totp(secret[1])}
        codes = re.findall(r"<code>([a-z0-9-]{19})</code>", own.post(action, data=data).text)
    login = {"username": user.name, "remember": "on"}
    asked = "/login/factor?next=/club/inside"
    with opened.client() as client:
        half = client.post("/club/enter", data=login)
        assert (half.status_code, half.headers["location"]) == (303, asked)
        assert "remember_token" not in client.cookies
        assert "/club/login" in client.get("/club/inside").headers["location"]
        assert asks_for_login(client.get("/account"))
        done = submit(client, asked, {"code": codes[0]})
        assert done.headers["location"] == "/club/inside"
        assert client.get("/club/inside").text.startswith("user ")
        # Who is signed in by both has proved what it takes.
        assert client.post("/club/enter", data=login).status_code == 302
        remembered = client.cookies["remember_token"]
    with opened.client() as later:
        later.cookies.set("remember_token", remembered, domain=HOST)
        half = later.get("/club/inside")
        assert (half.status_code, half.headers["location"]) == (303, asked)
        assert asks_for_login(later.get("/account"))
        submit(later, asked, {"code": codes[1]})
        assert later.get("/club/inside").text.startswith("user ")


def test_flask_login_remembers_beyond_the_end_of_sessions(opened: Service) -> None:
    """Its cookie is signed and says no time: nobody but the application can end it."""
    user = opened.add_user()
    with opened.client() as client, member(opened, user, "198.51.100.2") as own:
        # Logged in by the extension alone; its own page logs out for good.
        login = {"username": user.name, "remember": "on"}
        client.post("/club/enter", data=login)
        assert client.request("POST", "/club/logout").status_code == 302
        assert "/club/login" in client.get("/club/inside").headers["location"]
        # So does the service's.
        client.post("/club/enter", data=login)
        assert "remember_token" in client.cookies
        assert client.post("/logout").status_code == 303
        assert "remember_token" not in client.cookies
        assert "/club/login" in client.get("/club/inside").headers["location"]
        client.post("/club/enter", data=login)
        assert own.post("/account/sessions/end-others").status_code == 303
        assert asks_for_login(client.get("/account"))
        # Where the extension looks who asks, it knows them again; the log says so.
        assert client.get("/club/inside").text.startswith("user ")
        assert client.logged_in()
    events = [line for line in opened.log.read_text().splitlines() if user.name not in line]
    assert sum("authn_login_success" in line for line in events) >= len([login, login, own])


def test_flask_login_refuses_what_leads_elsewhere(client: Client, visitor: Client) -> None:
    submit(client, "/members/create", {"username": "eve", "email": ""})
    # The documentation's view has to check it; here it is checked once more as it leaves.
    astray = submit(visitor, "/club/login?next=https://evil.example/", {"username": "eve"})
    assert astray.status_code == 400


def test_flask_sqlalchemy(client: Client) -> None:
    answer = submit(client, "/members/create", {"username": "cyd", "email": ""})
    page = client.get(answer.headers["location"])
    assert "<h1>cyd</h1>" in page.text
    assert "Created." in page.text
    assert "<li>cyd" in client.get("/members/").text
    assert len(client.get("/members/page?page=1").json()["items"]) == 1
    missing = client.get("/members/999")
    assert missing.status_code == 404
    assert "Not found" in missing.text


def test_flask_migrate(project: Project, tmp_path: Path) -> None:
    variables: Any = {"PARTS": "models", "PARTS_MIGRATED": "yes", "PARTS_FOLDER": str(tmp_path)}
    folder = str(tmp_path / "migrations")
    for command in ("init", "migrate", "upgrade", "current"):
        done = project.run(
            project.python, "-m", "flask", "db", command, "--directory", folder, **variables
        )
    assert "(head)" in done.stdout


def test_flask_admin(stranger: Client, client: Client) -> None:
    for path in ("/admin/", "/admin/member/", "/admin/post/", "/admin/fileadmin/"):
        assert asks_for_login(stranger.get(path))
    assert "microblog" in client.get("/admin/").text
    assert "display some data" in client.get("/admin/analytics/").text
    made = submit(client, "/admin/member/new/", {"username": "zoe", "email": "a@b.c"})
    assert made.headers["location"].endswith("/admin/member/")
    listed = client.get("/admin/member/?search=zoe")
    assert "Record was successfully created." in listed.text
    assert "There are no items" in client.get("/admin/member/?search=nobody").text
    edit = re.search(r'href="(/admin/member/edit/[^"]+)"', listed.text)
    assert edit
    url = edit[1].replace("&amp;", "&")
    assert submit(client, url, {"username": "evangeline", "email": ""}).status_code == 302
    assert "evangeline" in client.get("/admin/member/export/csv/").text
    deleted = submit(client, "/admin/member/?search=evangeline", {}, known_by="id", last=True)
    assert deleted.status_code == 302
    assert "evangeline" not in client.get("/admin/member/").text
    upload = {"upload": ("a.txt", b"hello")}
    assert client.request("POST", "/admin/fileadmin/upload/", files=upload).status_code == 302
    assert "a.txt" in client.get("/admin/fileadmin/").text
    script = re.search(r'<script[^>]* src="(/admin/static/[^"]+)"', listed.text)
    assert script
    assert client.get(script[1].replace("&amp;", "&")).status_code == 200


def test_flask_admin_in_a_browser(project: Project, world: World, tmp_path: Path) -> None:
    """Its scripts have no nonce; the day they have one, the page says so."""
    own = {**world.variables(), "PARTS": "models babel admin", "PARTS_FOLDER": str(tmp_path)}
    with development(project, **own) as service, window(service) as (page, complaints):
        page.goto("/admin/member/new/")
        assert any("script-src" in line for line in complaints)
        # Its forms need none.
        page.fill("#username", "zoe")
        page.click("input[type=submit]")
        assert "zoe" in page.inner_text("table.model-list")


def test_flask_cors(stranger: Client, visitor: Client) -> None:
    name = "access-control-allow-origin"
    origin = {"origin": "https://spa.example.com", **FOREIGN}
    asked = {**origin, "access-control-request-method": "PUT"}
    closed = stranger.get("/shared/data", headers=origin)
    assert closed.json() == {"data": 1}
    assert name not in closed.headers
    assert name not in stranger.options("/shared/data", headers=asked).headers
    # The policy says it, and answers the preflight; what the extension says is taken off.
    opened = visitor.get("/shared/data", headers=origin)
    assert opened.headers.get_list(name) == ["https://spa.example.com"]
    preflight = visitor.options("/shared/data", headers=asked)
    assert preflight.headers[name] == "https://spa.example.com"
    other = {"origin": "https://evil.example"}
    assert name not in visitor.get("/shared/data", headers=other).headers


def test_flask_limiter(project: Project) -> None:
    names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
    facts = Facts(service={"response-headers": names})
    with production(project, facts, PARTS="limiter") as service:
        with service.client("198.51.100.7") as client:
            answers = [client.get("/slow") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert answers[0].headers["x-ratelimit-remaining"] == "1"
            assert "retry-after" in answers[2].headers
            assert "2 per 1 day" in answers[2].text
        with service.client("198.51.100.8") as other:
            assert other.get("/slow").status_code == 200
            assert [other.get("/ping").text for _ in range(2)] == ["PONG"] * 2


def test_flask_mail(client: Client, world: World) -> None:
    assert client.post("/mail").text == "sent"
    assert "<b>testing</b>" in world.mails.wait()


def test_flask_mailman(client: Client, world: World) -> None:
    assert client.post("/mailman").text == "sent"
    world.mails.wait(lambda mail: "Body goes here" in mail)


def test_flask_babel(visitor: Client) -> None:
    german = visitor.get("/today", headers={"accept-language": "de-DE,de;q=0.9"}).json()
    assert (german["locale"], german["date"]) == ("de", "01.03.2026")
    english = visitor.get("/today", headers={"accept-language": "en"}).json()
    assert english["date"] == "Mar 1, 2026"
    assert (english["text"], english["template"]) == ("Hello World!", "Hello")


def test_flask_caching(client: Client, visitor: Client) -> None:
    assert visitor.get("/cached").text == visitor.get("/cached").text
    assert visitor.get("/cached/part").text == visitor.get("/cached/part").text
    memoized = visitor.get("/memoized/1").json()
    assert visitor.get("/memoized/1").json() == memoized
    assert visitor.get("/memoized/2").json() != memoized
    seen = client.get("/cached/private").text
    assert client.get("/cached/private").text == seen
    assert asks_for_login(visitor.get("/cached/private"))


def test_flask_caching_keeps_the_nonce_of_another_answer(visitor: Client) -> None:
    pages = [visitor.get("/cached/page") for _ in range(2)]
    nonces = [re.findall(r'nonce="([^"]+)"', page.text)[0] for page in pages]
    policies = [page.headers["content-security-policy"] for page in pages]
    assert nonces[0] in policies[0]
    assert nonces[1] not in policies[1]


def test_flask_smorest(project: Project) -> None:
    with production(project, PARTS="smorest") as service:
        user = service.add_user()
        with member(service, user) as client:
            check_pets(client)
            # It answers all errors by its own document, as it documents.
            assert client.get("/nothing").json() == {"code": 404, "status": "Not Found"}


def check_pets(client: Client) -> None:
    wrong = client.post("/pets/", json={"name": 5})
    assert wrong.status_code == 422
    assert wrong.json() == {
        "code": 422,
        "errors": {"json": {"name": ["Not a valid string."]}},
        "status": "Unprocessable Entity",
    }
    made = client.post("/pets/", json={"name": "Kim"})
    assert (made.status_code, made.json()) == (201, {"id": 2, "name": "Kim"})
    missing = client.get("/pets/9")
    assert missing.json() == {"code": 404, "message": "Item not found.", "status": "Not Found"}
    found = client.get("/pets/2")
    etag = found.headers["etag"]
    assert client.get("/pets/2", headers={"if-none-match": etag}).status_code == 304
    changed = client.put("/pets/2", json={"name": "Tim"}, headers={"if-match": etag})
    assert changed.json()["name"] == "Tim"
    assert client.put("/pets/2", json={"name": "Tom"}).status_code == 428
    assert client.get("/openapi.json").json()["info"]["title"] == "My API"


def test_flask_compress(client: Client, visitor: Client) -> None:
    answer = visitor.get("/long", headers=GZIP)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == "word " * 2000
    assert "content-encoding" not in client.get("/long", headers=GZIP).headers


def test_authlib(stranger: Client, visitor: Client) -> None:
    assert stranger.get("/oauth/login").status_code == 400
    check_authlib(visitor, "/oauth/login", redirect=302)


def test_sentry(opened: Service, user: User, client: Client, world: World) -> None:
    told = told_sentry(opened, client, user, world.sentry, "/debug-sentry", "ZeroDivisionError")
    assert told == []


def test_opentelemetry(project: Project) -> None:
    with production(project, PARTS="traces") as service, service.client() as client:
        assert client.get("/login?next=/account", headers=CALLER).status_code == 200
        spans = client.get("/spans").json()
    (span,) = [span for span in spans if span["name"] == "GET /login"]
    assert (span["kind"], span["trace"]) == ("SERVER", TRACE)
    attributes = span["attributes"]
    assert attributes["http.scheme"] == "https"
    assert attributes["http.host"] == HOST
    assert attributes["http.route"] == "/login"
    assert attributes["net.peer.ip"] == "198.51.100.1"


def test_celery(project: Project) -> None:
    with serving(RedisServer) as redis:
        with production(project, PARTS="background", PARTS_REDIS=redis.url) as service:
            check_celery(service, "my_service.app.parts.make_celery", "/tasks/")


def test_prometheus_flask_exporter(stranger: Client, visitor: Client) -> None:
    assert asks_for_login(stranger.get("/metrics"))
    visitor.get("/")
    text = visitor.get("/metrics").text
    assert 'flask_http_request_total{method="GET",status="200"}' in text


def test_dispatcher_middleware(stranger: Client, client: Client, visitor: Client) -> None:
    assert asks_for_login(stranger.get("/backend/"))
    assert visitor.get("/backend/").text == "backend"
    assert client.get("/backend/missing").status_code == 404
    assert visitor.get("/").status_code == 200


def test_repeated_names_and_several_uploads(client: Client) -> None:
    answer = client.post("/basics/list?q=1&q=2", data={"name": ["a", "b"]})
    assert answer.json() == {"names": ["a", "b"], "args": ["1", "2"]}
    answer = client.post("/basics/files", files=[("file", b"1"), ("file", b"22")])
    assert answer.json() == {"sizes": [1, 2]}


def test_server_sent_events(visitor: Client) -> None:
    text = "data: 0 x\n\ndata: 1 x\n\ndata: 2 x\n\n"
    check_events(visitor, "/basics/events?q=x", text)


def test_conditional_and_range_requests(visitor: Client) -> None:
    found = visitor.get("/basics/etag")
    for name, value in (
        ("if-none-match", found.headers["etag"]),
        ("if-modified-since", found.headers["last-modified"]),
    ):
        assert visitor.get("/basics/etag", headers={name: value}).status_code == 304
    part = visitor.get("/basics/video", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.text) == (206, "0123456789")
    assert part.headers["content-range"] == "bytes 10-19/10001"
    assert visitor.get("/basics/video", headers={"range": "bytes=99999-"}).status_code == 416
    head = visitor.head("/basics/video", headers={"accept-encoding": "identity"})
    assert (head.headers["content-length"], head.content) == ("10001", b"")
    saved = visitor.get("/basics/download").headers["content-disposition"]
    assert "attachment" in saved
    assert "%C3%BCbung.txt" in saved


def test_webhook_with_a_signature(visitor: Client) -> None:
    check_webhook(visitor, "/basics/webhook")


def test_bearer_tokens(visitor: Client) -> None:
    refused = visitor.get("/basics/bearer")
    assert (refused.status_code, refused.json()) == (401, {"error": "no token"})
    assert refused.headers["www-authenticate"] == "Bearer"
    wrong = visitor.get("/basics/bearer", headers={"authorization": "Bearer bad"})
    assert (wrong.status_code, wrong.json()) == (403, {"error": "invalid_token"})
    right = visitor.get("/basics/bearer", headers={"authorization": "Bearer good"})
    assert right.json() == {"token": "good"}


def test_flask_jwt_extended(project: Project) -> None:
    facts = Facts(routes=[public("/jwt/")])
    with production(project, facts, PARTS="jwt", PARTS_SECRET=SECRET) as service:
        with service.client() as program:
            wrong = program.post("/jwt/login", json={"username": "test", "password": "no"})
            assert (wrong.status_code, wrong.json()) == (401, {"msg": "Bad username or password"})
            fields = {"username": "test", "password": "test"}
            token = program.post("/jwt/login", json=fields).json()["access_token"]
            missing = program.get("/jwt/protected")
            assert missing.json() == {"msg": "Missing Authorization Header"}
            bearer = {"authorization": f"Bearer {token}"}
            for answer in (
                program.get("/jwt/protected", headers=bearer),
                program.post("/jwt/protected", headers=bearer, json={}),
            ):
                assert answer.json() == {"logged_in_as": "test"}


def test_own_error_pages(visitor: Client) -> None:
    assert "Resource not found" in visitor.get("/basics/missing").text
    assert visitor.get("/basics/teapot").status_code == 418
    answer = visitor.get("/basics/json-error")
    assert (answer.status_code, answer.json()) == (409, {"error": "left"})
    assert visitor.get("/basics/invalid").json() == {"message": "No user id provided!"}
    gone = visitor.get("/shop/own-errors/410")
    assert gone.status_code == 410
    assert "<h1>Own page: Gone</h1>" in gone.text
    generic = visitor.get("/shop/own-errors/409")
    assert (generic.status_code, generic.json()["name"]) == (409, "Conflict")
    assert generic.headers["x-started"] == "True"


def test_static_files_of_a_blueprint(stranger: Client, visitor: Client) -> None:
    assert asks_for_login(stranger.get("/shop/assets/video.txt"))
    assert len(visitor.get("/shop/assets/video.txt").text) == 10001


def test_flask_commands(project: Project, world: World, tmp_path: Path) -> None:
    variables: Any = {"PARTS": PARTS, "PARTS_FOLDER": str(tmp_path), **world.variables()}

    def flask(*arguments: str) -> str:
        return project.run(project.python, "-m", "flask", *arguments, **variables).stdout

    assert re.search(r"shop\.static\s+GET\s+/shop/assets/<path:filename>", flask("routes"))
    assert "db" in flask("--help")
    done = subprocess.run(
        [project.python, "-m", "flask", "shell"],
        cwd=project.path,
        env=clean_environment() | variables,
        input="print(len(app.blueprints) > 2, g)\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "True <flask.g of" in done.stdout


def test_flask_run(project: Project, world: World, tmp_path: Path) -> None:
    port = free_port()
    variables: Any = {"PARTS": PARTS, "PARTS_FOLDER": str(tmp_path), **world.variables()}
    command = [project.python, "-m", "flask", "run", "--port", str(port), "--no-reload"]
    with subprocess.Popen(
        command,
        cwd=project.path,
        env=clean_environment() | variables | {"APP_STORE_URL": f"sqlite:///{tmp_path}/s"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            transport = httpx.HTTPTransport(retries=8)
            with httpx.Client(base_url=f"http://localhost:{port}", transport=transport) as client:
                assert client.get("/").status_code == 200
                assert client.get("/basics/events?q=x").text.count("data:") == 3
                assert client.get("/backend/").status_code == 303
        finally:
            process.terminate()


def test_the_tutorial(project: Project, tmp_path: Path) -> None:
    """Flaskr, its pages at their own addresses, beside those of the service."""
    own: Any = {"PARTS": "flaskr", "PARTS_FOLDER": str(tmp_path)}
    made = project.run(project.python, "-m", "flask", "init-db", **own)
    assert "Initialized the database." in made.stdout
    facts = Facts(routes=[public("/auth/"), public("/blog/")])
    with production(project, facts, **own) as service, service.client() as client:
        user: Any = {"username": "ada", "password": "a"}
        assert submit(client, "/auth/register", user).headers["location"] == "/auth/login"
        assert "User ada is already registered." in submit(client, "/auth/register", user).text
        assert client.get("/blog/create").headers["location"] == "/auth/login"
        wrong = submit(client, "/auth/login", {**user, "password": "b"})
        before = client.cookies.get("__Host-session")
        assert "Incorrect password." in wrong.text
        assert submit(client, "/auth/login", user).headers["location"] == "/blog/"
        assert before != client.cookies["__Host-session"]
        post: Any = {"title": "<b>", "body": "first"}
        assert submit(client, "/blog/create", post).status_code == 302
        assert "&lt;b&gt;" in client.get("/blog/").text
        assert 'value="&lt;b&gt;"' in client.get("/blog/1/update").text
        assert submit(client, "/blog/1/update", {"title": "second"}).status_code == 302
        assert "second" in client.get("/blog/").text
        assert "Post id 9 doesn&#x27;t exist." in client.get("/blog/9/update").text
        assert client.request("POST", "/blog/1/delete").status_code == 302
        assert client.get("/auth/logout").status_code == 302
        assert "Log In" in client.get("/blog/").text


def test_flask_security(project: Project, tmp_path: Path) -> None:
    own: Any = {"PARTS": "security", "PARTS_SECRET": SECRET, "PARTS_FOLDER": str(tmp_path)}
    facts = Facts(routes=[public("/accounts/")])
    with production(project, facts, **own) as service, service.client() as client:
        asked = client.get("/accounts/home")
        assert asked.headers["location"] == "/accounts/login?next=/accounts/home"
        new: Any = {"email": "new@example.com", "password": "blaubeere77"}
        made = submit(client, "/accounts/register", {**new, "password_confirm": "blaubeere77"})
        assert made.status_code == 302
        assert client.get("/accounts/home").text == "Hello new@example.com!"
        assert client.request("POST", "/accounts/logout").status_code == 302
        assert client.get("/accounts/home").status_code == 302
        test: Any = {"email": "test@example.com", "password": "password"}
        before = client.cookies.get("__Host-session")
        answer = submit(client, "/accounts/login?next=/accounts/home", test, last=True)
        assert answer.headers["location"] == "/accounts/home"
        assert client.cookies["__Host-session"] != before
        assert client.get("/accounts/home").text == "Hello test@example.com!"
        again: Any = {"password": "password"}
        astray = submit(client, "/accounts/verify?next=https://evil.example", again, last=True)
        assert "evil.example" not in astray.headers.get("location", "")
        verify = [
            submit(client, "/accounts/verify", {"password": "wrong"}, last=True) for _ in range(6)
        ]
        # The one that led astray was refused, and so has counted.
        assert [answer.status_code for answer in verify] == [200] * 4 + [429] * 2
        login = "/accounts/login"
        with service.client("198.51.100.79") as guesser:
            wrong = {**test, "password": "wrong"}
            answers = [submit(guesser, login, wrong, last=True) for _ in range(5)]
            assert [answer.status_code for answer in answers] == [200] * 5
            # The right one is not looked at any more, here.
            assert submit(guesser, login, test, last=True).status_code == 429
            asked = guesser.post(f"{login}?include_auth_token", json=test)
            assert asked.status_code == 429
        with service.client("198.51.100.80") as owner:
            assert submit(owner, login, test, last=True).status_code == 302


def test_apis(project: Project) -> None:
    """Flask-RESTX, Flask-RESTful, flask-pydantic, flask-marshmallow, strawberry."""
    with production(project, PARTS="rest") as service, service.client() as visitor:
        for path in ("/restx/", "/restx/todos/", "/graphql", "/marshmallow/1"):
            assert asks_for_login(visitor.get(path))
        assert visitor.get("/restful/1").json() == {"id": 1}
        assert visitor.get("/restful/9").json() == {"message": "Todo doesn't exist"}
        assert "task" in visitor.request("PUT", "/restful/1", json={}).json()["message"]
        with member(service, service.add_user()) as client:
            check_restx(client)
            found = client.post("/pydantic/1?age=3", json={"name": "Ada"})
            assert found.json() == {"id": 1, "age": 3, "name": "Ada"}
            wrong = client.post("/pydantic/1?age=x", json={"name": "Ada"})
            assert wrong.json()["validation_error"]["query_params"][0]["type"] == "int_parsing"
            assert client.get("/marshmallow/1").json()["_links"] == {"self": "/marshmallow/1"}
            answer = client.post("/graphql", json={"query": "{hello}"})
            assert answer.json() == {"data": {"hello": "world"}}


def check_restx(client: Client) -> None:
    assert client.get("/restx/todos/").json() == [{"id": 1, "task": "Build an API"}]
    assert client.post("/restx/todos/", json={"task": "a"}).json() == {"id": 2, "task": "a"}
    assert "task" in client.post("/restx/todos/", json={}).json()["errors"]
    assert client.get("/restx/todos/3").json()["message"].startswith("Todo 3 doesn't exist")
    assert client.request("DELETE", "/restx/todos/3").status_code == 204
    assert client.get("/restx/swagger.json").json()["info"]["title"] == "TodoMVC API"
    # Its page is there; its scripts have no nonce.
    page = client.get("/restx/").text
    assert "TodoMVC API" in page
    assert "nonce" not in page


def test_flask_httpauth(project: Project) -> None:
    facts = Facts(routes=[public("/httpauth/")])
    own: Any = {"PARTS": "httpauth", "PARTS_SECRET": SECRET}
    with production(project, facts, **own) as service, service.client() as client:
        asked = client.get("/httpauth/basic")
        assert (asked.status_code, asked.text) == (401, "Unauthorized Access")
        assert asked.headers["www-authenticate"] == 'Basic realm="Authentication Required"'
        assert client.get("/httpauth/basic", auth=("john", "hello")).text == "Hello, john!"
        assert client.get("/httpauth/basic", auth=("john", "bye")).status_code == 401
        assert client.get("/httpauth/admin", auth=("john", "hello")).status_code == 403
        assert client.get("/httpauth/admin", auth=("susan", "bye")).status_code == 200
        digest = httpx.DigestAuth("john", "hello")
        assert client.get("/httpauth/digest", auth=digest).text == "Hello, john!"
        token = {"authorization": "Bearer secret-token-1"}
        assert client.get("/httpauth/multi", headers=token).text == "Hello, john!"
        assert client.get("/httpauth/multi").status_code == 401
        with service.client("198.51.100.81") as guesser:
            guesses = [guesser.get("/httpauth/basic", auth=("john", "bye")) for _ in range(5)]
            assert [answer.status_code for answer in guesses] == [401] * 5
            for place in ("basic", "multi"):
                # The right one is not looked at any more, here.
                refused = guesser.get(f"/httpauth/{place}", auth=("john", "hello"))
                assert refused.status_code == 429
                assert refused.headers["retry-after"]
        assert client.get("/httpauth/basic", auth=("john", "hello")).status_code == 200


def test_flask_talisman(project: Project) -> None:
    """A policy that a view has set stands: this one has a nonce that no page knows."""
    with production(project, PARTS="talisman") as service, service.client() as client:
        page = client.get("/")
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'")
        (nonce,) = set(re.findall(r'nonce="([^"]+)"', page.text))
        assert nonce not in policy
        # What the policy fixes stays.
        assert page.headers["strict-transport-security"].startswith("max-age=300")


MORE = Facts(
    service={"redirect-hosts": ["github.com"]},
    routes=[{"path": "/socket.io/", "methods": ["POST"], "body": ["text/plain"]}],
)


@pytest.fixture(scope="module")
def more(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run the service with a part of many packages."""
    folder = str(tmp_path_factory.mktemp("more"))
    own: Any = {"PARTS": "more", "PARTS_SECRET": SECRET, "PARTS_FOLDER": folder}
    with production(project, MORE, **own) as service:
        yield service


@pytest.fixture
def somebody(more: Service) -> Iterator[Client]:
    """Open a browser in which somebody has logged in."""
    with member(more, more.add_user()) as client:
        yield client


def test_flask_principal(more: Service, somebody: Client) -> None:
    assert somebody.get("/more/admin").status_code == 403
    with member(more, more.add_user("principal")) as admin:
        assert admin.get("/more/admin").text == "Only if you are an admin"


def test_flask_reuploaded(more: Service, somebody: Client) -> None:
    sent = somebody.post("/more/upload", files={"photo": ("../a b.png", b"12345", "image/png")})
    where = sent.headers["location"]
    assert where.endswith("/_uploads/photos/a_b.png")
    assert somebody.get(where).content == b"12345"
    with more.client() as visitor:
        assert asks_for_login(visitor.get(where))


def test_bootstrap_flask_and_flask_paginate(somebody: Client) -> None:
    answer = somebody.get("/more/page?page=2")
    assert "displaying <b>11 - 20</b>" in answer.text
    nonces = set(re.findall(r'<script[^>]* nonce="([^"]+)"', answer.text))
    assert len(nonces) == 1
    assert nonces.pop() in answer.headers["content-security-policy"]


def test_flask_session(more: Service) -> None:
    with more.client() as client:
        assert client.get("/more/set").text == "ok"
        assert list(client.cookies) == ["__Host-session"]
        assert client.get("/more/get").text == "value"
    (line,) = more.events("session_interface_left_out")
    assert line["interface"] == "CacheLibSessionInterface"


def test_flask_dance(more: Service, somebody: Client) -> None:
    assert somebody.get("/more/dance").headers["location"] == "/github/github"
    where = somebody.get("/github/github").headers["location"]
    assert where.startswith("https://github.com/login/oauth/authorize?response_type=code")
    returned = "redirect_uri=https%3A%2F%2Fmy-service.example.com%2Fgithub%2Fgithub%2Fauthorized"
    assert returned in where


def test_flask_bcrypt(somebody: Client) -> None:
    assert somebody.get("/more/bcrypt").json() == {"fits": True}


def test_flask_apscheduler(more: Service, somebody: Client) -> None:
    job = Path(more.variables["PARTS_FOLDER"]) / "job"
    deadline = time.monotonic() + 60
    while not job.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert more.process
    # Once, however many workers there are: in the process from which they come.
    assert set(job.read_text("utf-8").split("\n")[:-1]) == {f"by {more.process.pid}"}
    assert more.events("thread_beside_workers")


def test_flask_socketio(more: Service, somebody: Client) -> None:
    address = "/socket.io/?EIO=4&transport=polling"
    with more.client() as visitor:
        assert asks_for_login(visitor.get(address))
    session = re.search('"sid":"(.*?)"', somebody.get(address).text)
    assert session
    address = f"{address}&sid={session[1]}"
    text = {"content-type": "text/plain;charset=UTF-8"}
    for said in ("40", '42["message","a"]'):
        assert somebody.post(address, content=said, headers=text).text == "OK"
        answer = somebody.get(address).text
    assert answer == '42["message","received message: a"]'


def test_peewee(somebody: Client) -> None:
    for notes in (["a"], ["a", "a"]):
        assert somebody.post("/more/peewee", data={"text": "a"}).json() == {"notes": notes}
