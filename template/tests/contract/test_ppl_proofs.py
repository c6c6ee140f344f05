# Owned by the template: extend, do not edit.
"""Sensitive changes ask again who it is (PPL-5)."""

from __future__ import annotations

import pytest

from . import expect
from .driver import Browser, Inside, User
from .test_ppl_factors import enrol, factors
from .test_ppl_passkeys import Authenticator, asked, owner

WRONG = "certainly not it"


def later(inside: Inside) -> tuple[User, Browser]:
    """Return a browser whose user logged in too long ago for a sensitive change."""
    user = inside.add_user()
    browser = inside.login(user)
    grow_old(inside, browser)
    return user, browser


def grow_old(inside: Inside, *browsers: Browser) -> None:
    """Let the time of the last proof go by while the browsers are in use: no session idles."""
    for _ in range(4):
        inside.clock.advance(inside.policy.accounts.proof_lifetime / 4)
        assert all(browser.logged_in() for browser in browsers)


def asks(inside: Inside, browser: Browser, method: str, target: str, **fields: str) -> bool:
    """Tell whether a request leads to the page that asks again."""
    answer = browser.post(target, **fields) if method == "POST" else browser.get(target)
    if answer.status_code not in {302, 303}:
        return False
    return expect.place(answer).startswith(f"{inside.origin}/account/confirm")


@pytest.mark.contract("PPL-5")
@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        ("POST", "/account/sessions/end-others", {}),
        ("POST", "/account/sessions/end", {"session": "0" * 16}),
        ("GET", "/account/factors", {}),
        ("GET", "/account/factors/totp", {}),
        ("GET", "/account/factors/passkey", {}),
        ("POST", "/account/factors/totp", {"name": "a", "code": "123456", "enrolment": "x"}),
        ("POST", "/account/factors/passkey", {"name": "a", "credential": "{}"}),
        ("POST", "/account/factors/rename", {"factor": "a", "name": "a"}),
        ("POST", "/account/factors/remove", {"factor": "a"}),
        ("POST", "/account/factors/codes", {}),
    ],
)
def test_sensitive_pages_ask_again(
    inside: Inside, method: str, target: str, fields: dict[str, str]
) -> None:
    user, browser = later(inside)
    others = inside.login(user)
    assert asks(inside, browser, method, target, **fields)
    assert others.logged_in()
    assert not asks(inside, inside.member(), method, target, **fields)
    assert browser.post("/account/confirm", password=user.password).status_code == 303
    assert not asks(inside, browser, method, target, **fields)
    grow_old(inside, browser)
    assert asks(inside, browser, method, target, **fields)


@pytest.mark.contract("PPL-5")
def test_proof_leads_back(inside: Inside) -> None:
    user, browser = later(inside)
    place = expect.place(browser.get("/account/factors?then=1"))
    page = browser.get(place.removeprefix(inside.origin))
    assert page.status_code == 200
    expect.headers(page)
    assert 'value="/account/factors?then=1"' in page.text
    for target, then in (
        ("/account/factors?then=1", "/account/factors?then=1"),
        ("https://evil.test/", "/account"),
        ("//evil.test", "/account"),
        ("", "/account"),
    ):
        answer = browser.post("/account/confirm", password=user.password, next=target)
        assert expect.place(answer) == inside.origin + then


@pytest.mark.contract("PPL-5")
def test_proof_is_of_one_session(inside: Inside) -> None:
    user = inside.add_user()
    browser, other = inside.login(user), inside.login(user)
    grow_old(inside, browser, other)
    before = browser.copy()
    assert browser.post("/account/confirm", password=user.password).status_code == 303
    assert browser.session != before.session
    assert not before.logged_in()
    assert not asks(inside, browser, "GET", "/account/factors")
    assert asks(inside, other, "GET", "/account/factors")


@pytest.mark.contract("PPL-5")
def test_programs_are_told(inside: Inside) -> None:
    _, browser = later(inside)
    answer = browser.api("POST", "/account/factors/codes", b"{}")
    assert answer.status_code == 401
    assert "/account/confirm" in answer.json()["detail"]


@pytest.mark.contract("PPL-5")
@pytest.mark.contract("THR-10")
def test_wrong_proofs_count(inside: Inside) -> None:
    user, browser = later(inside)
    for fields in ({}, {"password": ""}, {"password": WRONG}, {"credential": "{}"}):
        assert browser.post("/account/confirm", **fields).status_code == 401
        assert asks(inside, browser, "GET", "/account/factors")
    assert browser.post("/account/confirm", password="a" * 1001).status_code == 422
    for _ in range(inside.policy.throttle.pair.limit - 3):
        assert browser.post("/account/confirm", password=WRONG).status_code == 401
    expect.error(browser.post("/account/confirm", password=user.password), 429)
    expect.error(inside.visitor(browser.address).login(user.name, user.password), 429)
    assert browser.logged_in()


@pytest.mark.contract("PPL-5")
def test_passkey_proves_it_again(inside: Inside) -> None:
    user, device = owner(inside)
    stranger = Authenticator()
    browser = inside.visitor()
    browser.login(user.name, user.password)
    options = asked(browser.get("/login/factor"))
    assert browser.post("/login/factor", credential=device.get(options)).status_code == 303
    grow_old(inside, browser)
    options = asked(browser.get("/account/confirm"))
    wrong = stranger.get(options, uninvited=True)
    assert browser.post("/account/confirm", credential=wrong).status_code == 401
    assert asks(inside, browser, "GET", "/account/factors")
    late = asked(browser.get("/account/confirm"))
    inside.clock.advance(inside.policy.accounts.factor_timeout)
    assert browser.post("/account/confirm", credential=device.get(late)).status_code == 401
    right = device.get(asked(browser.get("/account/confirm")))
    assert browser.post("/account/confirm", credential=right).status_code == 303
    assert not asks(inside, browser, "GET", "/account/factors")
    assert browser.post("/account/confirm", credential=right).status_code == 401
    # What began with a factor stays listed so.
    assert "by passkey" in browser.get("/account").text


@pytest.mark.contract("PPL-5")
def test_visitors_prove_nothing(inside: Inside) -> None:
    user = inside.add_user()
    visitor = inside.visitor()
    assert visitor.get("/account/confirm").status_code == 303
    assert visitor.post("/account/confirm", password=user.password).status_code == 303
    assert not visitor.logged_in()


@pytest.mark.contract("PPL-5")
def test_change_of_password_brings_its_own_proof(inside: Inside) -> None:
    user, browser = later(inside)
    new = "Vierzehn alte Birken rauschen"
    fields = {"current_password": user.password, "new_password": new}
    assert browser.post("/account/password", **fields).status_code == 303
    assert factors(browser) == []
    enrol(inside, browser)
