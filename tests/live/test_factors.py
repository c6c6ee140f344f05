"""Passkeys and authenticator apps at a real browser, under the policy in force (PPL-4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.live.service import Service, totp
from tests.live.test_browser import browser as browser
from tests.live.test_browser import heading, log_in, of_all
from tests.live.test_browser import service as service


@contextmanager
def opened(
    browser: Browser, service: Service, *, scripts: bool = True
) -> Iterator[tuple[Page, list[str]]]:
    """Open a window whose device has a virtual authenticator; list what the window complains of."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # The browser itself reports the statuses of pages.
        expected = ("Unrecognized feature", "Failed to load resource")
        if message.type in {"error", "warning"} and not message.text.startswith(expected):
            complaints.append(message.text)

    context = browser.new_context(java_script_enabled=scripts, base_url=service.origin)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if scripts:
        devices = context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        devices.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
    yield page, complaints
    context.close()


def press(page: Page, name: str) -> None:
    """Press a button of the page's own part."""
    page.get_by_role("main").get_by_role("button", name=name, exact=True).click()


def test_passkey(service: Service, browser: Browser) -> None:
    user = service.add_user()
    with opened(browser, service) as (page, complaints):
        page.goto("/login?next=/account/factors/passkey")
        log_in(page, user)
        page.get_by_label("Name").fill("This laptop")
        press(page, "Add")
        page.get_by_role("heading", name="Recovery codes").wait_for()
        page.goto("/account/factors")
        assert page.get_by_text("This laptop").first.is_visible()

        # After the password.
        page.get_by_role("button", name="Log out").click()
        page.goto("/login")
        log_in(page, user)
        assert heading(page) == "Second step"
        press(page, "Use a passkey")
        page.get_by_role("heading", name="Account", exact=True).wait_for()

        # Alone.
        page.get_by_role("button", name="Log out").click()
        page.goto("/login")
        press(page, "Use a passkey instead")
        assert heading(page) == "Second step"
        press(page, "Use a passkey")
        page.get_by_role("heading", name="Account", exact=True).wait_for()
        assert page.get_by_text("by passkey").count() >= 1

        # Again, for what is sensitive.
        page.goto("/account/confirm?next=/account/factors")
        press(page, "Use a passkey")
        page.get_by_role("heading", name="Second factors").wait_for()
        assert complaints == []


@of_all
def test_who_has_no_passkey_is_told(service: Service, browser: Browser) -> None:
    with opened(browser, service) as (page, complaints):
        page.goto("/login")
        press(page, "Use a passkey instead")
        press(page, "Use a passkey")
        page.get_by_role("alert").wait_for()
        assert "did not work" in page.get_by_role("alert").inner_text()
        press(page, "Start over")
        assert complaints == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_authenticator_app(service: Service, browser: Browser, scripts: bool) -> None:
    user = service.add_user()
    with opened(browser, service, scripts=scripts) as (page, complaints):
        page.goto("/login?next=/account/factors/totp")
        log_in(page, user)
        # The QR code is a picture, in black and white whatever the colours of the page.
        picture = page.locator("svg")
        assert picture.count() == 1
        secret = page.locator("main code").inner_text()
        page.get_by_label("Code").fill(totp(secret))
        press(page, "Add")
        codes = page.locator("main code").all_inner_texts()
        assert len(codes) == 10

        page.get_by_role("button", name="Log out").click()
        page.goto("/login")
        log_in(page, user)
        assert heading(page) == "Second step"
        page.get_by_label("Code").fill("000000")
        press(page, "Log in")
        assert "wrong" in page.get_by_role("alert").first.inner_text()
        page.get_by_label("Code").fill(codes[0])
        press(page, "Log in")
        assert heading(page) == "Account"
        assert page.get_by_text("by recovery code").count() == 1
        assert complaints == []


@of_all
def test_a_second_click_loses_no_answer(service: Service, browser: Browser) -> None:
    """Recovery codes are shown once; the session that got them has a new cookie."""
    user = service.add_user()
    slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    with opened(browser, service) as (page, complaints):
        page.goto("/login?next=/account/factors/totp")
        log_in(page, user)
        secret = page.locator("main code").inner_text()
        page.get_by_label("Code").fill(totp(secret))
        page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
        page.get_by_role("main").get_by_role("button", name="Add", exact=True).dblclick(delay=50)
        page.get_by_role("heading", name="Recovery codes").wait_for()
        assert page.locator("main code").count() == 10
        # What was sent once can be sent again.
        page.goto("/account/factors/totp")
        for _ in range(2):
            page.get_by_label("Code").fill("000000")
            press(page, "Add")
            page.get_by_role("alert").first.wait_for()
        assert complaints == []


@of_all
def test_longest_names_fit_on_a_phone(service: Service, browser: Browser) -> None:
    width = 390
    user = service.add_user("w" * 100)
    with opened(browser, service) as (page, _):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto("/login?next=/account/factors/totp")
        log_in(page, user)
        page.get_by_label("Name").fill("M" * 60)
        page.get_by_label("Code").fill(totp(page.locator("main code").inner_text()))
        press(page, "Add")
        for path in ("/account/factors", "/account", "/account/confirm"):
            page.goto(path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path}: {wide} px wide on {width}"
            button = page.get_by_role("button", name="Log out").bounding_box()
            assert button
            assert button["height"] < 48
        assert user.name in page.locator("main").inner_html()
