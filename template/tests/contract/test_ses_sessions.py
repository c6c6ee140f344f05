# Owned by the template: extend, do not edit.
"""Sessions and their cookie (guide: Use cookies securely; ASVS 3.3, 7)."""

from __future__ import annotations

import base64
import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import httpx
import pytest
from argon2 import PasswordHasher

from . import expect, services
from .conftest import Make
from .driver import (
    COOKIE_SESSIONS,
    DEVICE,
    EXAMPLE,
    FORM,
    KEY,
    ORIGIN,
    SESSION,
    Browser,
    Inside,
    Service,
    User,
    new_address,
    new_user,
)

AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
    " Safari/537.36": "Chrome on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0": "Edge on Windows",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.6 Safari/605.1.15": "Safari on macOS",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/18.6 Mobile/15E148 Safari/604.1": "Safari on iOS",
    "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0": "Firefox on Android",
    "curl/8.5.0": "curl",
    "<script>alert(1)</script>": "Unknown device",
}
NEWEST = "another test key of many words and not the first one"
FORGERIES: dict[str, str | bytes] = {
    "empty": "",
    "word": "nonsense",
    "right length": "A" * 43,
    "right length, padded": "A" * 43 + "=",
    "longer": "A" * 64,
    "sealed with nothing": base64.urlsafe_b64encode(bytes(64)).decode().rstrip("="),
    "shortest sealed": base64.urlsafe_b64encode(bytes(28)).decode().rstrip("="),
    "too short to be sealed": base64.urlsafe_b64encode(bytes(27)).decode().rstrip("="),
    "one letter": "A",
    "not base64": "!" * 43,
    "signed by another framework": "eyJ1c2VyIjoxfQ.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "token with no algorithm": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
    "JSON": '{"user": "1"}',
    "pickle": base64.b64encode(b"cos\nsystem\n(S'true'\ntR.").decode(),
    "number": "1",
    "quotes": '"1"',
    "SQL": "' OR 1=1 --",
    "path": "../../../etc/passwd",
    "wildcard": "*",
    "percent": "%00%ff",
    "braces": "{{7*7}}",
    "not ASCII": b"\xff\xfe\x80" * 15,
    "UTF-8": "\u65e5" * 43,
    "oversized": "A" * 6000,
}


def set_cookies(answer: httpx.Response) -> dict[str, list[str]]:
    """Return the attributes of each cookie that the answer sets, by name."""
    found: dict[str, list[str]] = {}
    for line in answer.headers.get_list("set-cookie"):
        pair, *attributes = line.split("; ")
        name = pair.partition("=")[0]
        assert name not in found
        found[name] = attributes
    return found


def change_password(browser: Browser, old: str, new: str) -> None:
    answer = browser.post("/account/password", current_password=old, new_password=new)
    assert answer.status_code in {200, 303}


def with_cookie(service: Service, value: str | bytes) -> list[httpx.Response]:
    header = SESSION.encode() + b"=" + (value.encode() if isinstance(value, str) else value)
    return [
        service.visitor().get(target, (("Cookie", header),))
        for target in ("/", "/login", "/account")
    ]


@pytest.mark.contract("SES-1")
def test_session_lasts_over_a_restart_and_a_new_key(make: Make) -> None:
    inside = make()
    user = inside.add_user()
    browser = inside.login(user)
    browser.service = make(inside, keys=(NEWEST, KEY))
    assert browser.logged_in()
    fresh = make(inside, keys=(NEWEST, KEY)).login(user)
    fresh.service = make(inside, keys=(NEWEST,))
    assert fresh.logged_in()


@pytest.mark.contract("SES-1")
def test_cookie_of_a_dropped_key_is_worth_nothing(make: Make) -> None:
    inside = make()
    browser = inside.member()
    browser.service = make(inside, keys=(NEWEST,))
    # An id alone is not encrypted, and needs no key.
    assert browser.logged_in() is not COOKIE_SESSIONS


