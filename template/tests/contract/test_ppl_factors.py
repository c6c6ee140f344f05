# Owned by the template: extend, do not edit.
"""Second factors: authenticator apps and recovery codes (PPL-4, THR-10)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest

from . import expect
from .conftest import Make
from .driver import Browser, Clock, Inside, User, reading_first

STEP = 30
NEXT = "Vierzehn alte Birken rauschen"
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
"""RFC 6238, appendix B, SHA-1; the secret is the digits of RFC 4226."""
TOKEN = re.compile(r'name="enrolment" value="([^"]+)"')
SECRET = re.compile(r"<code>([A-Z2-7]{32})</code>")
CODE = re.compile(r"<code>([a-z0-9]{4}(?:-[a-z0-9]{4}){3})</code>")
FACTOR = re.compile(r'name="factor" value="([^"]+)"')


def totp(secret: str, at: float, digits: int = 6) -> str:
    """Return the code that an app shows at a time, by RFC 6238: not by the service's library."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(at) // STEP), hashlib.sha1)
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


STRANGE = {
    "nothing": {},
    "empty": {"code": ""},
    "long": {"code": "a" * 101},
    "other digits": {"code": "\u0661\u0662\u0663\u0664\u0665\u0666"},
    "dashes": {"code": "-" * 100},
    "no JSON": {"credential": "x"},
    "no passkey": {"credential": "{}"},
    "deep": {"credential": "[" * 9000},
    "other types": {"credential": '{"id": 1, "response": {"clientDataJSON": "e30"}}'},
    "oversized": {"credential": "a" * 20_000},
    "unknown field": {"code": "123456", "other": "1"},
}


@dataclass
class Phone:
    """An authenticator app with one secret, and the recovery codes that came with it."""

    clock: Clock
    secret: str
    codes: list[str] = field(default_factory=list)

    def code(self, later: float = 0) -> str:
        return totp(self.secret, self.clock.now + later)

    def wrong(self) -> str:
        """Return a code of no step that would do."""
        near = {self.code(step * STEP) for step in range(-2, 3)}
        return next(text for text in ("000000", "111111", "222222", "333333") if text not in near)


@dataclass(frozen=True)
class Owner:
    """A user with an authenticator app."""

    user: User
    phone: Phone

    def half(self, inside: Inside, browser: Browser | None = None) -> Browser:
        """Return a browser in which the password was right."""
        browser = browser or inside.visitor()
        answer = browser.login(self.user.name, self.user.password)
        assert answer.status_code == 303
        assert expect.place(answer).startswith(f"{inside.origin}/login/factor")
        return browser

    def login(self, inside: Inside, browser: Browser | None = None) -> Browser:
        """Return a browser that has logged in; the clock goes on, as each code works once."""
        self.phone.clock.advance(STEP)
        browser = self.half(inside, browser)
        assert browser.post("/login/factor", code=self.phone.code()).status_code == 303
        assert browser.logged_in()
        return browser


def enrolment(page: httpx.Response) -> tuple[str, str]:
    """Return the secret that a page shows and the token that its form has."""
    secret, token = SECRET.search(page.text), TOKEN.search(page.text)
    assert secret, page.text
    assert token
    return secret[1], html.unescape(token[1])


def enrol(inside: Inside, browser: Browser, name: str = "Phone") -> Phone:
    """Add an authenticator app as the page asks for it."""
    secret, token = enrolment(browser.get("/account/factors/totp"))
    phone = Phone(inside.clock, secret)
    answer = browser.post("/account/factors/totp", name=name, code=phone.code(), enrolment=token)
    assert answer.status_code in {200, 303}, answer.text
    phone.codes = CODE.findall(answer.text)
    return phone


def owner(inside: Inside) -> Owner:
    """Return a new user with an authenticator app."""
    user = inside.add_user()
    return Owner(user, enrol(inside, inside.login(user)))


