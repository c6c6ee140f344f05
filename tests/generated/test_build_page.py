"""docs/build.md of each project is true: what it shows is written where it says, and run."""

from __future__ import annotations

import hmac
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Error, Page

from tests.conftest import Render
from tests.generated import libraries, snippets
from tests.generated.snippets import Snippet
from tests.live.service import FOREIGN, GZIP, JSON, Client, Service, running
from tests.needs import has_libraries, needs_libraries
from tests.ports import free_port
from tests.projects import BIN, CHOICES, Project
from tests.weekly import frameworks

PAGE = "docs/build.md"
PAYMENT_KEY = "a key that the payment provider knows"
SPA = {"origin": "https://spa.example.com", "sec-fetch-site": "cross-site"}
CLOSED = "closed.toml"
"""The policy of a project before anything of the page is in it."""


@pytest.fixture(scope="module", params=CHOICES["framework"])
def project(
    request: pytest.FixtureRequest, installed: Render, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """Return a project in which somebody has written what the page shows."""
    made = installed(framework=request.param)
    built = made.copy(tmp_path_factory.mktemp("built") / "project")
    shutil.rmtree(built.path / "tests" / "contract" / "unit")
    (built.path / ".venv").symlink_to(made.path / ".venv")
    shutil.copy(built.path / "policy.toml", built.path / CLOSED)
    for snippet in fences(built):
        if snippet.file:
            snippet.write(built)
    if has_libraries():
        libraries.add(built, needs_libraries())
    for line in shown(built, "console"):
        if " db " in line:
            python(built, "-m", *shlex.split(line.removeprefix("$ uv run ")))
    return built


def fences(project: Project) -> list[Snippet]:
    """Return what stands in the fences of the page."""
    return list(snippets.read((project.path / PAGE).read_text("utf-8")))


def python(project: Project, *arguments: str, pictures: str = "var/pictures") -> str:
    """Run the project's interpreter on what was built, and return what it printed."""
    # Its environment belongs to the project that this one is a copy of.
    source = str(project.path / "src")
    done = project.run(project.python, *arguments, PYTHONPATH=source, SHOP_PICTURES=pictures)
    return done.stdout


@contextmanager
def developing(project: Project, policy: str) -> Iterator[Service]:
    """Run the service as a developer does, apart from where its files are."""
    port = free_port()
    development = dict.fromkeys(("APP_HOSTS", "APP_TRUSTED_PROXIES", "APP_SECRET_KEYS_FILE"), "")
    variables = {
        **development,
        "APP_ENV": "development",
        "APP_POLICY": policy,
        "SHOP_PAYMENT_KEY": PAYMENT_KEY,
        "PYTHONPATH": str(project.path / "src"),
    }
    origin = f"http://localhost:{port}"
    with running(project, port=port, origin=origin, variables=variables, workers=1) as started:
        yield started


@pytest.fixture(scope="module")
def closed(project: Project) -> Iterator[Service]:
    """Run what was built without what the page opens in `policy.toml`."""
    with developing(project, CLOSED) as started:
        yield started


@pytest.fixture(scope="module")
def opened(project: Project) -> Iterator[Service]:
    """Run what was built, with a user for the login without a password."""
    with developing(project, "policy.toml") as started:
        started.add_user("demo")
        yield started


@pytest.fixture
def visitor(opened: Service) -> Iterator[Client]:
    """Return a browser without a session."""
    with opened.client() as client:
        yield client


@pytest.fixture
def member(opened: Service) -> Iterator[Client]:
    """Return a browser that has logged in by the page's own view."""
    with opened.client() as client:
        assert place(client.post("/shop/demo")) == "/shop/orders"
        yield client


def place(answer: httpx.Response) -> str:
    """Return the path and query that a response leads to."""
    target = urlsplit(answer.headers["location"])
    return f"{target.path}?{target.query}" if target.query else target.path


def shown(project: Project, language: str) -> list[str]:
    """Return the lines that the page shows in that language."""
    return [
        line
        for snippet in fences(project)
        if snippet.language == language
        for line in snippet.text.splitlines()
    ]


@pytest.mark.parametrize("project", frameworks("fastapi", "django"), indirect=True)
def test_what_was_built_passes_the_checks(project: Project, mypy: tuple[str, ...]) -> None:
    ruff = str(BIN / "ruff")
    project.run(ruff, "format", "--check", "--diff", "--no-cache", "src", "tests/app")
    project.run(ruff, "check", "--no-cache", "src", "tests/app")
    python(project, *mypy, "src", "tests/app")
    python(project, "-m", project.package, "drift")


def test_tests_of_the_page_pass(project: Project) -> None:
    printed = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/app")
    assert re.search(r"[5-9] passed", printed)


def test_commands_print_what_is_shown(project: Project, tmp_path: Path) -> None:
    command, *printed = (line for line in shown(project, "console") if " db " not in line)
    words = shlex.split(command.removeprefix("$ uv run "))
    assert python(project, "-m", *words, pictures=str(tmp_path)).splitlines() == printed


def test_log_says_what_is_shown(project: Project, closed: Service) -> None:
    def send(method: str, path: str, **options: Any) -> httpx.Response:
        # A connection of its own: a server may close one after a request that it refused.
        with closed.client() as client:
            return client.request(method, path, **options)

    language = {"data": {"language": "de"}}
    dropped = send("GET", "/shop/left")
    changed = send("POST", "/shop/language", **language)
    assert "hx-trigger" not in dropped.headers
    assert "httponly" in changed.headers["set-cookie"].lower()
    refused = [
        send("POST", "/shop/order", data={"tea": "x" * 2**20}),
        send("POST", "/shop/order", content=b"x", headers={"content-type": "text/plain"}),
        send("POST", "/shop/language", headers=FOREIGN, **language),
        send("GET", "/shop/grower"),
        send("GET", "/shop", headers={"host": "evil.example"}),
    ]
    assert [response.status_code for response in refused] == [413, 415, 403, 400, 400]
    written = [words(line) for line in closed.log.read_text("utf-8").splitlines()]
    lines = shown(project, "text")
    assert lines
    assert [line for line in lines if not any(words(line) <= facts for facts in written)] == []


def words(line: str) -> set[str]:
    """Return the facts of a log line, each with its name."""
    return set(re.findall(r"\w+=(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|\S+)", line))


def test_closed_paths_are_opened_by_a_fact(closed: Service, visitor: Client) -> None:
    with closed.client() as before:
        assert place(before.get("/shop/catalog/assam")) == "/login?next=/shop/catalog/assam"
    assert visitor.get("/shop/catalog/assam").json() == {"tea": "assam", "known": True}
    assert visitor.get("/shop/orders").status_code == 303
    assert visitor.get("/shop/orders", headers=JSON).status_code == 401


def test_page_has_its_script_and_what_the_policy_allows(visitor: Client) -> None:
    answer = visitor.get("/shop")
    (script,) = re.findall(r'<script src="([^"]+shop\.js)" nonce="([^"]+)"', answer.text)
    csp = answer.headers["content-security-policy"]
    assert f"'nonce-{script[1]}'" in csp
    for sources in (
        "img-src 'self' data:",
        "style-src 'self' https://cdn.example.com",
        "trusted-types bootstrap htmx",
    ):
        assert f"; {sources};" in f"{csp};"
    assert visitor.get(script[0]).headers["cache-control"].endswith("immutable")
    assert visitor.get("/shop/left").headers["hx-trigger"] == "counted"


def style(page: Page, selector: str, name: str, part: str = "") -> str:
    """Return what a style is for the browser, of an element or of its `part`."""
    script = "([at, part, name]) => getComputedStyle(document.querySelector(at), part)[name]"
    return str(page.evaluate(script, [selector, part, name]))


def test_libraries_work_without_a_word_on_the_console(opened: Service) -> None:
    with libraries.window(needs_libraries()) as (page, said):
        page.goto(f"{opened.origin}/shop/live", wait_until="networkidle")
        # The style and the script of the CDN, both by their hashes.
        assert style(page, ".accordion-button", "display") == "flex"
        assert "data:image" in style(page, ".accordion-button", "backgroundImage", "::after")
        assert page.evaluate("Chart.getChart('stock').data.labels.length") == 2
        assert page.evaluate("document.fonts.check('16px bootstrap-icons')")
        assert "bootstrap-icons" in style(page, "i.bi", "fontFamily", "::before")
        # Alpine.
        page.get_by_role("button", name="More", exact=True).click()
        assert page.locator("[x-text]").inner_text() == "2"
        # Bootstrap, without and with HTML from text.
        page.get_by_role("button", name="Brewing").click()
        page.get_by_text("Brewed for three minutes").wait_for()
        page.get_by_role("button", name="Stock").hover()
        assert page.get_by_role("tooltip").inner_text() == "Counted now"
        # htmx.
        page.evaluate("document.addEventListener('counted', () => { document.title = 'counted' })")
        page.get_by_role("button", name="Ask").click()
        assert page.locator("#left b").inner_text() == "3"
        assert page.title() == "counted"
        # A chunk and its style, by Vite.
        assert style(page, "#report", "letterSpacing") == "1px"
        page.locator("#report").click()
        page.get_by_text("3 cups, 1 sold out").wait_for()
        assert style(page, "#report", "textTransform") == "uppercase"
        assert page.locator("link[rel=modulepreload]").count() == 1
        assert said == []
        # What the libraries may, nobody else may.
        for attack in (
            "document.body.innerHTML = '<b>x</b>'",
            "Document.parseHTMLUnsafe('<b>x</b>')",
            "bootstrap.Tooltip.Default.sanitizeFn('<b>x</b>')",
            "trustedTypes.createPolicy('htmx', {})",
        ):
            with pytest.raises(Error, match=r"TrustedHTML|trust\.js|createPolicy"):
                page.evaluate(attack)


def test_htmx_2_by_a_policy_that_looks_at_who_asks(opened: Service) -> None:
    with libraries.window(needs_libraries()) as (page, said):
        # As if the page and its policy had been written so.
        page.route("**/shop/live", libraries.with_htmx_2)
        page.goto(f"{opened.origin}/shop/live", wait_until="networkidle")
        assert page.evaluate("htmx.version").startswith("2.")
        page.get_by_role("button", name="Ask").click()
        assert page.locator("#left b").inner_text() == "3"
        assert said == []
        with pytest.raises(Error, match="TrustedHTML"):
            page.evaluate("document.body.innerHTML = '<b>x</b>'")


def test_form_takes_a_list_and_one_value_where_one_is_meant(member: Client) -> None:
    order = {"tea": "assam", "cups": "2", "extras": ["milk", "sugar"]}
    assert place(member.post("/shop/order", data=order)) == "/shop/orders"
    assert place(member.post("/shop/order", data={"tea": "sencha", "cups": "1"})) == "/shop/orders"
    assert member.get("/shop/orders").json() == {
        "user": "demo",
        "orders": [
            {"tea": "assam", "cups": 2, "extras": ["milk", "sugar"]},
            {"tea": "sencha", "cups": 1, "extras": []},
        ],
    }
    refused = member.post("/shop/order", data={"tea": "assam", "cups": "1", "extras": "rum"})
    assert refused.status_code == 422
    assert "Look at the field extras" in refused.text
    assert 'name="extras"' in member.get("/shop/order").text


def test_upload_may_be_large_and_nothing_else(member: Client, visitor: Client) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(2**21)
    stored = member.post("/shop/picture", files={"picture": ("../../x.png", png)})
    assert stored.status_code == 201
    assert re.fullmatch(r"[0-9a-f]+\.png", stored.json()["name"])
    refused = member.post("/shop/picture", files={"picture": b"<svg/>"}, headers=JSON)
    assert (refused.status_code, refused.json()["detail"]) == (422, "Only PNG pictures, please.")
    other = member.post("/shop/picture", data={"picture": "x"})
    assert "415, request" in other.text
    assert place(visitor.post("/shop/picture", files={"picture": png})) == "/login"


def test_errors_are_the_authors(member: Client) -> None:
    def take(path: str, headers: dict[str, str]) -> httpx.Response:
        return member.post(f"/api/shop/stock/{path}", headers=headers)

    unknown = take("rum/1", JSON)
    assert unknown.headers["content-type"] == "application/problem+json"
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "We do not sell that tea.")
    page = take("rum/1", {"accept": "text/html"})
    assert "We do not sell that tea." in page.text
    assert re.search(r'<p class="muted">404, request [0-9a-f]{32}</p>', page.text)
    assert take("sencha/1", JSON).json()["detail"] == "Sold out."
    document = take("assam/4", {"accept": "text/html"})
    assert document.status_code == 409
    assert {"left": 3} in (document.json(), *document.json().values())
    own = take("assam/3", {"accept": "text/html"})
    assert (own.status_code, own.json()) == (402, {"ask": "the owner"})


