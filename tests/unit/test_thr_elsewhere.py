"""Secrets that an application keeps itself: guesses at them count, if it asks the door (THR-10)."""

from __future__ import annotations

import secrets

import httpx
import pytest

from .. import expect
from ..driver import Browser, Inside

RIGHT, WRONG, CRASH = "4711", "no", "crash"


def guess(browser: Browser, name: str, word: str) -> httpx.Response:
    target = f"/stage/guess?name={name}&word={word}"
    return browser.get(target, (("Accept", "application/json"),))


@pytest.fixture
def name() -> str:
    """Return the name of a user whom only the application knows."""
    return f"ada-{secrets.token_hex(4)}"


@pytest.mark.contract("THR-10")
def test_guesses_are_blocked_before_they_are_looked_at(stage: Inside, name: str) -> None:
    visitor = stage.visitor()
    most = stage.policy.throttle.pair.limit
    assert [guess(visitor, name, WRONG).text for _ in range(most)] == ["wrong"] * most
    for word in (RIGHT, WRONG, CRASH):
        refused = guess(visitor, name.upper(), word)
        expect.error(refused, 429)
        assert 0 < int(expect.once(refused, "retry-after")) <= stage.policy.throttle.pair.block
    # Neither somebody else here nor the same one elsewhere.
    assert guess(visitor, f"{name}-too", RIGHT).text == "right"
    assert guess(stage.visitor(), name, RIGHT).text == "right"


@pytest.mark.contract("THR-10")
def test_right_one_clears_the_count(stage: Inside, name: str) -> None:
    visitor = stage.visitor()
    for _ in range(2):
        for _ in range(stage.policy.throttle.pair.limit - 1):
            assert guess(visitor, name, WRONG).text == "wrong"
        assert guess(visitor, name, RIGHT).text == "right"


@pytest.mark.contract("THR-10")
def test_failure_of_something_else_is_no_guess(stage: Inside, name: str) -> None:
    visitor = stage.visitor()
    for _ in range(stage.policy.throttle.pair.limit + 1):
        expect.error(guess(visitor, name, CRASH), 500)
    assert guess(visitor, name, RIGHT).text == "right"


@pytest.mark.contract("THR-10")
def test_users_of_the_service_are_others(stage: Inside) -> None:
    """Whoever is called the same elsewhere neither blocks them nor clears what counts."""
    user, visitor = stage.add_user(), stage.visitor()
    most = stage.policy.throttle.pair.limit
    for number in range(most):
        assert guess(visitor, user.name, RIGHT).text == "right"
        assert visitor.login(user.name, f"wrong {number}").status_code != 303
    assert visitor.login(user.name, user.password).status_code == 429
    assert guess(visitor, user.name, RIGHT).text == "right"
    other, visitor = stage.add_user(), stage.visitor()
    for _ in range(most):
        guess(visitor, other.name, WRONG)
    assert guess(visitor, other.name, RIGHT).status_code == 429
    assert visitor.login(other.name, other.password).status_code == 303


@pytest.mark.contract("THR-2", "THR-10")
def test_guesses_through_many_names_count_by_the_address(stage: Inside, name: str) -> None:
    visitor = stage.visitor()
    for number in range(stage.policy.throttle.address.limit):
        assert guess(visitor, f"{name}-{number}", WRONG).text == "wrong"
    assert guess(visitor, f"{name}-other", RIGHT).status_code == 429