@pytest.mark.contract("SES-1")
def test_cookie_shows_nothing(inside: Inside) -> None:
    user = inside.add_user()
    cookie = inside.login(user).session
    opened = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
    assert user.name.encode() not in opened
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind: there is nothing to read
        json.loads(opened)


@pytest.mark.contract("SES-2")
def test_attributes_of_the_cookie(inside: Inside) -> None:
    user = inside.add_user()
    answer = inside.visitor().login(user.name, user.password)
    cookies = set_cookies(answer)
    assert set(cookies) == {SESSION, DEVICE}
    for name, seconds in (
        (SESSION, inside.policy.sessions.absolute_timeout),
        (DEVICE, inside.policy.throttle.device_lifetime),
    ):
        assert sorted(cookies[name]) == sorted(
            [f"Max-Age={seconds}", "Path=/", "HttpOnly", "SameSite=Lax", "Secure"]
        )
    expect.headers(answer)


@pytest.mark.contract("SES-2")
def test_domain_by_exception_changes_the_prefix(make: Make) -> None:
    inside = make(exceptions={"cookies.domain": "app.test"})
    user = inside.add_user()
    cookies = set_cookies(inside.visitor().login(user.name, user.password))
    assert set(cookies) == {"__Secure-session", "__Secure-device"}
    for attributes in cookies.values():
        assert "Domain=app.test" in attributes
        assert "Secure" in attributes


@pytest.mark.contract("SES-2")
def test_name_and_same_site_by_exception(make: Make) -> None:
    inside = make(exceptions={"cookies.session-name": "kiosk", "cookies.same-site": "Strict"})
    user = inside.add_user()
    cookies = set_cookies(inside.visitor().login(user.name, user.password))
    assert "__Host-kiosk" in cookies
    assert SESSION not in cookies
    assert "SameSite=Strict" in cookies["__Host-kiosk"]


@pytest.mark.contract("SES-2")
@pytest.mark.parametrize(
    "name", ["session", "__Secure-session", "__host-session", "sessionid", "id"]
)
def test_cookie_of_another_name_is_not_read(inside: Inside, member: Browser, name: str) -> None:
    value = member.session
    visitor = inside.visitor()
    visitor.cookies[name] = value
    assert not visitor.logged_in()


@pytest.mark.contract("SES-3")
def test_planted_id_is_not_adopted(inside: Inside) -> None:
    user = inside.add_user()
    planted = secrets.token_urlsafe(32)
    victim = inside.visitor()
    victim.cookies[SESSION] = planted
    victim.get("/login")
    answer = victim.login(user.name, user.password)
    assert answer.status_code == 303
    assert victim.session != planted
    attacker = inside.visitor()
    attacker.cookies[SESSION] = planted
    assert not attacker.logged_in()


@pytest.mark.contract("SES-3")
def test_ids_are_long_random_and_stored_hashed(make: Make) -> None:
    inside = make()
    user = inside.add_user()
    cookies = {inside.login(user).session for _ in range(3)}
    assert len(cookies) == 3
    stored = b"".join(
        each.read_bytes() for each in inside.files.folder.iterdir() if "store" in each.name
    )
    assert stored
    for cookie in cookies:
        assert len(base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))) >= 32
        assert cookie.encode() not in stored


@pytest.mark.contract("SES-4")
def test_new_id_at_login(inside: Inside) -> None:
    user, other = inside.add_user(), inside.add_user()
    browser = inside.login(user)
    before = browser.copy()
    assert browser.login(other.name, other.password).status_code == 303
    assert browser.session != before.session
    assert not before.logged_in()
    assert other.name in browser.get("/account").text


@pytest.mark.contract("SES-4")
@pytest.mark.contract("SES-6")
def test_logout_ends_the_session_everywhere(inside: Inside) -> None:
    browser = inside.member()
    stolen = browser.copy()
    assert stolen.logged_in()
    answer = browser.post("/logout")
    assert answer.status_code == 303
    assert expect.place(answer).startswith(f"{ORIGIN}/")
    assert not browser.session
    assert not stolen.logged_in()
    assert not browser.logged_in()


