"""Every page that the template ships, judged by axe, in each framework: 0 violations.

On a screen and on a phone, by day and by night, and without a message on the console.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import Render
from tests.live.service import START_SECONDS, Service, User, totp
from tests.live.test_browser import browser as browser
from tests.live.test_browser import developing, heading, log_in
from tests.live.test_factors import opened, press
from tests.needs import needs_libraries
from tests.projects import BY_MAIL
from tests.weekly import frameworks

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (1280, 360)
"""Of a screen, and of a small phone, in CSS pixels."""
PASSWORD = "Vierzehn alte Birken rauschen"  # noqa: S105 - of a user that lives as long as the test

OF_DJANGO = {
    # A date and a time are two fields with one label.
    "label": r'<input type="text" name="created_[01]"',
    # In the path above the page, links differ from the text by a shade.
    "link-in-text-block": r'<a href="/office/',
    # The login has none.
    "page-has-heading-one": r"<html ",
    # Filters of a list are lines of 20 px.
    "target-size": r'<a href="\?(is_\w+__exact=[01])?"',
}
"""What axe finds in the admin, by rule, and how the elements begin that Django writes or styles."""

Judge = Callable[..., None]


@pytest.fixture(scope="module", params=frameworks("litestar"))
def service(request: pytest.FixtureRequest, installed: Render) -> Iterator[Service]:
    """Run the service of each framework, with all the pages that there are."""
    with developing(installed(framework=request.param, **BY_MAIL)) as started:
        yield started


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Return a function that asks axe about the page that is open."""
    axe = (needs_libraries() / "axe-core" / "axe.min.js").read_text("utf-8")

    def judged(page: Page, known: Mapping[str, str] = MappingProxyType({})) -> None:
        where = f"{page.url} ({page.title()})"
        page.evaluate(axe)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                # Colours on their way to others.
                page.evaluate(
                    "Promise.allSettled(document.getAnimations().map(each => each.finished))"
                )
                found = page.evaluate("options => axe.run(options)", {"runOnly": RULES})
                faults = [
                    f"{fault['id']}: {fault['help']}: {places}"
                    for fault in found["violations"]
                    if (places := unknown(fault, known.get(fault["id"])))
                ]
                assert not faults, f"{where}, {scheme}, {width} px wide: {faults}"
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{where}: {wide} px wide on {width}"

    return judged


def unknown(fault: dict[str, Any], known: str | None) -> list[str]:
    """Return the elements of a fault, without those that begin as is `known`."""
    elements = [str(node["html"])[:200] for node in fault["nodes"]]
    return [each for each in elements if known is None or not re.match(known, each)]


def link_to(service: Service, address: str) -> str:
    """Wait for the mail to an address, and return the path of the link in it."""
    folder = Path(service.project.path, "var", "mail")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for file in folder.glob("*"):
            text = file.read_text("utf-8")
            if address in text and (found := re.search(r"http://[^/\s]+(/\S+)", text)):
                file.unlink()
                return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no mail to {address}")


def test_of_a_stranger(service: Service, browser: Browser, judge: Judge) -> None:
    with opened(browser, service) as (page, complaints):
        for path in ("/", "/login", "/forgot", "/signup", "/nothing-here", "/reset"):
            page.goto(path)
            judge(page)
        page.goto("/login")
        page.get_by_label("User name").fill("nobody")
        page.get_by_label("Password", exact=True).fill("wrong for sure")
        press(page, "Log in")
        judge(page)
        page.goto("/login")
        press(page, "Use a passkey instead")
        judge(page)
        assert complaints == []


