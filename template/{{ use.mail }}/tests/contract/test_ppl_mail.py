# Owned by the template: extend, do not edit.
"""A forgotten password, and a change of address, by links in mails (PPL-2, PPL-3)."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from . import expect
from .conftest import Make
from .driver import (
    HOST,
    ORIGIN,
    Browser,
    Inside,
    Service,
    User,
    counted,
    judged,
    new_address,
)
from .mails import Postbox, link_of, new_email, traced

NEXT = "Vierzehn alte Birken rauschen"
GONE = 410
ONWARD = {302, 303}
"""Django's own redirects are 302, which after a GET is the same."""
NASTY = [
    "",
    "nobody",
    "@example.com",
    "a@",
    "a@b@example.com",
    "a@example.com\r\nBcc: b@example.com",
    "a\n@example.com",
    "a@example.com\0",
    "Ada <a@example.com>",
    '"a b"@example.com',
    "a@[127.0.0.1]",
    "a@localhost",
    "a@exa mple.com",
    "a@example..com",
    ".a@example.com",
    "a@example.com, b@example.com",
    "a@xn--zzzzzz.com" + "\u202e",
    f"{'a' * 65}@example.com",
    f"a@{'b' * 64}.com",
    f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 10}.com",
    "a" * 1000,
    "%0d%0aBcc:b@example.com",
    "a@example.com?subject=x",
]
"""What is no address, or one that a mail must never go to."""


@pytest.fixture
def post(make: Make) -> Postbox:
    """A service of its own, with a clock, and its mails."""
    return Postbox(make())


def forgot(browser: Browser, address: str) -> httpx.Response:
    return browser.post("/forgot", email=address)


def asked(post: Postbox, address: str) -> str:
    """Ask for a link, and return its path."""
    assert forgot(post.service.visitor(), address).status_code == 200
    return link_of(post.to(address))


def opened(service: Service, link: str) -> Browser:
    """Open a link in a new browser, as a person does."""
    browser = service.visitor()
    answer = browser.get(link)
    assert answer.status_code in ONWARD
    assert answer.headers["location"] == f"/{link.split('/')[1]}"
    return browser


def used(browser: Browser, password: str = NEXT) -> httpx.Response:
    return browser.post("/reset", new_password=password)


def is_dead(post: Postbox, link: str) -> bool:
    """Tell whether a link is good no more, in the form and when the form is sent."""
    browser = opened(post.service, link)
    codes = {browser.get("/reset").status_code, used(browser).status_code}
    assert codes <= {GONE} or GONE not in codes
    return codes == {GONE}


# A forgotten password ---------------------------------------------------------------------------


@pytest.mark.contract("PPL-2")
def test_a_link_gives_a_new_password(post: Postbox) -> None:
    user, address = post.add_user()
    link = asked(post, address)
    browser = opened(post.service, link)
    assert browser.get("/reset").status_code == 200
    answer = used(browser)
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/login")
    assert post.service.visitor().login(user.name, user.password).status_code == 401
    assert post.service.login(User(user.name, NEXT)).logged_in()


@pytest.mark.contract("PPL-2")
def test_a_link_works_once(post: Postbox) -> None:
    _, address = post.add_user()
    link = asked(post, address)
    browser = opened(post.service, link)
    again = browser.copy()
    assert used(browser).status_code == 303
    assert used(browser).status_code == GONE
    assert used(again, "Siebzehn junge Buchen schweigen").status_code == GONE
    assert is_dead(post, link)


@pytest.mark.contract("PPL-2")
def test_of_two_at_once_one_is_right(post: Postbox) -> None:
    user, address = post.add_user()
    link = asked(post, address)
    browsers = [opened(post.service, link) for _ in range(6)]
    passwords = [f"{NEXT} {number}" for number in range(len(browsers))]
    ready = threading.Barrier(len(browsers))

    def use(browser: Browser, password: str) -> int:
        ready.wait()
        return used(browser, password).status_code

    with ThreadPoolExecutor(len(browsers)) as pool:
        codes = [*pool.map(use, browsers, passwords)]
    assert sorted(codes) == [303] + [GONE] * (len(browsers) - 1)
    right = passwords[codes.index(303)]
    assert post.service.login(User(user.name, right)).logged_in()