@pytest.mark.contract("SES-4")
@pytest.mark.contract("SES-7")
def test_change_of_password_gives_a_new_id_and_ends_the_others(inside: Inside) -> None:
    user = inside.add_user()
    browser, other = inside.login(user), inside.login(user)
    before = browser.copy()
    change_password(browser, user.password, "Vierzehn alte Birken rauschen")
    assert browser.session != before.session
    assert browser.logged_in()
    assert not before.logged_in()
    assert not other.logged_in()
    assert inside.visitor().login(user.name, user.password).status_code == 401
    new = inside.visitor().login(user.name, "Vierzehn alte Birken rauschen")
    assert new.status_code == 303


@pytest.mark.contract("SES-7")
@pytest.mark.parametrize(("agent", "name"), AGENTS.items(), ids=AGENTS.values())
def test_sessions_are_listed_as_people_know_them(inside: Inside, agent: str, name: str) -> None:
    user, address = inside.add_user(), new_address()
    browser = inside.visitor(address)
    browser.agent = agent
    assert browser.login(user.name, user.password).status_code == 303
    other = inside.login(user)
    for who in (browser, other):
        rows = re.findall(r"<li>\s*<div>(.*?)</div>", who.get("/account").text, re.DOTALL)
        (row,) = [each for each in rows if address in each]
        assert f"<strong>{name}</strong>" in row
        assert (f"{address}, now<br>" in row) is (who is browser)
        assert row.count("<time ") == (1 if who is browser else 2)


@pytest.mark.contract("SES-5")
def test_idle_timeout(make: Make) -> None:
    inside = make()
    idle = inside.policy.sessions.idle_timeout
    browser = inside.member()
    inside.clock.advance(idle - 1)
    assert browser.logged_in()
    inside.clock.advance(idle - 1)
    assert browser.logged_in()
    inside.clock.advance(idle)
    assert not browser.logged_in()


@pytest.mark.contract("SES-5")
def test_absolute_timeout(make: Make) -> None:
    inside = make()
    times = inside.policy.sessions
    browser = inside.member()
    start = inside.clock.now
    while inside.clock.now + times.idle_timeout / 2 < start + times.absolute_timeout:
        inside.clock.advance(times.idle_timeout / 2)
        assert browser.logged_in()
    inside.clock.now = start + times.absolute_timeout
    assert not browser.logged_in()


@pytest.mark.contract("SES-5")
def test_timeouts_go_on_over_workers_and_restarts(make: Make) -> None:
    first = make()
    idle = first.policy.sessions.idle_timeout
    browser = first.member()
    first.clock.advance(idle - 1)
    browser.service = make(first)
    assert browser.logged_in()
    first.clock.advance(idle - 1)
    browser.service = first
    assert browser.logged_in()
    first.clock.advance(idle)
    browser.service = make(first)
    assert not browser.logged_in()


@pytest.mark.contract("SES-5")
def test_reading_writes_at_most_once_a_minute(make: Make) -> None:
    inside = make()
    browser = inside.member()
    with closing(sqlite3.connect(inside.files.store)) as store:

        def version() -> int:
            """Return a number that changes with every commit of another connection."""
            return int(store.execute("PRAGMA data_version").fetchone()[0])

        browser.get("/account")
        before = version()
        for _ in range(5):
            inside.clock.advance(inside.policy.sessions.touch_interval / 6)
            assert browser.get("/account").status_code == 200
            assert "Log out" in browser.get("/").text
        assert version() == before
        inside.clock.advance(inside.policy.sessions.touch_interval)
        assert browser.logged_in()
        assert version() != before


@pytest.mark.contract("SES-6")
def test_logout_is_a_post(service: Service, member: Browser) -> None:
    expect.error(member.get("/logout"), 405)
    assert member.logged_in()


