"""The throttle with four processes: exact, fair, and the other pages go on (THR-4, THR-8)."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from tests.live.service import HOST, SAME, Service, User

GUESSES = 200
OTHERS = 10
LIMIT = 5
"""`throttle.pair.limit` of the policy."""
EDGE = {**SAME, "X-Forwarded-Proto": "https"}


async def flood(
    service: Service, name: str, address: str, number: int = GUESSES
) -> tuple[list[int], list[int]]:
    """Guess at once, and ask for other pages meanwhile; return the status of each answer."""
    headers = {**EDGE, "X-Forwarded-For": address}
    transport = httpx.AsyncHTTPTransport(
        uds=service.socket, trust_env=False, limits=httpx.Limits(max_connections=None)
    )
    async with httpx.AsyncClient(
        transport=transport, base_url=f"http://{HOST}", headers=headers, timeout=60
    ) as client:
        guesses = [
            client.post("/login", data={"username": name, "password": f"wrong guess {n}"})
            for n in range(number)
        ]
        others = [client.get(path) for path in ("/healthz", "/") for _ in range(OTHERS)]
        answers = await asyncio.gather(*guesses, *others)
    statuses = [answer.status_code for answer in answers]
    return statuses[:number], statuses[number:]


@pytest.mark.parametrize("known", [True, False], ids=["known user", "unknown user"])
def test_few_of_many_guesses_are_looked_at(service: Service, user: User, known: bool) -> None:
    name, address = (user.name, "192.0.2.1") if known else ("nobody-of-that-name", "192.0.2.2")
    mark = service.mark()
    guesses, others = asyncio.run(flood(service, name, address))
    failures = service.events("authn_login_fail", mark)
    assert len(failures) == LIMIT
    assert {(line["user"], line["client"]) for line in failures} == {(name, address)}
    # The queue for hashes is longer than the limit, so not even a 503 is due.
    assert Counter(guesses) == {401: LIMIT, 429: GUESSES - LIMIT}
    assert set(others) == {200}
    assert not service.events("sys_crash", mark)


def test_blocked_only_at_that_address(service: Service, user: User) -> None:
    asyncio.run(flood(service, user.name, "192.0.2.3", LIMIT))
    with service.client("192.0.2.3") as client:
        answer = client.login(user)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
    with service.client("192.0.2.4") as client:
        assert client.login(user).is_redirect


def test_many_users_at_once(service: Service) -> None:
    # Each user has a limit, but so has their common address; and hashes wait for few others.
    mark = service.mark()

    async def guesses() -> list[int]:
        floods = [flood(service, f"user {n}", "192.0.2.5", 50) for n in range(3)]
        found = await asyncio.gather(*floods)
        assert {status for _, others in found for status in others} == {200}
        return [status for statuses, _ in found for status in statuses]

    statuses = Counter(asyncio.run(guesses()))
    assert statuses.keys() <= {401, 429, 503}
    assert statuses[401] == len(service.events("authn_login_fail", mark)) <= 3 * LIMIT


def test_right_logins_in_a_row(service: Service, user: User) -> None:
    with service.client("192.0.2.6") as client:
        for _ in range(20):
            client.cookies.clear()
            assert client.login(user).is_redirect
            assert client.logged_in()


def test_right_logins_at_once(service: Service, user: User) -> None:
    # As many as may be under way: each is counted as a failure until it is known to be right.
    mark = service.mark()

    async def logins() -> list[int]:
        async with httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=service.socket, trust_env=False),
            base_url=f"http://{HOST}",
            headers={**EDGE, "X-Forwarded-For": "192.0.2.7"},
            timeout=60,
        ) as client:
            data = {"username": user.name, "password": user.password}
            answers = await asyncio.gather(*(client.post("/login", data=data) for _ in range(5)))
        return [answer.status_code for answer in answers]

    assert all(httpx.codes.is_redirect(each) for each in asyncio.run(logins()))
    assert not service.events("authn_login_fail", mark)