def test_of_a_new_user_by_mail(service: Service, browser: Browser, judge: Judge) -> None:
    name = f"user-{secrets.token_hex(6)}"
    address, other = f"{name}@example.com", f"{name}.other@example.com"
    with opened(browser, service) as (page, complaints):
        page.goto("/signup")
        page.get_by_label("User name").fill(name)
        page.get_by_label("E-mail").fill(address)
        page.get_by_label("Password", exact=True).fill("short")
        press(page, "Sign up")
        judge(page)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        press(page, "Sign up")
        judge(page)
        page.goto(link_to(service, address))
        judge(page)
        press(page, "Confirm")

        page.goto("/forgot")
        page.get_by_label("E-mail").fill(address)
        press(page, "Send the link")
        judge(page)
        page.goto(link_to(service, address))
        judge(page)
        page.get_by_label("New password", exact=True).fill(f"{PASSWORD} wieder")
        press(page, "Set password")

        page.goto("/login?next=/account/email")
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password", exact=True).fill(f"{PASSWORD} wieder")
        press(page, "Log in")
        judge(page)
        page.get_by_label("Current password", exact=True).fill(f"{PASSWORD} wieder")
        page.get_by_label("New e-mail address").fill(other)
        press(page, "Send the link")
        judge(page)
        page.goto(link_to(service, other))
        judge(page)
        press(page, "Confirm")
        assert heading(page) == "Account"
        assert complaints == []


def test_of_a_user(service: Service, browser: Browser, judge: Judge) -> None:
    user = service.add_user()
    with opened(browser, service) as (page, complaints):
        page.goto("/login?next=/notes")
        log_in(page, user)
        judge(page)
        page.goto("/account")
        judge(page)
        page.goto("/account/factors")
        judge(page)
        page.goto("/account/factors/totp")
        judge(page)
        page.get_by_label("Code").fill(totp(page.locator("main code").inner_text()))
        press(page, "Add")
        judge(page)
        page.goto("/account/factors/passkey")
        judge(page)
        page.get_by_label("Name").fill("This laptop")
        press(page, "Add")
        page.get_by_text("This laptop").first.wait_for()
        judge(page)
        page.goto("/account/confirm?next=/account/factors")
        judge(page)

        page.goto("/")
        page.get_by_role("button", name="Log out").click()
        page.goto("/login")
        log_in(page, user)
        assert heading(page) == "Second step"
        judge(page)
        assert complaints == []


@pytest.mark.weekly
def test_of_the_admin(browser: Browser, installed: Render, judge: Judge) -> None:
    """What is Django's own stays as it is, by name; nothing is wrong with it because of us."""
    user = User("ada", PASSWORD)
    project = installed(framework="django", admin_path="office")
    with developing(project) as service, opened(browser, service) as (page, complaints):
        create = (project.python, "manage.py", "createsuperuser", "--noinput", "--username")
        variables: dict[str, Any] = service.environment()
        project.run(*create, user.name, **variables, DJANGO_SUPERUSER_PASSWORD=user.password)

        def look(path: str = "") -> None:
            if path:
                assert page.goto(path, wait_until="load")
            # axe itself writes styles into the page, which the policy forbids.
            assert [each for each in complaints if "unload is not allowed" not in each] == []
            judge(page, OF_DJANGO)
            complaints.clear()

        look("/office/")
        for password in ("wrong for sure", user.password):
            page.get_by_label("Username").fill(user.name)
            page.get_by_label("Password").fill(password)
            page.get_by_role("button", name="Log in").click()
            look()
        assert page.url == f"{service.origin}/office/"
        look("/office/notes/note/add/")
        page.get_by_label("Owner").select_option(label=user.name)
        page.get_by_label("Title").fill("From the office")
        page.get_by_role("link", name="Today").click()
        page.get_by_role("link", name="Now").click()
        page.get_by_role("button", name="Save", exact=True).click()
        look()
        for address in ("/office/notes/note/", "/office/app/user/"):
            look(address)
            page.locator("#result_list tbody th a").first.click()
            look()
            changed = page.url
            page.get_by_role("link", name="Delete").click()
            look()
            look(changed.replace("/change/", "/history/"))
        for path in ("/office/app/user/add/", "/office/password_change/", "/office/nothing/"):
            look(path)
