# Owned by the template: extend, do not edit.
"""Sign-up is confirmed by mail, and tells nobody who is there already (PPL-3)."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import httpx
import pytest
from argon2 import PasswordHasher

from . import expect
from .conftest import Make
from .driver import Browser, Inside, User, counted, judged, new_user
from .mails import Postbox, link_of, new_email, traced

GONE = 410


@pytest.fixture
def post(make: Make) -> Postbox:
    """A service of its own, with a clock, and its mails."""
    return Postbox(make())


def sign_up(browser: Browser, user: User, address: str) -> httpx.Response:
    return browser.post("/signup", email=address, username=user.name, password=user.password)


def opened(post: Postbox, address: str) -> Browser:
    """Open the newest link that an address got, in a new browser."""
    browser = post.service.visitor()
    assert browser.get(link_of(post.to(address))).status_code in {302, 303}
    return browser


@pytest.mark.contract("PPL-3")
def test_an_account_begins_with_its_address(post: Postbox) -> None:
    user, address = new_user(), new_email()
    visitor = post.service.visitor()
    assert sign_up(visitor, user, address).status_code == 200
    assert not visitor.session
    assert post.service.visitor().login(user.name, user.password).status_code == 401
    browser = opened(post, address)
    assert address in browser.get("/confirm").text
    assert post.service.visitor().login(user.name, user.password).status_code == 401
    answer = browser.post("/confirm")
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/login")
    member = post.service.login(user)
    assert address in member.get("/account/email").text
    assert browser.post("/confirm").status_code == GONE


@pytest.mark.contract("PPL-3")
def test_nothing_begins_without_a_confirmation(post: Postbox) -> None:
    user, address = new_user(), new_email()
    sign_up(post.service.visitor(), user, address)
    browser = opened(post, address)
    post.service.clock.advance(post.service.policy.accounts.confirm_link_lifetime)
    assert browser.get("/confirm").status_code == GONE
    assert browser.post("/confirm").status_code == GONE
    assert post.service.visitor().login(user.name, user.password).status_code == 401
    # The name was never anybody's.
    post.service.add_user(user.name)


@pytest.mark.contract("PPL-3")
def test_who_is_there_is_told_by_mail_alone(post: Postbox) -> None:
    known, address = post.add_user()
    taken, fresh = User(known.name.upper(), new_user().password), new_user()
    tries = [(fresh, address.upper()), (taken, new_email()), (new_user(), new_email())]

    def answer(user: User, to: str) -> tuple[int, list[str], str]:
        found = sign_up(post.service.visitor(), user, to)
        varying = re.compile(r'nonce="[^"]*"|' + re.escape(to))
        return found.status_code, sorted(found.headers), varying.sub("", found.text)

    with counted() as verified:
        answers = [answer(*each) for each in tries]
    assert answers[0] == answers[1] == answers[2]
    assert verified.number == 0
    texts = [post.to(to.lower()).get_content() for _, to in tries]
    assert ["/confirm/" in text for text in texts] == [False, False, True]
    assert known.name in texts[0]
    assert len(post.sent) == len(tries)
    assert post.service.login(known).logged_in()


@pytest.mark.contract("PPL-3")
def test_who_is_there_is_the_same_work(make: Make) -> None:
    """Statement by statement: the time of an answer would tell who has an account."""
    with traced() as statements:
        post = Postbox(make())
        known, address = post.add_user()
        tries = [
            (new_user(), new_email()),
            (new_user(), address),
            (User(known.name, new_user().password), new_email()),
            (new_user(), new_email()),
        ]
        work = []
        for user, to in tries:
            visitor = post.service.visitor()
            statements.clear()
            assert sign_up(visitor, user, to).status_code == 200
            work.append([*statements])
    assert any("mail_message" in each for each in work[0])
    # The first one finds caches empty.
    assert work[1] == work[2] == work[3]


@pytest.mark.contract("PPL-3")
@pytest.mark.parametrize("what", ["name", "address"])
def test_what_is_taken_meanwhile_stays_theirs(post: Postbox, what: str) -> None:
    user, address = new_user(), new_email()
    sign_up(post.service.visitor(), user, address)
    browser = opened(post, address)
    owner = post.service.add_user(user.name) if what == "name" else post.add_user(address)[0]
    assert browser.post("/confirm").status_code == GONE
    assert post.service.login(owner).logged_in()
    assert post.service.visitor().login(user.name, user.password).status_code == 401


@pytest.mark.contract("PPL-3")
def test_of_two_at_once_one_begins(post: Postbox) -> None:
    user, address = new_user(), new_email()
    sign_up(post.service.visitor(), user, address)
    link = link_of(post.to(address))
    browsers = [post.service.visitor() for _ in range(4)]
    for browser in browsers:
        assert browser.get(link).status_code in {302, 303}
    ready = threading.Barrier(len(browsers))

    def confirm(browser: Browser) -> int:
        ready.wait()
        return browser.post("/confirm").status_code

    with ThreadPoolExecutor(len(browsers)) as pool:
        codes = sorted(pool.map(confirm, browsers))
    assert codes == [303] + [GONE] * (len(browsers) - 1)


@pytest.mark.contract("PPL-3")
@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "short"),
        ("ada.lovelace", "ada.lovelace 1815"),
        ("ada", "password1234"),
        ("", "Vierzehn alte Birken rauschen"),
        (" ", "Vierzehn alte Birken rauschen"),
        ("a" * 101, "Vierzehn alte Birken rauschen"),
        ("a\nb", "Vierzehn alte Birken rauschen"),
        ("a\0b", "Vierzehn alte Birken rauschen"),
    ],
)
def test_what_will_not_do_is_said(inside: Inside, name: str, password: str) -> None:
    answer = sign_up(inside.visitor(), User(name, password), new_email())
    assert answer.status_code in {400, 422}
    assert password not in answer.text


@pytest.mark.contract("ACC-1")
@pytest.mark.parametrize("name", ["admin\u200b", "\u202eadmin", "ad  min", "\u2800", "ad\u034fmin"])
def test_no_name_looks_like_another(inside: Inside, name: str) -> None:
    answer = sign_up(inside.visitor(), User(name, new_user().password), new_email())
    assert answer.status_code == 422
    assert "visible characters" in answer.text


@pytest.mark.contract("PPL-3")
@pytest.mark.contract("THR-8")
def test_a_flood_of_sign_ups_does_not_keep_others_from_their_logins(make: Make) -> None:
    limit = 6
    inside = make(exceptions={"throttle.address.limit": limit})
    visitor = inside.visitor()
    hashing = mock.patch.object(
        PasswordHasher, "hash", autospec=True, side_effect=PasswordHasher.hash
    )
    with judged() as estimates, hashing as hashes:
        answers = [
            sign_up(visitor, User(new_user().name, password), new_email())
            for password in ["password1234", new_user().password] * limit
        ]
    assert [answer.status_code for answer in answers] == [422, 200] * (limit // 2) + [429] * limit
    assert (estimates.number, hashes.call_count) == (limit, limit // 2)
    assert int(expect.once(answers[-1], "retry-after")) > 0
    # Counted by itself: the owner of an account at the same address logs in.
    user = inside.add_user()
    assert visitor.login(user.name, user.password).status_code == 303
    assert sign_up(inside.visitor(), new_user(), new_email()).status_code == 200


@pytest.mark.contract("PPL-3")
@pytest.mark.parametrize(
    "address", ["", "nobody", "a@example.com\r\nBcc: b@example.com", "a" * 255]
)
def test_no_account_has_an_address_that_is_none(inside: Inside, address: str) -> None:
    assert sign_up(inside.visitor(), new_user(), address).status_code in {400, 422}


@pytest.mark.contract("PPL-3")
def test_nobody_is_flooded_with_mails_and_nobody_is_told(post: Postbox) -> None:
    address = new_email()
    limit = post.service.policy.throttle.pair.limit
    answers = [sign_up(post.service.visitor(), new_user(), address) for _ in range(limit + 2)]
    assert {answer.status_code for answer in answers} == {200}
    assert len(post.run()) == limit
