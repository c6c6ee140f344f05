# Owned by the template: extend, do not edit.
"""Host names, and what is believed of a proxy (guide: trust proxy; ASVS 4.1.3, 15.3.4)."""

from __future__ import annotations

import json
import secrets

import httpx
import pytest

from . import expect
from .conftest import Make
from .driver import (
    HOST,
    ORIGIN,
    PROXY,
    Browser,
    Header,
    Inside,
    Service,
    go,
    new_address,
    new_user,
)

WRONG = "certainly not the password"
HOSTS = {
    "other": "evil.example",
    "subdomain": "evil.HOST",
    "suffix": "HOST.evil.example",
    "prefix": "evilHOST",
    "trailing dot": "HOST.",
    "two hosts": "HOST, evil.example",
    "two hosts, ours last": "evil.example, HOST",
    "user": "evil.example@HOST",
    "ours as user": "HOST@evil.example",
    "path": "evil.example/HOST",
    "fragment": "evil.example#HOST",
    "query": "evil.example?HOST",
    "backslash": "evil.example\\HOST",
    "port": "HOST:8443",
    "port that is none": "HOST:evil",
    "port twice": "HOST:443:443",
    "space": "evil.example HOST",
    "address": "127.0.0.1",
    "local": "localhost",
    "IPv6": "[::1]",
    "bracket": "[HOST]",
    "wildcard": "*",
    "scheme": "https://HOST",
    "script": "<script>alert(1)</script>",
    "unicode": b"\xc3\xa9.example",
}


def login_from(
    browser: Browser, peer: str, forwarded: tuple[Header, ...], user: str
) -> httpx.Response:
    return browser.send(
        "POST",
        "/login",
        (
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Sec-Fetch-Site", "same-origin"),
            *forwarded,
        ),
        f"username={user}&password={WRONG.replace(' ', '+')}".encode(),
        peer=peer,
    )


def counts(service: Inside, peer: str, claims: list[tuple[Header, ...]]) -> list[int]:
    """Return the statuses of guesses at one user, each with its forwarding headers."""
    user = new_user()
    return [login_from(service.visitor(), peer, each, user.name).status_code for each in claims]


def forwarded_for(value: str) -> tuple[Header, ...]:
    return (("X-Forwarded-For", value),)


@pytest.mark.contract("PRX-1")
@pytest.mark.contract("PRX-3")
def test_addresses_claimed_by_a_client_do_not_count(inside: Inside) -> None:
    limit = inside.policy.throttle.pair.limit
    claims = [forwarded_for(new_address()) for _ in range(limit + 1)]
    assert counts(inside, new_address(), claims) == [401] * limit + [429]


@pytest.mark.contract("PRX-1")
@pytest.mark.contract("PRX-3")
@pytest.mark.parametrize("peer", [PROXY, ""], ids=["address", "unix socket"])
def test_client_address_is_the_one_that_the_proxy_saw(inside: Inside, peer: str) -> None:
    limit = inside.policy.throttle.pair.limit
    client = new_address()
    claims = [forwarded_for(f"{new_address()}, {client}") for _ in range(limit + 1)]
    assert counts(inside, peer, claims) == [401] * limit + [429]
    others = [forwarded_for(new_address()) for _ in range(limit + 1)]
    assert counts(inside, peer, others) == [401] * (limit + 1)


@pytest.mark.contract("PRX-1")
def test_trusted_proxies_are_skipped_from_the_right(inside: Inside) -> None:
    limit = inside.policy.throttle.pair.limit
    client = new_address()
    claims = [
        forwarded_for(f"{new_address()}, {client}, {PROXY}, {PROXY}") for _ in range(limit + 1)
    ]
    assert counts(inside, PROXY, claims) == [401] * limit + [429]


@pytest.mark.contract("PRX-1")
@pytest.mark.parametrize("claim", ["nonsense", "unknown", "1.2.3", "1.2.3.4:80", "<script>"])
def test_address_that_is_none_is_not_believed(inside: Inside, claim: str) -> None:
    limit = inside.policy.throttle.pair.limit
    claims = [forwarded_for(f"{new_address()}, {claim}") for _ in range(limit + 1)]
    assert counts(inside, PROXY, claims) == [401] * limit + [429]


@pytest.mark.contract("PRX-4")
@pytest.mark.parametrize("form", ["{}:4711", "::ffff:{}", '"{}"', "{},", "{}, ,", " {} "])
def test_address_counts_however_the_proxy_writes_it(inside: Inside, form: str) -> None:
    limit = inside.policy.throttle.pair.limit
    client = new_address()
    plain = [forwarded_for(client) for _ in range(limit)]
    assert counts(inside, PROXY, [*plain, forwarded_for(form.format(client))])[-1] == 429