@pytest.mark.contract("SES-6")
def test_logout_clears_what_the_browser_kept(inside: Inside) -> None:
    answer = inside.member().post("/logout")
    kinds = expect.once(answer, "clear-site-data").split(", ")
    assert {'"cache"', '"storage"'} <= set(kinds)
    cookies = set_cookies(answer)
    assert "Max-Age=0" in cookies[SESSION]
    # Without it the owner could be locked out of the account after logging out.
    assert DEVICE not in cookies
    expect.headers(answer)


@pytest.mark.contract("SES-7")
def test_account_lists_sessions_and_ends_one(inside: Inside) -> None:
    user = inside.add_user()
    browser = inside.login(user)
    phone = inside.visitor()
    phone.agent = "Phone of <b>Evangeline</b>"
    assert phone.login(user.name, user.password).status_code == 303
    tablet = inside.login(user)
    page = browser.get("/account").text
    assert "<strong>Phone</strong>" in page
    assert "Evangeline" not in page
    assert len(browser.sessions()) == 2
    (handle,) = set(browser.sessions()) & set(tablet.sessions())
    answer = browser.post("/account/sessions/end", session=handle)
    assert answer.status_code == 303
    assert not phone.logged_in()
    assert tablet.logged_in()
    assert browser.logged_in()
    assert len(browser.sessions()) == 1


@pytest.mark.contract("SES-7")
def test_account_ends_all_others(inside: Inside) -> None:
    user = inside.add_user()
    browser, *others = (inside.login(user) for _ in range(3))
    stranger = inside.member()
    assert browser.post("/account/sessions/end-others").status_code == 303
    assert browser.logged_in()
    assert not any(other.logged_in() for other in others)
    assert browser.sessions() == []
    assert stranger.logged_in()


@pytest.mark.contract("SES-7")
def test_sessions_of_others_cannot_be_ended(inside: Inside) -> None:
    user = inside.add_user()
    first, second = inside.login(user), inside.login(user)
    (handle,) = first.sessions()
    assert handle not in second.session
    stranger = inside.member()
    for value in (handle, "", "0" * len(handle), "%", "\u00e9"):
        answer = stranger.post("/account/sessions/end", session=value)
        assert answer.status_code in {303, 404, 422}
    assert second.logged_in()
    assert first.logged_in()


@pytest.mark.contract("SES-7")
def test_command_line_ends_the_sessions_of_a_user(inside: Inside) -> None:
    user = inside.add_user()
    browsers = [inside.login(user) for _ in range(2)]
    stranger = inside.member()
    result = inside.cli("sessions", "revoke", user.name)
    assert result.exit_code == 0, result.output
    assert not any(browser.logged_in() for browser in browsers)
    assert stranger.logged_in()
    assert inside.cli("sessions", "revoke", "nobody-of-that-name").exit_code != 0


@pytest.mark.contract("SES-8")
def test_cookies_stay_within_what_browsers_keep(inside: Inside) -> None:
    user = inside.add_user()
    answer = inside.visitor().login(user.name, user.password)
    assert sum(map(len, answer.headers.get_list("set-cookie"))) <= 4093


@pytest.mark.contract("SES-8")
def test_cookie_that_is_too_large_is_an_error_and_not_cut(make: Make) -> None:
    inside = make(exceptions={"cookies.max-bytes": 120})
    user = inside.add_user()
    browser = inside.visitor()
    expect.error(browser.login(user.name, user.password), 500)
    assert not browser.cookies


@pytest.mark.contract("SES-9")
def test_no_cookie_for_a_visitor(service: Service) -> None:
    visitor = service.visitor()
    for target in (
        "/",
        "/login",
        "/account",
        *EXAMPLE,
        "/unknown",
        "/healthz",
        "/go",
    ):
        assert "set-cookie" not in visitor.get(target).headers


@pytest.mark.contract("SES-9")
@pytest.mark.contract("SES-3")
@pytest.mark.parametrize("value", FORGERIES.values(), ids=FORGERIES.keys())
def test_forged_cookie_is_no_session(service: Service, value: str | bytes) -> None:
    home, login, *private = with_cookie(service, value)
    assert home.status_code == login.status_code == 200
    assert "Log out" not in home.text
    for answer in (home, login, *private):
        expect.headers(answer)
        assert SESSION not in set_cookies(answer) or "Max-Age=0" in set_cookies(answer)[SESSION]
    for answer in private:
        assert answer.status_code == 303