@pytest.mark.contract("PPL-2")
def test_a_link_lasts_for_twenty_minutes(post: Postbox) -> None:
    _, address = post.add_user()
    lifetime = post.service.policy.accounts.reset_link_lifetime
    assert lifetime <= 1200
    link, later = asked(post, address), opened(post.service, asked(post, address))
    for part in (lifetime / 2, lifetime / 2 - 1):
        post.service.clock.advance(part)
        assert later.get("/reset").status_code == 200
    post.service.clock.advance(1)
    assert later.get("/reset").status_code == GONE
    assert used(later).status_code == GONE
    assert is_dead(post, link)


@pytest.mark.contract("PPL-2")
def test_all_sessions_end(post: Postbox) -> None:
    user, address = post.add_user()
    browsers = [post.service.login(user), post.service.login(user)]
    other = post.service.member()
    link = asked(post, address)
    # Also the one that is used for it.
    assert browsers[0].get(link).status_code in ONWARD
    assert used(browsers[0]).status_code == 303
    assert not any(browser.logged_in() for browser in browsers)
    assert other.logged_in()


@pytest.mark.contract("PPL-2")
def test_other_links_end(post: Postbox) -> None:
    _, address = post.add_user()
    links = [asked(post, address) for _ in range(3)]
    held = opened(post.service, links[0])
    assert used(opened(post.service, links[1])).status_code == 303
    assert used(held).status_code == GONE
    assert all(is_dead(post, link) for link in links)


@pytest.mark.contract("PPL-2")
@pytest.mark.parametrize("how", ["by the user", "by an operator", "disabled"])
def test_a_link_is_dead_after_a_change(post: Postbox, how: str) -> None:
    user, address = post.add_user()
    link = asked(post, address)
    if how == "by the user":
        member = post.service.login(user)
        fields = {"current_password": user.password, "new_password": "Elf graue Erlen knarren"}
        assert member.post("/account/password", **fields).status_code == 303
    elif how == "by an operator":
        typed = "Elf graue Erlen knarren\n"
        assert post.service.cli("user", "password", user.name, typed=typed).exit_code == 0
    else:
        assert post.service.cli("user", "disable", user.name).exit_code == 0
    assert used(opened(post.service, link)).status_code == GONE


@pytest.mark.contract("PPL-2")
def test_the_database_has_no_token(post: Postbox) -> None:
    _, address = post.add_user()
    token = asked(post, address).rpartition("/")[2]
    assert len(token) >= 43, "256 bits"
    assert token != asked(post, address).rpartition("/")[2]
    opened(post.service, f"/reset/{token}")
    for file in (post.service.files.database, post.service.files.store):
        with closing(sqlite3.connect(file)) as database:
            assert token not in "\n".join(database.iterdump())