@pytest.mark.contract("PRX-1")
@pytest.mark.contract("PRX-4")
@pytest.mark.parametrize("said", ["https", "HTTPS", "http, https", "wss"])
def test_scheme_counts_from_the_proxy_alone(inside: Inside, said: str) -> None:
    claim = (("X-Forwarded-Proto", said),)
    browser = inside.visitor()
    believed = browser.send("GET", "/", claim, peer=PROXY, scheme="http")
    assert expect.once(believed, "strict-transport-security") == expect.HSTS
    claimed = browser.send("GET", "/", claim, scheme="http")
    assert "strict-transport-security" not in claimed.headers
    downgraded = browser.send("GET", "/", (("X-Forwarded-Proto", "http"),))
    assert expect.once(downgraded, "strict-transport-security") == expect.HSTS


@pytest.mark.contract("PRX-1")
@pytest.mark.contract("PRX-3")
def test_host_counts_from_the_proxy_alone(inside: Inside) -> None:
    browser = inside.visitor()
    ours, evil = (("X-Forwarded-Host", HOST),), (("X-Forwarded-Host", "evil.example"),)
    internal = ("Host", "backend.internal")
    believed = browser.send("GET", "/account", (internal, *ours), peer=PROXY)
    assert believed.status_code == 303
    assert expect.place(believed).startswith(f"{ORIGIN}/login")
    named = browser.send("GET", go(f"{ORIGIN}/notes"), (internal, *ours), peer=PROXY)
    assert expect.place(named) == f"{ORIGIN}/notes"
    expect.error(browser.send("GET", "/account", (internal, *ours)), 400)
    expect.error(browser.send("GET", "/", evil, peer=PROXY), 400)
    expect.error(
        browser.send("GET", "/", (("X-Forwarded-Host", f"{HOST}, evil.example"),), peer=PROXY), 400
    )
    ignored = browser.send("GET", "/account", evil)
    assert expect.place(ignored).startswith(f"{ORIGIN}/login")


@pytest.mark.contract("PRX-1")
@pytest.mark.parametrize(
    "header",
    [
        ("Forwarded", "for=198.51.100.1;host=evil.example;proto=http"),
        ("X-Real-IP", "198.51.100.1"),
        ("X-Client-IP", "198.51.100.1"),
        ("CF-Connecting-IP", "198.51.100.1"),
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Forwarded-Port", "8443"),
        ("X-Forwarded-Scheme", "http"),
        ("X-Original-URL", "/account"),
        ("X-Rewrite-URL", "/account"),
        ("X-Forwarded-Server", "evil.example"),
    ],
    ids=lambda each: each[0],
)
def test_other_forwarding_headers_are_nothing(inside: Inside, header: Header) -> None:
    for peer in (PROXY, new_address()):
        browser = inside.visitor()
        plain = expect.masked(browser.send("GET", "/account", peer=peer))
        assert expect.masked(browser.send("GET", "/account", (header,), peer=peer)) == plain
        assert browser.send("GET", "/", (header,), peer=peer).status_code == 200


@pytest.mark.contract("PRX-1")
def test_nobody_is_trusted_by_default(make: Make) -> None:
    inside = make(proxies=())
    for peer in (PROXY, "", "10.0.0.1"):
        answer = inside.visitor().send(
            "GET", "/account", (("X-Forwarded-Host", "evil.example"),), peer=peer
        )
        assert expect.place(answer).startswith(f"{ORIGIN}/login")


@pytest.mark.contract("PRX-2")
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS.keys())
def test_other_hosts_are_not_served(inside: Inside, host: str | bytes) -> None:
    value = host.replace("HOST", HOST) if isinstance(host, str) else host
    for target in ("/", "/unknown", "/healthz", "/login", "/static/x"):
        answer = inside.visitor().get(target, (("Host", value),))
        expect.error(answer, 400, echo="evil")


@pytest.mark.contract("PRX-2")
def test_other_host_is_not_served_from_outside(service: Service) -> None:
    for target in ("/", "/unknown", "/login", "/api/notes"):
        answer = service.visitor().get(target, (("Host", "evil.example"),))
        assert answer.status_code in {400, 421}
        expect.headers(answer)
        assert "evil.example" not in answer.text


@pytest.mark.contract("PRX-2")
def test_request_without_a_host_is_not_served(inside: Inside) -> None:
    expect.error(inside.visitor().get("/", (("Host", ""),)), 400)


