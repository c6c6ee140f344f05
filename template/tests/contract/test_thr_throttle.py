# Owned by the template: extend, do not edit.
"""Login throttle (guide: Prevent brute-force attacks; ASVS 6.3.1)."""

from __future__ import annotations

import html
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from unittest import mock

import httpx
import pytest
from argon2 import PasswordHasher

from . import expect, services
from .conftest import Make
from .driver import (
    DEVICE,
    KEY,
    Browser,
    Inside,
    Service,
    User,
    counted,
    judged,
    new_address,
    new_user,
)

WRONG = "certainly not the password"
NEXT = "Vierzehn alte Birken rauschen"
DAY = 86_400
WAIT_SECONDS = 20


def fail(browser: Browser, user: User, times: int = 1) -> None:
    """Guess wrong, and insist that each guess was looked at."""
    for _ in range(times):
        assert browser.login(user.name, WRONG).status_code == 401


def blocked(answer: httpx.Response) -> int:
    """Insist on the answer to a blocked attempt; return the seconds to wait."""
    expect.error(answer, 429)
    assert "set-cookie" not in answer.headers
    return int(expect.once(answer, "retry-after"))


def passes(browser: Browser, user: User) -> bool:
    return browser.login(user.name, user.password).status_code == 303


def without_device(browser: Browser) -> Browser:
    """Return another browser of the same address."""
    return browser.service.visitor(browser.address)


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.servers)])
def store_url(request: pytest.FixtureRequest) -> str:
    """Each kind of store; "" is a new file."""
    return str(request.getfixturevalue("redis_url")) if request.param == "redis" else ""


@pytest.fixture
def fresh(make: Make, store_url: str) -> Inside:
    """A service with a clock of its own."""
    return make(store_url=store_url)


@pytest.fixture
def strict(make: Make, store_url: str) -> Inside:
    """The same with lower limits, because each failure costs a hash."""
    limits = {"throttle.address.limit": 12, "throttle.account.limit": 12}
    return make(store_url=store_url, exceptions=limits)


@pytest.mark.contract("THR-1")
def test_five_failures_block_for_longer_and_longer(fresh: Inside) -> None:
    rule = fresh.policy.throttle.pair
    user = fresh.add_user()
    browser = fresh.visitor()
    block = rule.block
    while block <= rule.max_block:
        fail(browser, user, rule.limit)
        assert blocked(browser.login(user.name, WRONG)) == block
        fresh.clock.advance(block - 1)
        assert blocked(browser.login(user.name, user.password)) == 1
        fresh.clock.advance(1)
        if block == rule.max_block:
            break
        block = min(2 * block, rule.max_block)
    assert passes(browser, user)


@pytest.mark.contract("THR-1")
def test_limits_of_the_contract(inside: Inside) -> None:
    throttle = inside.policy.throttle
    assert throttle.pair.limit <= 5
    assert throttle.pair.block >= 900
    assert throttle.pair.max_block >= DAY
    assert throttle.address.limit <= 100
    assert throttle.address.window >= DAY
    assert throttle.account.limit <= 100
    assert throttle.account.window >= DAY


@pytest.mark.contract("THR-1")
def test_block_is_for_one_name_and_one_address(inside: Inside) -> None:
    user, other = inside.add_user(), inside.add_user()
    browser = inside.visitor()
    fail(browser, user, inside.policy.throttle.pair.limit)
    blocked(browser.login(user.name, user.password))
    assert passes(without_device(browser), other)
    assert passes(inside.visitor(), user)


@pytest.mark.contract("THR-1")
def test_success_clears(inside: Inside) -> None:
    user = inside.add_user()
    browser = inside.visitor()
    for _ in range(3):
        fail(browser, user, inside.policy.throttle.pair.limit - 1)
        # A known device would have a count of its own.
        assert passes(without_device(browser), user)