@pytest.mark.contract("SES-9")
@pytest.mark.parametrize("position", [0, 5, 20, -1])
def test_changed_cookie_is_no_session(inside: Inside, member: Browser, position: int) -> None:
    value = list(member.session)
    # The last letter of base64 may hold bits that mean nothing: change one that counts.
    value[position - (position < 0)] = "A" if value[position - (position < 0)] != "A" else "B"
    for answer in with_cookie(inside, "".join(value))[2:]:
        assert answer.status_code == 303


@pytest.mark.contract("SES-9")
@pytest.mark.parametrize("length", [1, 10, 42])
def test_truncated_cookie_is_no_session(inside: Inside, member: Browser, length: int) -> None:
    for answer in with_cookie(inside, member.session[:length])[2:]:
        assert answer.status_code == 303


@pytest.mark.contract("SES-9")
def test_cookie_sent_twice_is_no_session(inside: Inside) -> None:
    mine, planted = inside.member().session, inside.member().session
    for answer in with_cookie(inside, f"{planted}; {SESSION}={mine}")[2:]:
        assert answer.status_code == 303


@pytest.mark.contract("SES-9")
@pytest.mark.contract("SES-6")
def test_cookies_replayed_after_their_end_are_no_session(make: Make) -> None:
    inside = make()
    left, expired = inside.member(), inside.member()
    values = [left.session]
    left.post("/logout")
    inside.clock.advance(inside.policy.sessions.idle_timeout)
    values.append(expired.session)
    for value in values:
        home, login, *private = with_cookie(inside, value)
        assert home.status_code == login.status_code == 200
        assert all(answer.status_code == 303 for answer in private)


@pytest.mark.contract("SES-5")
@pytest.mark.contract("SES-6")
@pytest.mark.servers
@pytest.mark.contract("SES-7")
def test_sessions_in_redis(make: Make, redis_url: str) -> None:
    inside = make(store_url=redis_url)
    user = inside.add_user()
    browser, other, stolen = (inside.login(user) for _ in range(3))
    left = stolen.copy()
    stolen.post("/logout")
    assert not left.logged_in()
    browser.service = make(inside, store_url=redis_url)
    assert len(browser.sessions()) == 1
    browser.post("/account/sessions/end-others")
    assert not other.logged_in()
    inside.clock.advance(inside.policy.sessions.idle_timeout - 1)
    assert browser.logged_in()
    inside.clock.advance(inside.policy.sessions.idle_timeout)
    assert not browser.logged_in()


@pytest.mark.contract("SES-5")
@pytest.mark.contract("SES-9")
def test_store_that_is_down_is_no_session_and_no_crash(make: Make) -> None:
    inside = make()
    browser = inside.member()
    browser.service = make(inside, store_url=f"redis://127.0.0.1:{services.free_port()}/0")
    assert browser.get("/").status_code == 200
    expect.error(browser.get("/account"), 503)
    expect.error(browser.api("GET", "/account"), 503)


@pytest.mark.contract("SES-1")
@pytest.mark.contract("SES-3")
def test_no_part_of_a_cookie_repeats(inside: Inside) -> None:
    user = inside.add_user()
    values = [inside.login(user).session for _ in range(8)]
    # An id of 256 bits as text; in an encrypted cookie, the GCM nonce and more.
    assert min(map(len, values)) >= 43
    assert all(len({value[at] for value in values}) > 1 for at in range(42))