def factors(browser: Browser) -> list[str]:
    """Return the ids of the factors that the page lists."""
    page = browser.get("/account/factors")
    assert page.status_code == 200
    return list(dict.fromkeys(FACTOR.findall(page.text)))


def at_once(browsers: list[Browser], code: str) -> list[int]:
    """Send a code from all of them at the same time; return the statuses."""
    with ThreadPoolExecutor(len(browsers)) as pool:
        sent = pool.map(lambda each: each.post("/login/factor", code=code), browsers)
        return [answer.status_code for answer in sent]


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("at", VECTORS)
def test_codes_of_these_tests_are_those_of_the_rfc(at: int) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert totp(secret, at, 8) == VECTORS[at]


@pytest.mark.contract("PPL-4")
def test_password_alone_is_half_a_login(inside: Inside) -> None:
    who = owner(inside)
    browser = who.half(inside)
    assert not browser.logged_in()
    for target in ("/account", "/account/factors"):
        assert browser.get(target).status_code == 303
    answer = browser.get("/login")
    assert expect.place(answer).startswith(f"{inside.origin}/login/factor")
    page = browser.get("/login/factor")
    assert page.status_code == 200
    expect.headers(page)
    assert expect.once(page, "cache-control") == "no-store"
    before = browser.session
    inside.clock.advance(STEP)
    answer = browser.post("/login/factor", code=who.phone.code(), next="/account?then")
    assert expect.place(answer) == f"{inside.origin}/account?then"
    assert browser.session != before
    assert browser.logged_in()


@pytest.mark.contract("PPL-4")
def test_half_a_login_ends_by_itself(inside: Inside) -> None:
    who = owner(inside)
    browser = who.half(inside)
    inside.clock.advance(inside.policy.accounts.factor_timeout)
    assert browser.post("/login/factor", code=who.phone.code()).status_code in {303, 401}
    assert not browser.logged_in()
    assert browser.get("/login").status_code == 200


@pytest.mark.contract("PPL-4")
def test_half_a_login_is_of_its_browser(inside: Inside) -> None:
    who = owner(inside)
    who.half(inside)
    inside.clock.advance(STEP)
    stranger = inside.visitor()
    assert stranger.post("/login/factor", code=who.phone.code()).status_code in {303, 401}
    assert not stranger.logged_in()
    other = owner(inside).half(inside)
    assert other.post("/login/factor", code=who.phone.code()).status_code == 401


@pytest.mark.contract("PPL-4")
def test_code_works_once(inside: Inside) -> None:
    who = owner(inside)
    inside.clock.advance(STEP)
    first, second = who.half(inside), who.half(inside)
    code = who.phone.code()
    assert first.post("/login/factor", code=code).status_code == 303
    assert second.post("/login/factor", code=code).status_code == 401
    # An older one that was never used is dead with it.
    assert second.post("/login/factor", code=who.phone.code(-STEP)).status_code == 401
    assert not second.logged_in()


@pytest.mark.contract("PPL-4")
def test_code_that_enrolled_does_not_log_in(inside: Inside) -> None:
    who = owner(inside)
    browser = who.half(inside)
    assert browser.post("/login/factor", code=who.phone.code()).status_code == 401


@pytest.mark.contract("PPL-4")
def test_code_in_two_tabs_at_once(make: Make) -> None:
    inside = make(exceptions={"throttle.pair.limit": 100})
    worker = make(inside)
    for _ in range(2):
        who = owner(inside)
        inside.clock.advance(STEP)
        browsers = [who.half(each) for each in (inside, worker, inside, worker)]
        with reading_first():
            assert sorted(at_once(browsers, who.phone.code())) == [303, 401, 401, 401]
        assert sum(browser.logged_in() for browser in browsers) == 1


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("late", [-2, -1, 0, 1, 2])
def test_clock_of_the_phone_may_be_one_step_off(inside: Inside, late: int) -> None:
    who = owner(inside)
    inside.clock.advance(10 * STEP)
    answer = who.half(inside).post("/login/factor", code=who.phone.code(late * STEP))
    assert answer.status_code == (303 if abs(late) <= 1 else 401)