@pytest.mark.contract("THR-1")
@pytest.mark.parametrize(
    "spell",
    [str.upper, str.title, "  {} ".format, "\u3000{}".format],
    ids=["upper case", "title case", "spaces", "wide space"],
)
def test_other_spellings_of_a_name_count_as_one(
    inside: Inside, spell: Callable[[str], str]
) -> None:
    user = new_user()
    browser = inside.visitor()
    fail(browser, user, inside.policy.throttle.pair.limit - 1)
    fail(browser, User(spell(user.name), ""))
    blocked(browser.login(user.name, WRONG))
    blocked(browser.login(spell(user.name), user.password))


@pytest.mark.contract("THR-2")
@pytest.mark.parametrize("addresses", ["one", "IPv6 network"])
def test_failures_of_an_address_count_whatever_the_names(strict: Inside, addresses: str) -> None:
    rule = strict.policy.throttle.address
    user = strict.add_user()
    start = strict.clock.now
    one, network = new_address(), f"2001:db8:{secrets.token_hex(2)}"
    for number in range(rule.limit):
        fail(strict.visitor(one if addresses == "one" else f"{network}:1::{number:x}"), new_user())
        strict.clock.advance(1)
    last = strict.visitor(one if addresses == "one" else f"{network}:1:ffff::1")
    assert blocked(last.login(user.name, user.password)) == rule.window - rule.limit
    near = new_address() if addresses == "one" else f"{network}:2::1"
    assert passes(strict.visitor(near), user)
    strict.clock.now = start + rule.window
    assert passes(last, user)


@pytest.mark.contract("THR-3")
def test_account_under_attack_is_open_to_known_devices_alone(strict: Inside) -> None:
    rule = strict.policy.throttle.account
    user, other = strict.add_user(), strict.add_user()
    known, stranger = strict.login(user), strict.login(other)
    for _ in range(rule.limit):
        fail(strict.visitor(), user)
    # A botnet can guess no more, not even right.
    assert 0 < blocked(strict.visitor().login(user.name, user.password)) <= rule.window
    # The owner, from another address.
    known.address = new_address()
    assert passes(known, user)
    assert passes(strict.visitor(), other)
    # A device of somebody else is no way in.
    stranger.address = new_address()
    blocked(stranger.login(user.name, user.password))
    for forged in ("", "nonsense", "a.1.b", "..", known.cookies[DEVICE][:-1] + "g", "\u00e9.1.1"):
        guesser = strict.visitor()
        guesser.cookies[DEVICE] = forged
        blocked(guesser.login(user.name, user.password))
    strict.clock.advance(rule.window)
    assert passes(strict.visitor(), user)


@pytest.mark.contract("THR-3")
def test_stolen_device_cookie_has_a_limit_too(make: Make) -> None:
    inside = make(exceptions={"throttle.account.limit": 10, "throttle.pair.limit": 1000})
    user = inside.add_user()
    stolen = inside.login(user).cookies[DEVICE]
    for _ in range(10):
        thief = inside.visitor()
        thief.cookies[DEVICE] = stolen
        fail(thief, user)
    thief = inside.visitor()
    thief.cookies[DEVICE] = stolen
    blocked(thief.login(user.name, user.password))


@pytest.mark.contract("THR-3")
def test_device_cookie_expires(make: Make) -> None:
    inside = make(exceptions={"throttle.account.limit": 3})
    user = inside.add_user()
    known = inside.login(user)
    inside.clock.advance(inside.policy.throttle.device_lifetime)
    for _ in range(3):
        fail(inside.visitor(), user)
    blocked(known.login(user.name, user.password))


@pytest.mark.contract("THR-4")
def test_simultaneous_guesses_cause_few_verifications(fresh: Inside) -> None:
    user = fresh.add_user()
    limit = fresh.policy.throttle.pair.limit
    browser = fresh.visitor()
    start = threading.Barrier(200)

    def guess(_: int) -> int:
        start.wait()
        return browser.login(user.name, WRONG).status_code

    with counted() as verifications, ThreadPoolExecutor(200) as threads:
        statuses = Counter(threads.map(guess, range(200)))
    assert verifications.number <= limit
    assert statuses[401] == limit
    # A thread for which there is no connection to the store is closed out.
    assert set(statuses) <= {401, 429, 503}


