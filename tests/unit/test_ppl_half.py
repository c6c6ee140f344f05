"""Whatever logs somebody in whose second factor is missing: it is asked for (PPL-4)."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from my_service.security import events

from .. import expect
from ..driver import FORM, Browser, Header, Inside
from ..test_ppl_factors import STEP, Owner, owner

TO = "/account?then=1"
PROGRAM: Header = ("Accept", "application/json")
SCRIPT: Header = ("Accept", "*/*")
SAME: Header = ("Sec-Fetch-Site", "same-origin")
TYPED: Header = ("Content-Type", FORM)


@pytest.fixture(scope="module")
def who(stage: Inside) -> Owner:
    """Somebody with a second factor."""
    return owner(stage)


def enter(
    browser: Browser, who: Owner, then: str, *headers: Header, query: str = "", body: bytes = b""
) -> httpx.Response:
    """Log in by a view that knows nothing of second factors."""
    target = f"/stage/enter?name={who.user.name}&then={then}{query}"
    return browser.send("POST", target, (*headers, SAME, TYPED), body)


def finish(browser: Browser, who: Owner, stage: Inside, answer: httpx.Response) -> str:
    """Prove the second factor as the page asks for it; return where it leads."""
    asked = urlsplit(expect.place(answer))
    assert asked.path == "/login/factor"
    then = parse_qs(asked.query).get("next", [""])[0]
    assert browser.get(f"{asked.path}?{asked.query}").status_code == 200
    stage.clock.advance(STEP)
    done = browser.post("/login/factor", code=who.phone.code(), next=then)
    assert browser.logged_in()
    return expect.place(done).removeprefix(stage.origin)


def is_nobody(browser: Browser) -> bool:
    """Tell whether the browser is signed in nowhere, and has none of the view's cookies."""
    return not browser.logged_in() and "remember" not in " ".join(browser.cookies)


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("then", ["page", "json", "crash", "redirect"])
def test_browser_is_asked_for_the_factor(stage: Inside, who: Owner, then: str) -> None:
    browser = stage.visitor()
    answer = enter(browser, who, then, query=f"&to={quote(TO)}" if then == "redirect" else "")
    assert answer.status_code == 303
    assert "inside" not in answer.text
    assert is_nobody(browser)
    assert finish(browser, who, stage, answer) == (TO if then == "redirect" else "/account")


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("then", ["page", "crash"])
def test_it_leads_on_to_where_the_address_says(stage: Inside, who: Owner, then: str) -> None:
    browser = stage.visitor()
    answer = enter(browser, who, then, query=f"&next={quote(TO)}")
    assert finish(browser, who, stage, answer) == TO
    # The page that asks judges it, as it does every redirect.
    answer = enter(browser := stage.visitor(), who, then, query="&next=https://evil.example/")
    assert finish(browser, who, stage, answer) == "/account"


@pytest.mark.contract("PPL-4")
def test_who_is_remembered_by_a_cookie_comes_back_to_the_page(stage: Inside, who: Owner) -> None:
    """As Flask-Login does: it logs in with whatever is opened first."""
    browser = stage.visitor()
    target = f"/stage/enter?name={who.user.name}&then=page"
    answer = browser.get(target)
    assert "inside" not in answer.text
    assert finish(browser, who, stage, answer) == target
    assert browser.get(target).text == "inside"


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("then", ["page", "json", "crash", "redirect"])
def test_program_is_told_by_a_problem_document(stage: Inside, who: Owner, then: str) -> None:
    browser = stage.visitor()
    answer = enter(browser, who, then, PROGRAM, query="&to=/account")
    expect.error(answer, 401)
    assert "/login/factor" in answer.json()["detail"]
    assert is_nobody(browser)


@pytest.mark.contract("PPL-4")
def test_script_is_told_by_a_problem_document(stage: Inside, who: Owner) -> None:
    browser = stage.visitor()
    expect.error(enter(browser, who, "json", SCRIPT), 401)
    typed: Header = ("Content-Type", "application/json")
    body = json.dumps({"user": "me"}).encode()
    target = f"/stage/enter?name={who.user.name}&then=crash"
    expect.error(browser.send("POST", target, (SCRIPT, SAME, typed), body), 401)
    assert is_nobody(browser)


@pytest.mark.contract("PPL-4")
def test_view_that_refuses_has_the_last_word(stage: Inside, who: Owner) -> None:
    browser = stage.visitor()
    expect.error(enter(browser, who, "refuse"), 403)
    assert is_nobody(browser)


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("to", ["/login", "/login?next=/account", "/login/factor?next=/account"])
def test_view_that_leads_to_a_page_that_asks_is_left_alone(
    stage: Inside, who: Owner, to: str
) -> None:
    answer = enter(stage.visitor(), who, "redirect", query=f"&to={quote(to)}")
    assert expect.place(answer).removeprefix(stage.origin) == to


@pytest.mark.contract("PPL-4")
def test_who_has_no_factor_is_let_in(stage: Inside) -> None:
    user = stage.add_user()
    browser = stage.visitor()
    target = f"/stage/enter?name={user.name}&then=page"
    assert browser.send("POST", target, (SAME, TYPED)).text == "inside"
    assert browser.logged_in()


@pytest.mark.contract("PPL-4")
def test_what_fails_for_it_is_no_crash_in_the_log(
    stage: Inside, who: Owner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events._once, "seen", set())
    enter(stage.visitor(), who, "crash")
    assert "sys_crash" not in caplog.text
    assert "after half a login" in caplog.text
    assert "views.py:" in caplog.text