def test_redirects_lead_where_the_policy_allows(visitor: Client) -> None:
    assert visitor.get("/shop/grower").headers["location"] == "https://tea.example.com/assam"
    for target, leads in (("/shop/order", "/shop/order"), ("https://evil.example/", "/shop")):
        answer = visitor.post("/shop/language", data={"language": "de", "next": target})
        assert place(answer) == leads


def test_who_was_logged_in_has_a_session_like_others(member: Client) -> None:
    assert member.get("/account").status_code == 200
    assert place(member.post("/logout")) == "/"
    assert member.get("/shop/orders").status_code == 303


def test_page_for_everybody_greets_members(member: Client, visitor: Client) -> None:
    assert "Welcome back" in member.get("/shop").text
    assert "Welcome back" not in visitor.get("/shop").text


def test_closing_the_shop_asks_who_it_is(member: Client, visitor: Client) -> None:
    assert place(member.post("/shop/close")) == "/shop"
    assert place(visitor.post("/shop/close")) == "/login"


def test_listed_origin_reads_what_its_fact_opens(closed: Service, visitor: Client) -> None:
    asked = {**SPA, "access-control-request-method": "POST"}
    for path in ("/api/shop/stock/assam/1", "/api/shop/stock/assam/4"):
        answer = visitor.post(path, headers={**SPA, "accept": "*/*"})
        assert answer.status_code in {200, 201, 409}
        assert answer.headers["access-control-allow-origin"] == SPA["origin"]
        told = visitor.options(path, headers=asked).headers
        assert told["access-control-allow-methods"] == "POST"
    with closed.client() as before:
        assert before.post("/api/shop/stock/assam/1", headers=SPA).status_code == 403
        assert "access-control-allow-origin" not in before.options("/shop", headers=asked).headers