@pytest.mark.contract("SES-2")
def test_cookies_keep_their_prefix_where_no_proxy_speaks_of_https(inside: Inside) -> None:
    user = inside.add_user()
    answer = inside.visitor().send(
        "POST",
        "/login",
        (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin")),
        urlencode({"username": user.name, "password": user.password}).encode(),
        scheme="http",
    )
    assert answer.status_code == 303
    lines = answer.headers.get_list("set-cookie")
    assert {line.partition("=")[0] for line in lines} == {SESSION, DEVICE}
    assert all("; Secure" in line for line in lines)


@pytest.mark.contract("SES-5")
def test_change_of_password_does_not_prolong_a_session(make: Make) -> None:
    inside = make(exceptions={"sessions.idle-timeout": 43200})
    user = inside.add_user()
    member = inside.login(user)
    inside.clock.advance(6 * 3600)
    answer = member.post(
        "/account/password", current_password=user.password, new_password=new_user().password
    )
    assert answer.status_code == 303
    inside.clock.advance(6 * 3600 - 1)
    assert member.logged_in()
    inside.clock.advance(1)
    assert not member.logged_in()


@pytest.mark.contract("SES-7")
def test_account_does_not_list_what_has_expired(make: Make) -> None:
    inside = make()
    step = inside.policy.sessions.idle_timeout * 0.6
    user = inside.add_user()
    inside.login(user)
    inside.clock.advance(step)
    member = inside.login(user)
    assert len(member.sessions()) == 1
    inside.clock.advance(step)
    assert not member.sessions()


@contextmanager
def during_the_next_check(meanwhile: Callable[[], object]) -> Iterator[None]:
    """Do something else once, right after the next password was compared with its hash."""
    real = PasswordHasher.verify
    pending = [meanwhile]

    def verify(self: PasswordHasher, *arguments: Any) -> Any:
        result = real(self, *arguments)
        if pending:
            pending.pop()()
        return result

    with mock.patch.object(PasswordHasher, "verify", verify):
        yield
    assert not pending


def change(browser: Browser, user: User, new: str) -> int:
    answer = browser.post("/account/password", current_password=user.password, new_password=new)
    return answer.status_code


@pytest.mark.contract("SES-10")
def test_login_with_the_old_password_during_its_change(inside: Inside) -> None:
    user = inside.add_user()
    owner, thief = inside.login(user), inside.visitor()
    with during_the_next_check(lambda: change(owner, user, "Ein neues Passwort 1")):
        thief.login(user.name, user.password)
    assert not thief.logged_in()
    assert owner.logged_in()


@pytest.mark.contract("SES-10")
@pytest.mark.parametrize("end", ["logout", "others", "revoke"])
def test_login_during_the_end_of_all_sessions(inside: Inside, end: str) -> None:
    user = inside.add_user()
    owner, late = inside.login(user), inside.visitor()
    ends = {
        "logout": lambda: owner.post("/logout"),
        "others": lambda: owner.post("/account/sessions/end-others"),
        "revoke": lambda: inside.cli("sessions", "revoke", user.name),
    }
    with during_the_next_check(ends[end]):
        late.login(user.name, user.password)
    # A logout ends one session, and says nothing of others.
    assert late.logged_in() == (end == "logout")


@pytest.mark.contract("SES-10")
@pytest.mark.parametrize("end", ["logout", "others", "revoke"])
def test_new_id_on_its_way_while_the_session_ends(inside: Inside, end: str) -> None:
    user = inside.add_user()
    browser, other = inside.login(user), inside.login(user)
    same = browser.copy()
    ends = {
        "logout": lambda: same.post("/logout"),
        "others": lambda: other.post("/account/sessions/end-others"),
        "revoke": lambda: inside.cli("sessions", "revoke", user.name),
    }
    with during_the_next_check(ends[end]):
        change(browser, user, "Ein neues Passwort 1")
    assert not browser.logged_in()
    assert not same.logged_in()


@pytest.mark.contract("SES-10")
def test_two_changes_of_password_at_once(inside: Inside) -> None:
    user = inside.add_user()
    first, second = inside.login(user), inside.login(user)
    with during_the_next_check(lambda: change(second, user, "Das zweite Passwort 2")):
        assert change(first, user, "Das erste Passwort 1") == 422
    assert inside.visitor().login(user.name, "Das erste Passwort 1").status_code == 401
    assert inside.visitor().login(user.name, "Das zweite Passwort 2").status_code == 303