@pytest.mark.contract("THR-4")
def test_right_passwords_all_pass(fresh: Inside) -> None:
    user = fresh.add_user()
    browser = fresh.visitor()
    assert all(passes(without_device(browser), user) for _ in range(20))


@pytest.mark.contract("THR-4")
@pytest.mark.contract("THR-9")
def test_right_passwords_at_once_all_pass(fresh: Inside) -> None:
    user = fresh.add_user()
    browser = fresh.visitor()
    # One more failure would block: none of those that are on their way may count as one.
    fail(browser, user, fresh.policy.throttle.pair.limit - 1)
    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(lambda _: passes(without_device(browser), user), range(40)))
    assert passes(browser, user)


@pytest.mark.contract("THR-4")
def test_guesses_beside_right_passwords_are_counted(fresh: Inside) -> None:
    user, other = fresh.add_user(), fresh.add_user()
    browser = fresh.visitor()
    with counted() as verifications, ThreadPoolExecutor(16) as threads:
        guesses = [threads.submit(browser.login, user.name, WRONG) for _ in range(20)]
        right = [threads.submit(passes, without_device(browser), other) for _ in range(20)]
        statuses = Counter(each.result().status_code for each in guesses)
        assert all(each.result() for each in right)
    limit = fresh.policy.throttle.pair.limit
    assert statuses == {401: limit, 429: 20 - limit}
    assert verifications.number == limit + 20


@pytest.mark.contract("THR-5")
def test_workers_and_restarts_share_the_counters(make: Make) -> None:
    first = make()
    user = first.add_user()
    browser = first.visitor()
    fail(browser, user, first.policy.throttle.pair.limit - 1)
    browser.service = make(first)
    fail(browser, user)
    for service in (browser.service, first, make(first)):
        browser.service = service
        blocked(browser.login(user.name, user.password))


@pytest.mark.contract("THR-5")
def test_login_is_closed_while_the_store_is_down(make: Make) -> None:
    inside = make()
    user = inside.add_user()
    down = make(inside, store_url=f"redis://127.0.0.1:{services.free_port()}/0")
    with counted() as verifications:
        for name in (user.name, new_user().name):
            expect.error(down.visitor().login(name, user.password), 503)
    assert verifications.number == 0
    visitor = down.visitor()
    for target, status in (("/", 200), ("/login", 200), ("/healthz", 200), ("/unknown", 404)):
        answer = visitor.get(target)
        assert answer.status_code == status
        expect.headers(answer)
    expect.error(visitor.get("/readyz"), 503)
    assert inside.visitor().get("/readyz").status_code == 200


@pytest.mark.contract("THR-6")
def test_blocked_answers_do_not_tell_anything(make: Make) -> None:
    inside = make()
    user, unknown = inside.add_user(), new_user()
    browser = inside.visitor()
    for each in (user, unknown):
        fail(browser, each, inside.policy.throttle.pair.limit)
    with counted() as verifications:
        faces = {
            expect.masked(browser.login(name, password))
            for name in (user.name, unknown.name)
            for password in (user.password, WRONG)
        }
    assert verifications.number == 0
    assert len(faces) == 1
    answer = browser.login(user.name, WRONG)
    assert blocked(answer) == inside.policy.throttle.pair.block == 900
    assert "Wait 15 minutes before you try again." in answer.text


@pytest.mark.contract("THR-7")
def test_unknown_user_and_wrong_password_are_the_same(inside: Inside) -> None:
    user = inside.add_user()
    unknown = User("x" * len(user.name), WRONG)
    faces = set()
    for each in (user, unknown):
        with counted() as verifications:
            answer = inside.visitor().login(each.name, WRONG, next="/notes")
        assert answer.status_code == 401
        assert verifications.number == 1
        face = expect.masked(answer)
        faces.add((face.status, face.headers, face.body.replace(each.name, "NAME")))
    assert len(faces) == 1