@pytest.mark.contract("PPL-4")
def test_recovery_code_works_once(inside: Inside) -> None:
    who = owner(inside)
    assert len(set(who.phone.codes)) == 10
    code, other, *_ = who.phone.codes
    browsers = [who.half(inside) for _ in range(4)]
    assert sorted(at_once(browsers, code)) == [303, 401, 401, 401]
    browser = who.half(inside)
    # As somebody types it from paper.
    assert browser.post("/login/factor", code=f" {other.upper()} ").status_code == 303
    page = browser.get("/account/factors").text
    assert "You have 8 of them" in page
    assert not any(each in page for each in who.phone.codes)


@pytest.mark.contract("PPL-4")
def test_recovery_codes_are_of_their_owner(inside: Inside) -> None:
    who, other = owner(inside), owner(inside)
    answer = who.half(inside).post("/login/factor", code=other.phone.codes[0])
    assert answer.status_code == 401


@pytest.mark.contract("PPL-4")
def test_new_recovery_codes_end_the_old_ones(inside: Inside) -> None:
    who = owner(inside)
    browser = who.login(inside)
    new = CODE.findall(browser.post("/account/factors/codes").text)
    assert len(set(new)) == 10
    assert who.half(inside).post("/login/factor", code=who.phone.codes[0]).status_code == 401
    assert who.half(inside).post("/login/factor", code=new[0]).status_code == 303


@pytest.mark.contract("PPL-4")
def test_nothing_of_it_can_be_read_in_the_database(inside: Inside) -> None:
    who = owner(inside)
    for path in (inside.files.database, inside.files.store):
        for file in path.parent.glob(f"{path.name}*"):
            stored = file.read_bytes()
            assert who.phone.secret.encode() not in stored
            assert not any(each.encode() in stored for each in who.phone.codes)
            assert not any(each.replace("-", "").encode() in stored for each in who.phone.codes)


@pytest.mark.contract("PPL-4")
def test_keys_can_be_rotated(make: Make) -> None:
    inside = make()
    who = owner(inside)
    new = "a newer test key of many words that is used nowhere else"
    both = make(inside, keys=(new, *inside.files.keys))
    who.login(both)
    # Whoever has used it since does not need the old key any more.
    who.login(make(inside, keys=(new,)))


@pytest.mark.contract("PPL-4")
def test_enrolment_is_of_its_session(inside: Inside) -> None:
    mine, others = inside.member(), inside.member()
    secret, token = enrolment(mine.get("/account/factors/totp"))
    fields = {"name": "Phone", "code": totp(secret, inside.clock.now), "enrolment": token}
    refused = [
        others.post("/account/factors/totp", **fields),
        mine.post("/account/factors/totp", **{**fields, "enrolment": token[:-8] + "x" * 8}),
        mine.post("/account/factors/totp", **{**fields, "enrolment": "x"}),
        mine.post("/account/factors/totp", **{**fields, "code": "12345"}),
        mine.post("/account/factors/totp", **{**fields, "name": "a" * 61}),
        mine.post("/account/factors/totp", **{**fields, "name": "a\0b"}),
        mine.post("/account/factors/totp", **{**fields, "name": "a" * 10_000}),
    ]
    assert [answer.status_code for answer in refused] == [422] * len(refused)
    inside.clock.advance(inside.policy.accounts.factor_timeout)
    late = {**fields, "code": totp(secret, inside.clock.now)}
    assert mine.post("/account/factors/totp", **late).status_code == 422
    assert factors(mine) == factors(others) == []
    phone = enrol(inside, mine)
    assert len(factors(mine)) == 1
    again = {**fields, "code": phone.code(STEP)}
    assert mine.post("/account/factors/totp", **again).status_code == 422


