"""Whatever logs somebody in whose second factor is missing: it is asked for (PPL-4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from my_service.security import events

from .. import expect
from ..driver import CHEAP, FORM, PROGRAM, SAME, TOKEN, TOKEN_HEADER, Browser, Files, Header, Inside
from ..test_ppl_factors import STEP, Owner, enrol, owner
from .stage import FACTS, Stage

TO = "/account?then=1"
SCRIPT: Header = ("Accept", "*/*")
TYPED: Header = ("Content-Type", FORM)

WAYS = ("/stage/enter", "/stage/enter/otherwise")
"""Views that know nothing of second factors, of each kind."""

Enter = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def who(stage: Inside) -> Owner:
    """Somebody with a second factor."""
    return owner(stage)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """One of these views."""
    return str(request.param)


@pytest.fixture
def enter(way: str, who: Owner) -> Enter:
    """Log in by it."""
    return partial(entered, way, who.user.name)


def entered(
    way: str,
    name: str,
    browser: Browser,
    then: str,
    *headers: Header,
    query: str = "",
    typed: Header = TYPED,
    body: bytes = b"",
) -> httpx.Response:
    target = f"{way}?name={name}&then={then}{query}"
    return browser.send("POST", target, (*headers, SAME, typed), body)


def finish(browser: Browser, who: Owner, stage: Inside, answer: httpx.Response) -> str:
    """Prove the second factor as the page asks for it; return where it leads."""
    asked = urlsplit(expect.place(answer))
    assert asked.path == "/login/factor"
    then = parse_qs(asked.query).get("next", [""])[0]
    page = browser.get(f"{asked.path}?{asked.query}")
    assert page.status_code == 200
    token = TOKEN.search(page.text)
    known = ((TOKEN_HEADER, token[1]),) if token else ()
    stage.clock.advance(STEP)
    done = browser.post("/login/factor", known, code=who.phone.code(), next=then)
    assert browser.logged_in()
    return expect.place(done).removeprefix(stage.origin)


def is_nobody(browser: Browser) -> bool:
    """Tell whether the browser is signed in nowhere, and has none of the view's cookies."""
    return not browser.logged_in() and "remember" not in " ".join(browser.cookies)


def with_session(stage: Inside) -> tuple[Browser, Browser]:
    """Return a browser with something in its session, and one with the same cookies."""
    browser = stage.visitor()
    answer = browser.send("POST", "/stage/session/set?key=cart&value=full", (SAME, TYPED))
    assert answer.status_code < 300
    return browser, browser.copy()


def kept(browser: Browser) -> dict[str, object]:
    """Return what the session holds."""
    return dict(browser.get("/stage/session").json())


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("then", ["page", "json", "crash", "redirect"])
def test_browser_is_asked_for_the_factor(
    stage: Inside, who: Owner, enter: Enter, then: str
) -> None:
    browser = stage.visitor()
    answer = enter(browser, then, query=f"&to={quote(TO)}" if then == "redirect" else "")
    assert answer.status_code == 303
    assert "inside" not in answer.text
    assert is_nobody(browser)
    assert finish(browser, who, stage, answer) == (TO if then == "redirect" else "/account")


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("then", ["page", "crash"])
def test_it_leads_on_to_where_the_address_says(
    stage: Inside, who: Owner, enter: Enter, then: str
) -> None:
    browser = stage.visitor()
    answer = enter(browser, then, query=f"&next={quote(TO)}")
    assert finish(browser, who, stage, answer) == TO
    # The page that asks judges it, as it does every redirect.
    answer = enter(browser := stage.visitor(), then, query="&next=https://evil.example/")
    assert finish(browser, who, stage, answer) == "/account"