@pytest.mark.contract("PRX-2")
def test_host_may_be_written_in_capitals(service: Service) -> None:
    answer = service.visitor().get("/account", (("Host", service.host.upper()),))
    assert answer.status_code == 303
    assert expect.place(answer).startswith(f"{service.origin}/login")


@pytest.mark.contract("PRX-3")
@pytest.mark.usefixtures("restored_logging")
def test_log_names_the_client(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    inside = make()
    client = new_address()
    login_from(inside.visitor(), PROXY, forwarded_for(f"198.51.100.1, {client}"), "nobody")
    login_from(inside.visitor(), client, forwarded_for("198.51.100.1"), "nobody")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["client"] for line in lines if line.get("event") == "authn_login_fail"] == [
        client,
        client,
    ]


@pytest.mark.contract("PRX-1")
@pytest.mark.usefixtures("restored_logging")
def test_log_names_the_host_that_was_refused(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    inside = make()
    inside.visitor().send("GET", "/", (("X-Forwarded-Host", "evil.example"),), peer=PROXY)
    inside.visitor().send("GET", "/", (("Host", "evil.example"),))
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    reasons = [line["reason"] for line in lines if line.get("event") == "input_validation_fail"]
    assert reasons == ["host 'evil.example': APP_HOSTS lists those of the service"] * 2


@pytest.mark.contract("PRX-1")
@pytest.mark.contract("LOG-1")
@pytest.mark.parametrize(
    ("peer", "claimed", "believed"),
    [
        (PROXY, "a" * 32, True),
        (PROXY, "a" * 31, False),
        (PROXY, "a" * 32 + "\n", False),
        (PROXY, f"{'a' * 32},{'b' * 32}", False),
        (PROXY, "A" * 32, False),
        (PROXY, "", False),
        ("198.51.100.7", "a" * 32, False),
    ],
    ids=repr,
)
def test_request_id_is_the_proxys(inside: Inside, peer: str, claimed: str, believed: bool) -> None:
    headers = (("X-Forwarded-For", new_address()), ("X-Request-ID", claimed))
    answer = inside.visitor().send("GET", "/unknown", headers, peer=peer)
    assert (expect.request_id(answer) == claimed) == believed


@pytest.mark.contract("PRX-4")
@pytest.mark.parametrize("form", ["{}", "[{}]", "[{}]:4711", '"[{}]:4711"'])
def test_ipv6_address_counts_however_the_proxy_writes_it(inside: Inside, form: str) -> None:
    limit = inside.policy.throttle.pair.limit
    client = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
    plain = [forwarded_for(client) for _ in range(limit)]
    assert counts(inside, PROXY, [*plain, forwarded_for(form.format(client))])[-1] == 429


@pytest.mark.contract("PRX-4")
@pytest.mark.usefixtures("restored_logging")
def test_address_that_cannot_be_read_is_an_event(
    make: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    inside = make()
    user = new_user()
    for _ in range(inside.policy.throttle.pair.limit):
        login_from(inside.visitor(), PROXY, forwarded_for("unknown"), user.name)
    # Who has no address is not the proxy.
    assert login_from(inside.visitor(), PROXY, (), user.name).status_code == 401
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    parts = {line["part"] for line in lines if line.get("event") == "proxy_address_unreadable"}
    assert parts == {"unknown"}


@pytest.mark.contract("PRX-4")
def test_underscore_does_not_stand_for_a_dash(inside: Inside) -> None:
    limit = inside.policy.throttle.pair.limit
    client = new_address()
    claims = [
        (*forwarded_for(client), ("X_Forwarded_For", new_address())) for _ in range(limit + 1)
    ]
    assert counts(inside, PROXY, claims) == [401] * limit + [429]


@pytest.mark.contract("PRX-4")
def test_port_that_https_has_anyway_makes_no_other_host(inside: Inside) -> None:
    answer = inside.visitor().get("/account", (("Host", f"{HOST}:443"),))
    assert answer.status_code == 303
    assert expect.place(answer).startswith(f"{ORIGIN}/login")
    expect.error(inside.visitor().get("/account", (("Host", f"{HOST}:80"),)), 400)


@pytest.mark.contract("PRX-4")
@pytest.mark.usefixtures("restored_logging")
def test_client_of_a_socket_for_ipv6_has_its_own_address(
    make: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    inside = make()
    client = new_address()
    login_from(inside.visitor(), f"::ffff:{client}", (), "nobody")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["client"] for line in lines if line.get("event") == "authn_login_fail"] == [client]