@pytest.mark.contract("PPL-4")
def test_enrolment_is_used_once(inside: Inside) -> None:
    browser = inside.member()
    secret, token = enrolment(browser.get("/account/factors/totp"))
    for later, status in ((0, 200), (STEP, 422)):
        code = totp(secret, inside.clock.now + later)
        answer = browser.post("/account/factors/totp", name="Phone", code=code, enrolment=token)
        assert answer.status_code == status
    assert len(factors(browser)) == 1


@pytest.mark.contract("PPL-4")
def test_factors_are_renamed_and_removed_by_their_owner(inside: Inside) -> None:
    who, other = owner(inside), owner(inside)
    mine, others = who.login(inside), other.login(inside)
    (factor,) = factors(mine)
    strange = "<script>\u05d0\u0301\U0001f511"
    for browser, status in ((others, 404), (mine, 303)):
        fields = {"factor": factor, "name": strange}
        assert browser.post("/account/factors/rename", **fields).status_code == status
    page = mine.get("/account/factors").text
    assert html.escape(strange) in page
    assert strange not in page
    for name in ("", " ", "a" * 61, "a\nb"):
        answer = mine.post("/account/factors/rename", factor=factor, name=name)
        assert answer.status_code == 422
    assert others.post("/account/factors/remove", factor=factor).status_code == 404
    assert mine.post("/account/factors/remove", factor=factor).status_code == 303
    assert mine.post("/account/factors/remove", factor=factor).status_code == 404
    # Nothing of it is left, not even the codes.
    assert inside.login(who.user).logged_in()
    assert mine.post("/account/factors/codes").status_code == 409
    assert len(set(enrol(inside, mine).codes) - set(who.phone.codes)) == 10


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("fields", STRANGE.values(), ids=STRANGE.keys())
def test_strange_answers_are_refused(inside: Inside, fields: dict[str, str]) -> None:
    browser = owner(inside).half(inside)
    answer = browser.post("/login/factor", **fields)
    assert answer.status_code in {401, 422}
    assert not browser.logged_in()


@pytest.mark.contract("PPL-4")
def test_session_list_tells_the_factor(inside: Inside) -> None:
    who = owner(inside)
    assert "by authenticator app" in who.login(inside).get("/account").text
    browser = who.half(inside)
    browser.post("/login/factor", code=who.phone.codes[0])
    page = browser.get("/account").text
    assert "by recovery code" in page
    assert "by authenticator app" in page


@pytest.mark.contract("PPL-4")
@pytest.mark.contract("SES-10")
@pytest.mark.parametrize("what", ["password", "disable"])
def test_half_a_login_ends_with_the_sessions(inside: Inside, what: str) -> None:
    who = owner(inside)
    inside.clock.advance(STEP)
    browser = who.half(inside)
    assert inside.cli("user", what, who.user.name, typed=f"{NEXT}\n").exit_code == 0
    browser.post("/login/factor", code=who.phone.code())
    assert not browser.logged_in()


@pytest.mark.contract("PPL-4")
def test_required_factor_is_added_before_the_login_is_done(make: Make) -> None:
    inside = make(exceptions={"accounts.second-factor": "required"})
    user = inside.add_user()
    browser = inside.visitor()
    assert browser.login(user.name, user.password).status_code == 303
    assert not browser.logged_in()
    answer = browser.get("/login/factor")
    assert expect.place(answer) == f"{inside.origin}/account/factors/totp"
    assert browser.get("/account/factors").status_code == 303
    who = Owner(user, enrol(inside, browser))
    assert browser.logged_in()
    # The only one stays.
    (factor,) = factors(browser)
    assert browser.post("/account/factors/remove", factor=factor).status_code == 422
    assert who.login(inside).logged_in()
    half = who.half(inside)
    assert half.get("/account/factors/totp").status_code == 303