@pytest.mark.contract("THR-7")
def test_wrong_login_keeps_the_name_that_was_typed(inside: Inside) -> None:
    for name in (inside.add_user().name, 'x"><b>'):
        page = inside.visitor().login(name, WRONG).text
        (field,) = re.findall(r'<input [^<]*name="username"[^<]*>', page)
        field = html.unescape(field)
        assert f'value="{name}"' in field
        assert WRONG not in page


@pytest.mark.contract("THR-7")
@pytest.mark.contract("FPR-2")
def test_wrong_login_looks_the_same_from_outside(service: Service) -> None:
    answer = service.visitor().login("nobody-of-that-name", WRONG)
    assert answer.status_code == 401
    expect.headers(answer)
    assert expect.once(answer, "cache-control") == "no-store"
    assert WRONG not in answer.text
    assert "<form" in answer.text
    assert "set-cookie" not in answer.headers


class Held:
    """Makes every verification of a password wait, and knows how many do so at once."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()
        self._real = PasswordHasher.verify

    def verify(self, hasher: PasswordHasher, *arguments: str | bytes) -> bool:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        assert self.release.wait(WAIT_SECONDS)
        with self._lock:
            self._running -= 1
        return bool(self._real(hasher, *arguments))


@contextmanager
def full_pool(inside: Inside, user: User) -> Iterator[Held]:
    """Fill the places for passwords with logins of the user, who passes in the end."""
    rules = inside.policy.passwords
    room, more = rules.concurrent + rules.waiting, 20
    held = Held()

    def login(_: int) -> int:
        return inside.visitor().login(user.name, user.password).status_code

    def verify(hasher: PasswordHasher, *arguments: str | bytes) -> bool:
        return held.verify(hasher, *arguments)

    with (
        mock.patch.object(PasswordHasher, "verify", verify),
        ThreadPoolExecutor(room + more) as threads,
    ):
        try:
            logins = [threads.submit(login, number) for number in range(room + more)]
            answered = islice(as_completed(logins, WAIT_SECONDS), more)
            # All but those for which there is room are turned away at once.
            assert [each.result() for each in answered] == [503] * more
            yield held
        finally:
            held.release.set()
        statuses = Counter(each.result(WAIT_SECONDS) for each in logins)
    assert statuses == {503: more, 303: room}
    assert held.most <= rules.concurrent


@pytest.mark.contract("THR-8")
def test_flood_of_logins_leaves_the_other_pages_alone(make: Make) -> None:
    inside = make()
    user = inside.add_user()
    member = inside.login(user)
    with full_pool(inside, user):
        for target in ("/", "/login", "/healthz", "/readyz"):
            assert inside.visitor().get(target).status_code == 200
        assert member.get("/account").status_code == 200


@pytest.mark.contract("THR-8")
def test_refusal_of_a_full_pool_is_not_a_failure(make: Make) -> None:
    inside = make(exceptions={"passwords.concurrent": 1, "passwords.waiting": 1})
    user = inside.add_user()
    browser = inside.visitor()
    with full_pool(inside, user):
        for _ in range(inside.policy.throttle.pair.limit + 1):
            expect.error(browser.login(user.name, user.password), 503)
    assert passes(browser, user)


LEET = "4@8({[<369&#!1/|\\0$5+7%2zx"
SLOW = {
    "symbols": LEET * 3,
    "symbols, longest": (LEET * 10)[:256],
    "ambiguous symbols": "1|7" * 85,
    "one digit": "1" * 256,
    "repeats": "".join(2 * char for char in LEET * 4),
    "dates": "1/1/91 " * 36,
    "keyboard": "qwertyuiop" * 25,
    "other scripts": "\u0130\u00df\u65e5\u0315" * 64,
    "accents": "\u0315\u0300" * 128,
}


@pytest.mark.contract("THR-8")
@pytest.mark.parametrize("password", SLOW.values(), ids=SLOW.keys())
def test_judging_a_password_takes_no_time(inside: Inside, password: str) -> None:
    user = inside.add_user()
    member = inside.login(user)
    inside.cli("user", "add", new_user().name, typed=f"{NEXT}\n")  # reads the word lists
    start = time.process_time()
    answer = member.post("/account/password", current_password=user.password, new_password=password)
    inside.cli("user", "add", new_user().name, typed=f"{password}\n")
    # It takes a twentieth of that; zxcvbn by itself takes seconds, or minutes.
    assert time.process_time() - start < 2
    assert answer.status_code in {303, 422}


@pytest.mark.contract("THR-8")
def test_new_password_is_judged_after_throttle_and_current_password(inside: Inside) -> None:
    user = inside.add_user()
    member = inside.login(user)
    with judged() as judgements:
        for status in [422] * inside.policy.throttle.pair.limit + [429]:
            answer = member.post("/account/password", current_password=WRONG, new_password=NEXT)
            assert answer.status_code == status
            assert "easy to guess" not in answer.text
        assert judgements.number == 0
        other = inside.member(second := inside.add_user())
        fields = {"current_password": second.password, "new_password": NEXT}
        assert other.post("/account/password", **fields).status_code == 303
        assert judgements.number == 1


@pytest.mark.contract("THR-8")
def test_judging_takes_its_turn(inside: Inside) -> None:
    users = [inside.add_user() for _ in range(6)]
    members = [(inside.login(user), user.password) for user in users]

    def change(member: Browser, password: str) -> int:
        fields = {"current_password": password, "new_password": NEXT}
        return member.post("/account/password", **fields).status_code

    with judged() as judgements, ThreadPoolExecutor(len(members)) as threads:
        changes = [threads.submit(change, *member) for member in members]
        assert [each.result() for each in changes] == [303] * len(members)
    assert judgements.number == len(members)
    assert judgements.most <= inside.policy.passwords.concurrent


@pytest.mark.contract("THR-9")
@pytest.mark.parametrize("limit", ["pair", "address"])
def test_known_device_is_spared_by_what_others_at_its_address_do(
    strict: Inside, limit: str
) -> None:
    user = strict.add_user()
    known = strict.login(user)
    if limit == "pair":
        fail(without_device(known), user, strict.policy.throttle.pair.limit)
    else:
        for _ in range(strict.policy.throttle.address.limit):
            fail(without_device(known), new_user())
    blocked(without_device(known).login(user.name, user.password))
    for _ in range(2):
        assert passes(known, user)
    # Nobody else is let in by that.
    blocked(without_device(known).login(user.name, user.password))
    thief = without_device(known)
    thief.cookies[DEVICE] = known.cookies[DEVICE]
    other = strict.add_user()
    if limit == "address":
        blocked(thief.login(other.name, other.password))
    # And it has no guesses without end itself.
    fail(known, user, strict.policy.throttle.pair.limit)
    assert blocked(known.login(user.name, user.password)) == strict.policy.throttle.pair.block


@pytest.mark.contract("THR-9")
def test_clock_that_is_set_back_makes_no_block_longer(fresh: Inside) -> None:
    rule = fresh.policy.throttle.pair
    user = fresh.add_user()
    browser = fresh.visitor()
    fresh.clock.advance(DAY)
    fail(browser, user, rule.limit)
    fresh.clock.advance(-DAY)
    assert blocked(browser.login(user.name, user.password)) == rule.block
    fresh.clock.advance(rule.block)
    assert passes(browser, user)


@pytest.mark.contract("THR-9")
def test_clock_that_is_set_back_makes_no_session_longer(fresh: Inside) -> None:
    times = fresh.policy.sessions
    fresh.clock.advance(DAY)
    member = fresh.member()
    # Seconds are what two machines differ by.
    fresh.clock.advance(-10)
    assert member.logged_in()
    fresh.clock.advance(-DAY)
    assert not member.logged_in()
    for after in (times.idle_timeout, times.absolute_timeout):
        fresh.clock.advance(after)
        assert not member.logged_in()


@pytest.mark.contract("THR-9")
def test_clock_that_is_set_back_makes_no_device_known_for_longer(make: Make) -> None:
    inside = make(exceptions={"throttle.account.limit": 3})
    user = inside.add_user()
    inside.clock.advance(DAY)
    known = inside.login(user)
    inside.clock.advance(-DAY)
    for _ in range(3):
        fail(inside.visitor(), user)
    blocked(known.login(user.name, user.password))


@pytest.mark.contract("THR-9")
@pytest.mark.usefixtures("restored_logging")
def test_operator_sees_and_lifts_blocks(fresh: Inside) -> None:
    limit = fresh.policy.throttle.pair.limit
    user, other = fresh.add_user(), fresh.add_user()
    browser, elsewhere = fresh.visitor(), fresh.visitor()
    fail(browser, user, limit)
    fail(elsewhere, other, limit - 1)

    def show(*who: str) -> list[dict[str, object]]:
        result = fresh.cli("throttle", "show", *who, "--json")
        assert result.exit_code == 0
        rows: list[dict[str, object]] = json.loads(result.stdout)
        return rows

    (row,) = [each for each in show() if each["name"] == user.name]
    assert (row["kind"], row["from"], row["failures"]) == ("pair", browser.address, limit)
    ends = datetime.fromtimestamp(fresh.clock.now + fresh.policy.throttle.pair.block, UTC)
    assert row["blocked_until"] == ends.isoformat(timespec="seconds")
    assert {each["kind"]: each["failures"] for each in show(other.name.upper())} == {
        "pair": limit - 1,
        "account": limit - 1,
    }
    assert {each["kind"] for each in show(browser.address)} == {"pair", "address"}
    assert user.name in fresh.cli("throttle", "show").stdout
    assert fresh.cli("throttle", "clear").exit_code == 2
    result = fresh.cli("throttle", "clear", user.name)
    assert result.exit_code == 0
    event = json.loads(result.stderr.splitlines()[-1])
    assert (event["event"], event["subject"]) == ("authn_login_unlock", user.name)
    assert event["operator"]
    assert show(user.name) == []
    assert passes(browser, user)
    # What counts against others stays.
    fail(elsewhere, other)
    blocked(elsewhere.login(other.name, other.password))
    assert fresh.cli("throttle", "clear", elsewhere.address).exit_code == 0
    assert passes(elsewhere, other)


@pytest.mark.contract("THR-9")
@pytest.mark.contract("LOG-2")
def test_operator_sees_no_control_characters_of_a_guesser(fresh: Inside) -> None:
    name = "a\u202eb\u2028c"
    for _ in range(fresh.policy.throttle.pair.limit):
        fresh.visitor("198.51.100.9").login(name, WRONG)
    result = fresh.cli("throttle", "show", "198.51.100.9")
    assert r"a\u202eb\u2028c" in result.stdout
    assert all(char.isprintable() for char in result.stdout.replace("\n", ""))


@pytest.mark.contract("CFG-2")
@pytest.mark.contract("THR-3")
def test_known_device_stays_known_under_a_new_key(make: Make) -> None:
    rules = {"throttle.pair.limit": 1000, "throttle.account.limit": 2}
    inside = make(exceptions=rules)
    user = inside.add_user()
    owner = inside.login(user)
    for _ in range(2):
        inside.visitor().login(user.name, "a wrong password")
    assert inside.visitor().login(user.name, user.password).status_code == 429
    rotated = make(like=inside, exceptions=rules, keys=(KEY[::-1], *inside.files.keys))
    owner.service = rotated
    assert owner.login(user.name, user.password).status_code == 303


@pytest.mark.contract("THR-2")
def test_ipv4_clients_of_a_dual_stack_socket_count_apart(make: Make) -> None:
    inside = make(exceptions={"throttle.address.limit": 2})
    user = inside.add_user()
    for name in ("one", "two"):
        inside.visitor("::ffff:198.51.100.1").login(name, "a wrong password")
    for address in ("::ffff:198.51.100.1", "198.51.100.1"):
        assert inside.visitor(address).login(user.name, user.password).status_code == 429
    other = inside.visitor("::ffff:198.51.100.2")
    assert other.login(user.name, user.password).status_code == 303
