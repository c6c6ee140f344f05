"""A person at a real browser, with scripts and without, and the policy in force (HDR-3, INP-3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from tests.conftest import Render
from tests.live.service import Service, User, running
from tests.needs import needs
from tests.ports import free_port
from tests.projects import Project
from tests.weekly import frameworks

ATTACK = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
NEW_PASSWORD = "quite another Tisch 84"  # noqa: S105 - of a user that lives as long as the test
# No lookups and downloads of the browser's own.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)
# The same script and style sheet for all frameworks: each change sees them in one. What the pages
# are is seen in two, and in the contract's suite in all.
of_all = pytest.mark.parametrize("project", frameworks("fastapi"), indirect=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a browser without a window."""
    program = needs("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield started
        started.close()


@contextmanager
def developing(project: Project) -> Iterator[Service]:
    """Run the service as a developer does, apart from where its files are."""
    port = free_port()
    development = dict.fromkeys(("APP_HOSTS", "APP_TRUSTED_PROXIES", "APP_SECRET_KEYS_FILE"), "")
    with running(
        project,
        port=port,
        origin=f"http://localhost:{port}",
        variables={"APP_ENV": "development", **development},
    ) as started:
        yield started


@pytest.fixture(scope="module")
def service(project: Project) -> Iterator[Service]:
    """Run the service of each framework."""
    with developing(project) as started:
        yield started


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(
    request: pytest.FixtureRequest, browser: Browser, service: Service
) -> Iterator[tuple[Page, list[str]]]:
    """Open a fresh browser window; return it with the list of what it complains about."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    def missed(request: Request) -> None:
        # Leaving a page ends what it was still loading.
        if request.failure != "net::ERR_ABORTED":
            complaints.append(request.url)

    context = browser.new_context(java_script_enabled=request.param, base_url=service.origin)
    context.set_default_timeout(10_000)
    opened = context.new_page()
    opened.on("console", note)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("requestfailed", missed)
    yield opened, complaints
    context.close()


def log_in(page: Page, user: User) -> None:
    """Fill in the login form that is open."""
    page.get_by_label("User name").fill(user.name)
    page.get_by_label("Password", exact=True).fill(user.password)
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def heading(page: Page) -> str:
    """Return the page's first heading."""
    return page.get_by_role("heading", level=1).inner_text()


def test_whole_visit(service: Service, page: tuple[Page, list[str]]) -> None:
    window, complaints = page
    user = service.add_user()

    # The page that was asked for comes after the login.
    window.goto("/notes")
    assert window.url == f"{service.origin}/login?next=/notes"
    log_in(window, user)
    assert window.url == f"{service.origin}/notes"

    window.get_by_label("Title").fill(ATTACK)
    window.get_by_label("Text").fill(f"{ATTACK}\nsecond line")
    window.get_by_role("button", name="Save note").click()
    article = window.get_by_role("article")
    assert article.get_by_role("heading").inner_text() == ATTACK
    assert f"{ATTACK}\nsecond line" in article.inner_text()
    assert window.title().startswith("Notes")
    assert window.locator("main script, main img").count() == 0

    window.get_by_role("link", name="Account", exact=True).click()
    assert heading(window) == "Account"
    assert window.get_by_text("This session").count() == 1
    window.get_by_label("Current password", exact=True).fill(user.password)
    window.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    window.get_by_role("button", name="Change password").click()
    assert window.url == f"{service.origin}/account"

    window.get_by_role("button", name="Log out").click()
    assert window.url == f"{service.origin}/"
    window.goto("/account")
    assert heading(window) == "Log in"
    log_in(window, User(user.name, NEW_PASSWORD))
    assert window.url == f"{service.origin}/account"

    window.goto("/notes")
    window.get_by_text("Delete", exact=False).first.click()
    window.get_by_role("button", name="Delete for good").click()
    assert window.get_by_role("article").count() == 0
    assert complaints == []


def test_wrong_password_is_said(service: Service, page: tuple[Page, list[str]]) -> None:
    window, complaints = page
    window.goto("/login")
    log_in(window, User("nobody", "wrong guess"))
    assert "User name or password is wrong." in window.get_by_role("alert").inner_text()
    # The browser itself reports the status 401.
    assert all("401" in complaint for complaint in complaints)


@of_all
def test_times_are_those_of_the_reader(service: Service, browser: Browser) -> None:
    context = browser.new_context(
        base_url=service.origin, locale="en-GB", timezone_id="Asia/Kolkata"
    )
    window = context.new_page()
    window.goto("/login?next=/account")
    log_in(window, service.add_user())
    shown = window.locator("time").first
    at = datetime.fromisoformat(shown.get_attribute("datetime") or "")
    here = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert f"{here:%H:%M}" in shown.inner_text()
    assert "UTC" not in shown.inner_text()
    assert shown.get_attribute("title") == f"{at:%Y-%m-%d %H:%M} UTC"
    context.close()


@of_all
def test_log_out_stays_in_its_line_on_a_phone(service: Service, browser: Browser) -> None:
    context = browser.new_context(base_url=service.origin, viewport={"width": 320, "height": 640})
    window = context.new_page()
    window.goto("/login?next=/account")
    log_in(window, service.add_user())
    button, links = window.get_by_role("button", name="Log out"), window.get_by_role("navigation")
    mine, theirs = button.bounding_box(), links.bounding_box()
    assert mine
    assert theirs
    # In the line of the navigation, and in one line itself.
    assert theirs["y"] <= mine["y"] + mine["height"] / 2 <= theirs["y"] + theirs["height"]
    assert mine["height"] < 48
    wide = window.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320
    context.close()


@of_all
def test_password_can_be_shown(service: Service, browser: Browser) -> None:
    window = browser.new_page(base_url=service.origin)
    window.goto("/login")
    field = window.get_by_label("Password", exact=True)
    assert field.get_attribute("type") == "password"
    window.get_by_role("button", name="Show password").click()
    assert field.get_attribute("type") == "text"
    window.close()


def test_policy_is_in_force(service: Service, browser: Browser) -> None:
    # As if an attacker had found a hole: the browser refuses what the page did not mean.
    window = browser.new_page(base_url=service.origin)
    window.goto("/")
    for attack, wanted in (
        ("document.body.innerHTML = '<b>x</b>'", "TrustedHTML"),
        ("document.body.setAttribute('onclick', 'x()')", "TrustedScript"),
        ("document.createElement('script').src = 'x.js'", "TrustedScriptURL"),
    ):
        with pytest.raises(Error, match=wanted):
            window.evaluate(attack)
    for kind, directive in (("img", "img-src"), ("iframe", "frame-src"), ("audio", "media-src")):
        refused = window.evaluate(
            """kind => new Promise(resolve => {
              const options = {once: true};
              document.addEventListener(
                "securitypolicyviolation", event => resolve(event.effectiveDirective), options);
              const made = document.createElement(kind);
              made.src = "https://evil.example/x";
              document.body.append(made);
            })""",
            kind,
        )
        assert refused == directive
    window.close()


def test_admin_of_django_runs_its_scripts(browser: Browser, installed: Render) -> None:
    project = installed(framework="django", admin_path="office")
    user = User("ada", "quite a long Birke 77")
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # The admin would like to hear when a page is left, which the policy forbids to all.
        if message.type == "error" and "unload is not allowed" not in message.text:
            complaints.append(f"{message.text} {message.location}")

    with developing(project) as service:
        create = (project.python, "manage.py", "createsuperuser", "--noinput", "--username")
        variables: dict[str, Any] = service.environment()
        project.run(*create, user.name, **variables, DJANGO_SUPERUSER_PASSWORD=user.password)
        window = browser.new_page(base_url=service.origin)
        window.goto("/login?next=/office/")
        window.on("console", note)
        window.on("pageerror", lambda error: complaints.append(str(error)))
        log_in(window, user)
        assert window.url == f"{service.origin}/office/"
        window.goto("/office/notes/note/add/")
        window.get_by_label("Owner").select_option(label=user.name)
        window.get_by_label("Title").fill("From the office")
        window.get_by_label("Text").fill(ATTACK)
        # Links that a script has made.
        window.get_by_role("link", name="Today").click()
        window.get_by_role("link", name="Now").click()
        window.get_by_role("button", name="Save", exact=True).click()
        assert window.url == f"{service.origin}/office/notes/note/"
        window.goto("/notes")
        assert ATTACK in window.get_by_role("article").inner_text()
        window.goto("/office/")
        window.get_by_role("button", name="Log out").click()
        window.goto("/office/")
        assert window.url == f"{service.origin}/office/login/?next=/office/"
        window.close()
    assert [each for each in complaints if "favicon.ico" not in each] == []