@pytest.mark.contract("PPL-4")
@pytest.mark.contract("SES-10")
def test_who_had_the_old_password_leaves_no_factor(make: Make) -> None:
    inside = make(exceptions={"accounts.second-factor": "required"})
    user = inside.add_user()
    browser = inside.visitor()
    assert browser.login(user.name, user.password).status_code == 303
    secret, token = enrolment(browser.get("/account/factors/totp"))
    assert inside.cli("user", "password", user.name, typed=f"{NEXT}\n").exit_code == 0
    fields = {"name": "Phone", "code": totp(secret, inside.clock.now), "enrolment": token}
    answer = browser.post("/account/factors/totp", **fields)
    assert expect.place(answer) == f"{inside.origin}/login"
    listed = json.loads(inside.cli("user", "list", "--json").stdout)
    assert [person["factors"] for person in listed] == [[]]


@pytest.mark.contract("PPL-4")
def test_visitors_add_nothing(inside: Inside) -> None:
    visitor = inside.visitor()
    for target in ("/account/factors/totp", "/account/factors/passkey", "/account/factors"):
        answer = visitor.get(target)
        assert answer.status_code == 303
        assert expect.place(answer).startswith(f"{inside.origin}/login")
    assert visitor.get("/login/factor").status_code in {302, 303}
    assert not visitor.session


@pytest.mark.contract("PPL-4")
@pytest.mark.contract("PPL-1")
def test_operator_helps_who_has_lost_the_phone(inside: Inside) -> None:
    who = owner(inside)
    browser = who.login(inside)
    listed = inside.cli("user", "list")
    assert "authenticator app" in next(
        line for line in listed.stdout.splitlines() if line.startswith(who.user.name)
    )
    assert inside.cli("user", "unlock", who.user.name).exit_code == 0
    assert browser.logged_in()
    result = inside.cli("user", "unlock", "--lost-factors", who.user.name)
    assert result.exit_code == 0, result.output
    assert not browser.logged_in()
    assert inside.login(who.user).logged_in()
    assert factors(inside.login(who.user)) == []


@pytest.mark.contract("THR-10")
def test_wrong_codes_count_like_wrong_passwords(inside: Inside) -> None:
    who = owner(inside)
    inside.clock.advance(STEP)
    limit = inside.policy.throttle.pair.limit
    browser = who.half(inside)
    thief = who.half(inside, inside.visitor())
    for number in range(limit):
        # The password in between forgets nothing.
        who.half(inside, thief)
        code = who.phone.wrong() if number % 2 else "abcd-efgh-jkmn-pqrs"
        assert thief.post("/login/factor", code=code).status_code == 401
    expect.error(thief.post("/login/factor", code=who.phone.code()), 429)
    expect.error(thief.login(who.user.name, who.user.password), 429)
    assert not thief.logged_in()
    assert browser.post("/login/factor", code=who.phone.code()).status_code == 303


@pytest.mark.contract("THR-10")
def test_codes_are_counted_exactly(make: Make) -> None:
    inside = make()
    who = owner(inside)
    inside.clock.advance(STEP)
    browser = who.half(inside)
    copies = [browser.copy() for _ in range(20)]
    statuses = at_once(copies, who.phone.wrong())
    assert statuses.count(401) == inside.policy.throttle.pair.limit
    assert set(statuses) == {401, 429}


@pytest.mark.contract("THR-10")
def test_right_code_clears_the_count(inside: Inside) -> None:
    who = owner(inside)
    browser = inside.visitor()
    for _ in range(3):
        inside.clock.advance(STEP)
        who.half(inside, browser)
        for _ in range(inside.policy.throttle.pair.limit - 1):
            assert browser.post("/login/factor", code=who.phone.wrong()).status_code == 401
        assert browser.post("/login/factor", code=who.phone.code()).status_code == 303