def test_webhook_is_for_who_can_sign(closed: Service, visitor: Client) -> None:
    body = b'{"order": 1}'
    signature = hmac.digest(PAYMENT_KEY.encode(), body, "sha256").hex()
    headers = {"content-type": "application/json", "sec-fetch-site": "cross-site"}

    def call(client: Client, signed: str) -> int:
        return client.post(
            "/shop/paid", content=body, headers={**headers, "x-signature": signed}
        ).status_code

    assert [call(visitor, signed) for signed in (signature, signature[:-1], "")] == [204, 403, 403]
    with closed.client() as before:
        assert call(before, signature) == 403


def test_facts_of_the_page_open_something(project: Project) -> None:
    items = json.loads(python(project, "-m", project.package, "check", "--json"))
    (routes,) = [item for item in items if item["id"] == "PS015"]
    assert routes["state"] == "ok", routes
    listed = python(project, "-m", project.package, "routes")
    assert "origins https://spa.example.com" in listed
    assert ("/shop/counter" in listed) == (project.answers["framework"] in {"fastapi", "litestar"})


def test_compression_is_for_visitors(project: Project, visitor: Client, member: Client) -> None:
    if project.answers["framework"] == "flask":
        # An extension's, which projects do not have.
        assert "`uv add flask-compress`" in (project.path / PAGE).read_text("utf-8")
        return
    encoding = "content-encoding"
    assert visitor.get("/shop", headers=GZIP).headers[encoding] == "gzip"
    assert encoding not in member.get("/shop", headers=GZIP).headers
    assert member.get("/shop/prices", headers=GZIP).headers[encoding] == "gzip"