@pytest.mark.contract("PPL-4")
def test_who_is_remembered_by_a_cookie_comes_back_to_the_page(
    stage: Inside, who: Owner, way: str
) -> None:
    """As Flask-Login does: it logs in with whatever is opened first."""
    browser = stage.visitor()
    target = f"{way}?name={who.user.name}&then=page"
    answer = browser.get(target)
    assert "inside" not in answer.text
    assert finish(browser, who, stage, answer) == target
    assert browser.get(target).text == "inside"


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("then", ["page", "json", "crash", "redirect"])
def test_program_is_told_by_a_problem_document(stage: Inside, enter: Enter, then: str) -> None:
    browser = stage.visitor()
    answer = enter(browser, then, PROGRAM, query="&to=/account")
    expect.error(answer, 401)
    assert "/login/factor" in answer.json()["detail"]
    assert is_nobody(browser)


@pytest.mark.contract("PPL-4")
def test_script_is_told_by_a_problem_document(stage: Inside, enter: Enter) -> None:
    browser = stage.visitor()
    expect.error(enter(browser, "json", SCRIPT), 401)
    body = json.dumps({"user": "me"}).encode()
    typed: Header = ("Content-Type", "application/json")
    expect.error(enter(browser, "crash", SCRIPT, typed=typed, body=body), 401)
    assert is_nobody(browser)


@pytest.mark.contract("PPL-4")
def test_view_that_refuses_has_the_last_word(stage: Inside, enter: Enter) -> None:
    browser = stage.visitor()
    expect.error(enter(browser, "refuse"), 403)
    assert is_nobody(browser)


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("to", ["/login", "/login?next=/account", "/login/factor?next=/account"])
def test_view_that_leads_to_a_page_that_asks_is_left_alone(
    stage: Inside, enter: Enter, to: str
) -> None:
    answer = enter(stage.visitor(), "redirect", query=f"&to={quote(to)}")
    assert expect.place(answer).removeprefix(stage.origin) == to


@pytest.mark.contract("PPL-4")
@pytest.mark.contract("SES-4")
def test_who_has_no_factor_is_let_in_under_a_new_id(stage: Inside, way: str) -> None:
    browser, before = with_session(stage)
    assert entered(way, stage.add_user().name, browser, "page").text == "inside"
    assert browser.logged_in()
    assert kept(browser)["cart"] == "full"
    assert kept(before) == {}
    # Somebody else, in the same browser.
    before = browser.copy()
    assert entered(way, stage.add_user().name, browser, "page").text == "inside"
    assert browser.logged_in()
    assert "cart" not in kept(browser)
    assert not before.logged_in()


@pytest.mark.contract("PPL-4")
@pytest.mark.contract("SES-4")
def test_each_half_brings_a_new_id(stage: Inside, who: Owner, enter: Enter) -> None:
    browser, before = with_session(stage)
    answer = enter(browser, "page")
    assert kept(before) == {}
    half = browser.copy()
    finish(browser, who, stage, answer)
    assert kept(browser)["cart"] == "full"
    assert kept(half) == {}
    assert not half.logged_in()


@pytest.mark.contract("PPL-4")
@pytest.mark.contract("SES-4")
def test_who_was_signed_in_is_so_no_more(stage: Inside, enter: Enter) -> None:
    """Else the page that asks would greet one and sign another in."""
    browser = stage.login(stage.add_user())
    before = browser.copy()
    assert enter(browser, "page").status_code == 303
    assert not browser.logged_in()
    assert not before.logged_in()


@pytest.mark.contract("PPL-4")
def test_required_factor_is_asked_for_too(way: str, tmp_path: Path) -> None:
    exceptions = {**CHEAP, "accounts.second-factor": "required"}
    with closing(Stage(Files(tmp_path, exceptions, facts=FACTS))) as stage:
        browser = stage.visitor()
        answer = entered(way, stage.add_user().name, browser, "page")
        assert urlsplit(expect.place(answer)).path == "/login/factor"
        assert is_nobody(browser)
        enrol(stage, browser)
        assert browser.logged_in()


@pytest.mark.contract("PPL-4")
def test_what_fails_for_it_is_no_crash_in_the_log(
    stage: Inside, enter: Enter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events._once, "seen", set())
    enter(stage.visitor(), "crash")
    assert "sys_crash" not in caplog.text
    assert "after half a login" in caplog.text
    assert "views.py:" in caplog.text
