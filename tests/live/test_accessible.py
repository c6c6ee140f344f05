"""Every page that the template ships, judged by axe, in each framework: 0 violations.

On a screen and on a phone, by day and by night, and without a message on the console.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import Render
from tests.live.service import START_SECONDS, Service, totp
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

Judge = Callable[[Page], None]


@pytest.fixture(scope="module", params=frameworks("litestar"))
def service(request: pytest.FixtureRequest, installed: Render) -> Iterator[Service]:
    """Run the service of each framework, with all the pages that there are."""
    with developing(installed(framework=request.param, **BY_MAIL)) as started:
        yield started


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Return a function that asks axe about the page that is open."""
    axe = (needs_libraries() / "axe-core" / "axe.min.js").read_text("utf-8")

    def judged(page: Page) -> None:
        where = f"{page.url} ({heading(page)})"
        page.evaluate(axe)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                found = page.evaluate("options => axe.run(options)", {"runOnly": RULES})
                faults = [said(fault) for fault in found["violations"]]
                assert not faults, f"{where}, {scheme}, {width} px wide: {faults}"
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{where}: {wide} px wide on {width}"

    return judged


def said(fault: dict[str, Any]) -> str:
    places = [node["html"][:200] for node in fault["nodes"]]
    return f"{fault['id']}: {fault['help']}: {places}"


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
