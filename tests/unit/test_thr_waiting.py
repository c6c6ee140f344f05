"""Attempts that wait for other attempts of the same name and address (THR-9)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from unittest import mock

import pytest

from my_service.security import throttle
from my_service.security.stores import Outcome, Store, open_store
from my_service.security.throttle import Throttle

from .. import expect
from ..driver import Inside, new_address

DEAD = "reserved by a process that is gone"


@pytest.mark.contract("THR-6")
@pytest.mark.contract("THR-9")
def test_who_waits_in_vain_may_soon_try_again(inside: Inside) -> None:
    user, address = inside.add_user(), new_address()
    store: Store = open_store(inside.files.settings().store_url)
    counters = Throttle(inside.policy.throttle, store).counters(user.name, address, "")
    now = int(inside.clock.now)
    for number in range(inside.policy.throttle.pair.limit):
        assert store.reserve(counters, f"{DEAD} {number}", now) == 0
    with mock.patch.object(throttle, "_PATIENCE_SECONDS", 0.1):
        start = time.monotonic()
        answer = inside.visitor(address).login(user.name, user.password)
        assert time.monotonic() - start < 2
    expect.error(answer, 429)
    assert expect.once(answer, "retry-after") == "1"
    inside.clock.advance(60)
    assert inside.visitor(address).login(user.name, user.password).status_code == 303
    store.close()


@pytest.mark.contract("THR-8")
@pytest.mark.contract("THR-9")
def test_who_waits_leaves_room_for_whose_turn_it_is(inside: Inside) -> None:
    user, other, address = inside.add_user(), inside.add_user(), new_address()
    rules = inside.policy.passwords
    room, more = rules.concurrent + rules.waiting, 10
    store: Store = open_store(inside.files.settings().store_url)
    counters = Throttle(inside.policy.throttle, store).counters(user.name, address, "")
    now = int(inside.clock.now)
    attempts = [f"{DEAD} {number}" for number in range(inside.policy.throttle.pair.limit)]
    assert [store.reserve(counters, attempt, now) for attempt in attempts] == [0] * len(attempts)

    def guess(_: int) -> int:
        return inside.visitor(address).login(user.name, "wrong password").status_code

    with ThreadPoolExecutor(room + more) as threads:
        guesses = [threads.submit(guess, number) for number in range(room + more)]
        # For those there is no room to wait in.
        refused = [each.result() for each in islice(as_completed(guesses, 60), more)]
        assert refused == [429] * more
        assert inside.visitor().login(other.name, other.password).status_code == 303
        for attempt in attempts:
            store.settle(counters, attempt, Outcome.WITHDRAWN, now)
        assert {each.result() for each in guesses} == {401, 429}
    store.close()