@pytest.mark.contract("PPL-2")
def test_a_token_stands_in_no_log_and_no_address(
    post: Postbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    _, address = post.add_user()
    link = asked(post, address)
    browser = post.service.visitor()
    answer = browser.get(link)
    assert expect.once(answer, "referrer-policy") == "no-referrer"
    assert "no-store" in expect.once(answer, "cache-control")
    page = browser.get("/reset")
    token = link.rpartition("/")[2]
    assert token not in page.text
    assert token not in str(page.headers)
    assert used(browser, "short").status_code == 422
    assert used(browser).status_code == 303
    browser.get(f"/reset/{token}x")
    browser.post(link)
    out = capfd.readouterr()
    assert token not in out.out + out.err + caplog.text
    assert NEXT not in out.out + out.err + caplog.text


@pytest.mark.contract("PPL-2")
def test_looking_uses_nothing_up(post: Postbox) -> None:
    """Mail scanners and previews open links, some with HEAD."""
    _, address = post.add_user()
    link = asked(post, address)
    for method in ("GET", "HEAD", "GET"):
        scanner = post.service.visitor()
        scanner.send(method, link, [("Purpose", "prefetch")])
        scanner.get("/reset")
    assert post.service.visitor().post(link).status_code in {403, 404, 405}
    assert used(opened(post.service, link)).status_code == 303


@pytest.mark.contract("PPL-2")
def test_the_host_is_the_services_own(post: Postbox) -> None:
    _, address = post.add_user()
    visitor = post.service.visitor()
    headers = [("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example")]
    for header in [*headers, ("Host", f"{HOST}:444"), ("Referer", "https://evil.example/")]:
        visitor.post("/forgot", [header], email=address)
    for mail in post.run():
        assert f"{ORIGIN}/reset/" in mail.get_content()
        assert "evil.example" not in mail.as_string()


@pytest.mark.contract("PPL-2")
def test_unknown_addresses_get_the_same_answer(post: Postbox) -> None:
    _, known = post.add_user()
    disabled, address = post.add_user()
    assert post.service.cli("user", "disable", disabled.name).exit_code == 0

    def answer(to: str) -> tuple[int, list[str], str]:
        found = forgot(post.service.visitor(), to)
        nonce = re.compile(r'nonce="[^"]*"|' + re.escape(to))
        return found.status_code, sorted(found.headers), nonce.sub("", found.text)

    with counted() as verified:
        answers = [answer(to) for to in (known, address, new_email())]
    assert answers[0] == answers[1] == answers[2]
    assert verified.number == 0
    assert post.rows("mail_message") == 3
    assert [mail["To"] for mail in post.run()] == [known]
    assert post.rows("mail_message") == 0


@pytest.mark.contract("PPL-2")
def test_unknown_addresses_are_the_same_work(make: Make) -> None:
    """Statement by statement: the time of an answer would tell who has an account."""
    with traced() as statements:
        post = Postbox(make())
        _, known = post.add_user()
        work = []
        for address in (new_email(), known, new_email(), known):
            visitor = post.service.visitor()
            statements.clear()
            assert forgot(visitor, address).status_code == 200
            work.append([*statements])
    assert any("mail_message" in each for each in work[0])
    # The first one finds caches empty.
    assert work[1] == work[2] == work[3]


@pytest.mark.contract("PPL-2")
def test_no_mail_is_written_beside_the_request(post: Postbox) -> None:
    """Its time would tell whether there was anybody to write to."""
    _, address = post.add_user()
    assert forgot(post.service.visitor(), address).status_code == 200
    assert post.run(at_once=True) == []
    assert post.run() == post.sent
    assert len(post.sent) == 1


@pytest.mark.contract("PPL-2")
def test_a_mail_goes_where_the_database_says(post: Postbox) -> None:
    """Not where somebody typed it: upper and lower case meet in strange places."""
    _, address = post.add_user("mike.kelvin@example.com")
    for typed in (
        "MIKE.KELVIN@EXAMPLE.COM",
        "mike.\u212aelvin@example.com",
        "Mike.Kelvin@Example.com",
    ):
        forgot(post.service.visitor(), typed)
    assert {mail["To"] for mail in post.run()} == {address}


@pytest.mark.contract("PPL-2")
def test_a_page_does_not_wait_for_mail(post: Postbox) -> None:
    _, address = post.add_user()
    post.away = True
    assert forgot(post.service.visitor(), address).status_code == 200
    assert post.run() == []
    assert post.rows("mail_message") == 1
    post.away = False
    # Not at once: a server that is away is not asked all the time.
    assert post.run() == []
    post.service.clock.advance(60)
    (mail,) = post.run()
    assert used(opened(post.service, link_of(mail))).status_code == 303


@pytest.mark.contract("PPL-2")
def test_a_queue_survives_a_restart(post: Postbox, make: Make) -> None:
    _, address = post.add_user()
    assert forgot(post.service.visitor(), address).status_code == 200
    again = Postbox(make(like=post.service))
    assert [mail["To"] for mail in again.run()] == [address]
    assert post.run() == []


@pytest.mark.contract("PPL-2")
def test_a_mail_is_sent_by_one_only(post: Postbox, make: Make) -> None:
    _, address = post.add_user()
    other = Postbox(make(like=post.service))
    forgot(post.service.visitor(), address)
    post.during = lambda: other.sent.extend(other.run())
    assert len(post.run()) == 1
    assert other.sent == []


@pytest.mark.contract("PPL-2")
def test_who_dies_before_the_last_byte_is_followed(post: Postbox, make: Make) -> None:
    _, address = post.add_user()
    forgot(post.service.visitor(), address)

    def die() -> None:
        raise KeyboardInterrupt

    post.during = die
    with pytest.raises(KeyboardInterrupt):
        post.run()
    other = Postbox(make(like=post.service))
    assert other.run() == []
    post.service.clock.advance(601)
    (mail,) = other.run()
    assert mail["To"] == address


@pytest.mark.contract("PPL-2")
def test_a_mail_that_nobody_takes_is_given_up(
    post: Postbox, capfd: pytest.CaptureFixture[str]
) -> None:
    _, address = post.add_user()
    forgot(post.service.visitor(), address)
    post.away = True
    days = post.service.policy.accounts.mail_give_up_after // 3600 + 2
    for _ in range(days):
        post.run()
        post.service.clock.advance(3600)
    assert post.rows("mail_message") == 0
    err = capfd.readouterr().err
    assert err.count("mail_given_up") == 1
    assert "mail_delayed" in err
    assert address not in err


@pytest.mark.contract("PPL-2")
def test_bad_passwords_do_not_use_the_link_up(post: Postbox) -> None:
    user, address = post.add_user()
    browser = opened(post.service, asked(post, address))
    for bad in ("short", f"{user.name} {user.name}", "password1234", "x" * 999):
        assert used(browser, bad).status_code == 422
    assert used(browser, "").status_code == 422
    assert used(browser).status_code == 303


@pytest.mark.contract("PPL-2")
def test_who_was_locked_out_comes_in(post: Postbox) -> None:
    user, address = post.add_user()
    browser = post.service.visitor()
    for _ in range(post.service.policy.throttle.pair.limit):
        assert browser.login(user.name, "certainly wrong").status_code == 401
    assert browser.login(user.name, user.password).status_code == 429
    assert browser.get(asked(post, address)).status_code in ONWARD
    assert used(browser).status_code == 303
    assert browser.login(user.name, NEXT).status_code == 303


# Guesses and floods -----------------------------------------------------------------------------


@pytest.mark.contract("PPL-2")
def test_guesses_of_links_count_like_passwords(post: Postbox) -> None:
    _, address = post.add_user()
    link = asked(post, address)
    browser = post.service.visitor()
    rule = post.service.policy.throttle.pair
    for number in range(rule.limit):
        # Never the right one: the last letter alone is an A in one of sixteen.
        guess = f"{link[:-8]}{number:08}"
        assert browser.get(guess).status_code in ONWARD
        assert browser.get("/reset").status_code == GONE
    blocked = browser.get(link)
    expect.error(blocked, 429)
    assert int(expect.once(blocked, "retry-after")) == rule.block
    # From elsewhere it still works: nobody can take a link away from its owner.
    assert used(opened(post.service, link)).status_code == 303


@pytest.mark.contract("PPL-2")
def test_guesses_and_wrong_passwords_count_together(make: Make) -> None:
    limits = {"throttle.address.limit": 4}
    service = make(exceptions=limits)
    browser = service.visitor()
    for _ in range(4):
        browser.get("/reset/nothing")
    user = service.add_user()
    assert browser.login(user.name, user.password).status_code == 429
    assert service.login(user).logged_in()


@pytest.mark.contract("PPL-2")
def test_a_good_or_old_link_is_no_guess(post: Postbox) -> None:
    _, address = post.add_user()
    link = asked(post, address)
    browser = post.service.visitor()
    for _ in range(2 * post.service.policy.throttle.pair.limit):
        assert browser.get(link).status_code in ONWARD
    post.service.clock.advance(post.service.policy.accounts.reset_link_lifetime)
    for _ in range(2 * post.service.policy.throttle.pair.limit):
        assert browser.get(link).status_code in ONWARD


@pytest.mark.contract("PPL-2")
def test_a_used_link_is_no_guess(post: Postbox) -> None:
    """People open it again, and so does what scans their mails, for a whole office."""
    user, address = post.add_user()
    links = [asked(post, address) for _ in range(2)]
    office = opened(post.service, links[0])
    assert used(office).status_code == 303
    tries = post.service.policy.throttle.pair.limit + 1
    for link in links * tries:
        assert office.get(link).status_code in ONWARD
        assert office.get("/reset").status_code == GONE
        assert used(office, user.password).status_code == GONE
    member, new = post.service.login(User(user.name, NEXT)), new_email()
    assert change(member, User(user.name, NEXT), new).status_code == 200
    link = link_of(post.to(new))
    office.get(link)
    assert confirmed(office).status_code == 303
    for _ in range(tries):
        assert office.get(link).status_code in ONWARD
        assert confirmed(office).status_code == GONE
    _, other = post.add_user()
    assert office.get(asked(post, other)).status_code in ONWARD
    assert used(office).status_code == 303


@pytest.mark.contract("PPL-2")
def test_what_a_used_link_knew_is_gone(post: Postbox) -> None:
    _, address = post.add_user()
    links = [asked(post, address) for _ in range(2)]
    assert used(opened(post.service, links[0])).status_code == 303
    with closing(sqlite3.connect(post.service.files.database)) as database:
        rows = database.execute("SELECT address, mark, data FROM mail_link").fetchall()
    assert rows == [("", "", "{}")] * 2


@pytest.mark.contract("PPL-2")
@pytest.mark.contract("THR-3")
def test_who_was_locked_out_from_everywhere_comes_in(make: Make) -> None:
    """By the browser that set the new password; others stay where they are."""
    post = Postbox(make(exceptions={"throttle.account.limit": 8}))
    user, address = post.add_user()
    for _ in range(post.service.policy.throttle.account.limit):
        assert post.service.visitor().login(user.name, "certainly wrong").status_code == 401
    browser = opened(post.service, asked(post, address))
    assert browser.login(user.name, user.password).status_code == 429
    assert used(browser).status_code == 303
    assert post.service.visitor(browser.address).login(user.name, NEXT).status_code == 429
    assert browser.login(user.name, NEXT).status_code == 303


@pytest.mark.contract("PPL-2")
@pytest.mark.contract("THR-8")
def test_who_has_a_link_does_not_keep_the_others_from_their_logins(make: Make) -> None:
    post = Postbox(make(exceptions={"throttle.address.limit": 4}))
    _, address = post.add_user()
    browser = opened(post.service, asked(post, address))
    with judged() as estimates:
        codes = [used(browser, "password1234").status_code for _ in range(6)]
    assert codes == [422] * 4 + [429] * 2
    assert estimates.number == 4
    # The link is as good as before, elsewhere.
    browser.address = new_address()
    assert used(browser).status_code == 303


@pytest.mark.contract("PPL-2")
def test_nobody_is_flooded_with_mails_and_nobody_is_told(post: Postbox) -> None:
    _, address = post.add_user()
    limit = post.service.policy.throttle.pair.limit
    answers = [forgot(post.service.visitor(), address) for _ in range(limit + 3)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({len(answer.content) for answer in answers}) == 1
    assert len(post.run()) == limit


@pytest.mark.contract("PPL-2")
def test_nobody_floods_others_with_mails(make: Make) -> None:
    post = Postbox(make(exceptions={"throttle.address.limit": 6}))
    browser = post.service.visitor()
    addresses = [post.add_user()[1] for _ in range(8)]
    assert {forgot(browser, address).status_code for address in addresses} == {200}
    assert len(post.run()) == 6


@pytest.mark.contract("PPL-2")
@pytest.mark.parametrize(
    "token",
    ["x", "x" * 3000, "..%2f..%2fetc", "%00", "%F0%9F%92%A9", "' OR 1=1 --".replace(" ", "%20")],
    ids=["short", "oversized", "path", "nul", "unicode", "sql"],
)
def test_what_is_no_token_is_no_link(post: Postbox, token: str) -> None:
    browser = post.service.visitor()
    answer = browser.get(f"/reset/{token}")
    assert answer.status_code in {*ONWARD, 400, 404, 414}
    assert browser.get("/reset").status_code == GONE
    assert not browser.session


@pytest.mark.contract("PPL-2")
def test_an_altered_link_is_none(post: Postbox) -> None:
    _, address = post.add_user()
    link = asked(post, address)
    for altered in (link[:-1], link + "A", link.swapcase(), link.replace("/reset/", "/confirm/")):
        browser = post.service.visitor()
        browser.get(altered)
        assert browser.get("/reset").status_code == GONE
        assert browser.get("/confirm").status_code == GONE


@pytest.mark.contract("PPL-2")
@pytest.mark.parametrize("address", NASTY)
def test_what_is_no_address_is_refused(post: Postbox, address: str) -> None:
    answer = forgot(post.service.visitor(), address)
    assert answer.status_code in {400, 422}
    assert post.rows("mail_message") == 0


@pytest.mark.contract("PPL-2")
@pytest.mark.parametrize(
    "address",
    [
        "o'hara+tag@example.com",
        "\u7528\u6237@example.com",
        "a@b\u00fccher.example",
        "a@xn--bcher-kva.example",
    ],
)
def test_addresses_of_the_world_are_taken(post: Postbox, address: str) -> None:
    stored = address.replace("b\u00fccher", "xn--bcher-kva")
    post.add_user(stored)
    assert forgot(post.service.visitor(), address).status_code == 200
    (mail,) = post.run()
    assert stored in str(mail["To"])
    mail.as_bytes()


@pytest.mark.contract("PPL-2")
def test_a_field_twice_or_unknown_is_refused(post: Postbox) -> None:
    visitor = post.service.visitor()
    form = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Sec-Fetch-Site", "same-origin"),
    ]
    twice = visitor.send("POST", "/forgot", form, b"email=a@example.com&email=b@example.com")
    assert twice.status_code in {400, 422}
    assert visitor.post("/forgot", email="a@example.com", more="x").status_code == 422
    assert visitor.post("/forgot").status_code == 422


@pytest.mark.contract("PPL-2")
def test_another_site_cannot_use_a_link(post: Postbox) -> None:
    _, address = post.add_user()
    browser = opened(post.service, asked(post, address))
    cross = [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")]
    form = [("Content-Type", "application/x-www-form-urlencoded"), *cross]
    assert browser.send("POST", "/reset", form, b"new_password=x").status_code == 403


# A change of address ----------------------------------------------------------------------------


def change(browser: Browser, user: User, address: str) -> httpx.Response:
    return browser.post("/account/email", current_password=user.password, email=address)


def confirmed(browser: Browser) -> httpx.Response:
    return browser.post("/confirm")


@pytest.mark.contract("PPL-3")
def test_a_new_address_is_confirmed_by_mail(post: Postbox) -> None:
    user, old = post.add_user()
    member, new = post.service.login(user), new_email()
    pending = asked(post, old)
    assert change(member, user, new.upper()).status_code == 200
    (mail,) = post.run()
    assert mail["To"] == new
    assert old in member.get("/account/email").text
    browser = opened(post.service, link_of(mail))
    assert new in browser.get("/confirm").text
    assert confirmed(browser).status_code == 303
    assert new in member.get("/account/email").text
    (notice,) = post.run()
    assert notice["To"] == old
    assert new not in notice.get_content()
    assert is_dead(post, pending)
    assert confirmed(browser).status_code == GONE
    forgot(post.service.visitor(), old)
    assert post.run() == []
    asked(post, new)


@pytest.mark.contract("PPL-3")
def test_a_new_address_needs_the_password(post: Postbox) -> None:
    user, _ = post.add_user()
    member = post.service.login(user)
    wrong = User(user.name, "certainly wrong")
    without_device = post.service.visitor()
    without_device.cookies = {k: v for k, v in member.cookies.items() if "session" in k}
    for _ in range(post.service.policy.throttle.pair.limit):
        assert change(without_device, wrong, new_email()).status_code == 422
    expect.error(change(without_device, user, new_email()), 429)
    assert post.run() == []
    assert post.service.visitor().post("/account/email").status_code == 303


@pytest.mark.contract("PPL-3")
@pytest.mark.parametrize("sent", [True, False], ids=["sent before", "sent after"])
@pytest.mark.parametrize("how", ["by the user", "by an operator", "disabled"])
def test_who_knew_the_old_password_gets_no_address(post: Postbox, how: str, sent: bool) -> None:
    user, old = post.add_user()
    new = new_email()
    member = post.service.login(user)
    assert change(member, user, new).status_code == 200
    mails = post.run() if sent else []
    member = post.service.login(user)
    if how == "by the user":
        fields = {"current_password": user.password, "new_password": NEXT}
        assert member.post("/account/password", **fields).status_code == 303
    elif how == "by an operator":
        typed = f"{NEXT}\n"
        assert post.service.cli("user", "password", user.name, typed=typed).exit_code == 0
    else:
        assert post.service.cli("user", "disable", user.name).exit_code == 0
    mails += post.run()
    mails = [mail for mail in mails if mail["To"] != old]
    assert [mail["To"] for mail in mails] == [new] * sent
    for mail in mails:
        assert confirmed(opened(post.service, link_of(mail))).status_code == GONE
    assert post.service.cli("user", "enable", user.name).exit_code == 0
    people = json.loads(post.service.cli("user", "list", "--json").stdout)
    assert [each["email"] for each in people if each["name"] == user.name] == [old]


@pytest.mark.contract("PPL-3")
def test_an_address_of_somebody_else_is_not_told(post: Postbox) -> None:
    user, _ = post.add_user()
    _, taken = post.add_user()
    member = post.service.login(user)
    answers = [change(member, user, to) for to in (taken, new_email())]
    assert {answer.status_code for answer in answers} == {200}
    assert "/confirm/" not in post.to(taken).get_content()
    assert len(post.sent) == 2


@pytest.mark.contract("PPL-3")
def test_an_address_taken_meanwhile_stays_theirs(post: Postbox) -> None:
    user, old = post.add_user()
    new = new_email()
    member = post.service.login(user)
    change(member, user, new)
    browser = opened(post.service, link_of(post.to(new)))
    post.add_user(new)
    assert confirmed(browser).status_code == GONE
    assert old in member.get("/account/email").text


@pytest.mark.contract("PPL-3")
def test_of_two_changes_the_later_one_is_void(post: Postbox) -> None:
    """The second link was for somebody whose address was still the old one."""
    user, _ = post.add_user()
    member = post.service.login(user)
    first, second = new_email(), new_email()
    change(member, user, first)
    change(member, user, second)
    post.run()
    browsers = [opened(post.service, link_of(post.to(to))) for to in (first, second)]
    assert confirmed(browsers[0]).status_code == 303
    assert confirmed(browsers[1]).status_code == GONE


@pytest.mark.contract("PPL-3")
@pytest.mark.parametrize("address", NASTY)
def test_no_user_gets_an_address_that_is_none(inside: Inside, address: str) -> None:
    user = inside.add_user()
    assert change(inside.login(user), user, address).status_code in {400, 422}
