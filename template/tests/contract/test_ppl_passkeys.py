# Owned by the template: extend, do not edit.
"""Passkeys, as a second factor and alone (PPL-4): an authenticator made of a few lines."""

from __future__ import annotations

import hashlib
import html
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from . import expect
from .driver import HOST, ORIGIN, Browser, Inside, User

OPTIONS = re.compile(r'data-passkey="([^"]+)"')
PRESENT, VERIFIED, ATTESTED = 1, 4, 64
FEATURE = "publickey-credentials-get=()"


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value: object) -> bytes:
    """Return the CBOR of what an attestation is made of (RFC 8949)."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    assert isinstance(value, dict)
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(each) for key, each in value.items())


def _head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    if number < 256:
        return bytes([kind << 5 | 24, number])
    return bytes([kind << 5 | 25]) + number.to_bytes(2, "big")


def asked(page: httpx.Response) -> dict[str, Any]:
    """Return what a page asks the browser for."""
    found = OPTIONS.search(page.text)
    assert found, page.text
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


class Authenticator:
    """A device with one passkey; what it says can be altered."""

    def __init__(self, count: int = 1) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(16)
        self.count = count
        self.user = b""

    def create(self, options: Mapping[str, Any], **altered: Any) -> str:
        """Answer `navigator.credentials.create`."""
        self.user = decoded(options["user"]["id"])
        assert options["authenticatorSelection"]["userVerification"] == "required"
        numbers = self.key.public_key().public_numbers()
        place = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        public: dict[int, object] = {1: 2, 3: -7, -1: 1, **place}
        data = self._data(altered, altered.get("flags", PRESENT | VERIFIED) | ATTESTED)
        data += bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor(public)
        attestation = cbor({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            {
                "clientDataJSON": encoded(self._client_data("create", options, altered)),
                "attestationObject": encoded(attestation),
                "transports": ["internal", "<script>"],
            }
        )

    def get(self, options: Mapping[str, Any], **altered: Any) -> str:
        """Answer `navigator.credentials.get`."""
        assert options["userVerification"] == "required"
        allowed = [each["id"] for each in options["allowCredentials"]]
        assert not allowed or encoded(self.id) in allowed or altered.get("uninvited")
        if self.count:
            self.count += altered.get("step", 1)
        data = self._data(altered, altered.get("flags", PRESENT | VERIFIED))
        client_data = self._client_data("get", options, altered)
        signed = data + hashlib.sha256(client_data).digest()
        key = altered.get("key", self.key)
        return self._answer(
            {
                "clientDataJSON": encoded(client_data),
                "authenticatorData": encoded(data),
                "signature": encoded(key.sign(signed, ec.ECDSA(SHA256()))),
                "userHandle": encoded(altered.get("user", self.user)),
            }
        )

    def _answer(self, response: dict[str, Any]) -> str:
        name = encoded(self.id)
        made = {"id": name, "rawId": name, "type": "public-key", "response": response}
        return json.dumps(made)

    def _data(self, altered: Mapping[str, Any], flags: int) -> bytes:
        site = altered.get("site", HOST).encode()
        return hashlib.sha256(site).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(
        self, kind: str, options: Mapping[str, Any], altered: Mapping[str, Any]
    ) -> bytes:
        return json.dumps(
            {
                "type": f"webauthn.{altered.get('kind', kind)}",
                "challenge": altered.get("challenge", options["challenge"]),
                "origin": altered.get("origin", ORIGIN),
                "crossOrigin": False,
            }
        ).encode()


def add(browser: Browser, device: Authenticator, **altered: Any) -> httpx.Response:
    """Add a passkey as the page asks for it."""
    options = asked(browser.get("/account/factors/passkey"))
    made = device.create(options, **altered)
    return browser.post("/account/factors/passkey", name="Key", credential=made)


def owner(inside: Inside, device: Authenticator | None = None) -> tuple[User, Authenticator]:
    """Return a new user with a passkey."""
    user, device = inside.add_user(), device or Authenticator()
    answer = add(inside.login(user), device)
    assert answer.status_code == 200, answer.text
    return user, device


def half(inside: Inside, user: User) -> Browser:
    """Return a browser in which the password was right."""
    browser = inside.visitor()
    assert browser.login(user.name, user.password).status_code == 303
    assert not browser.logged_in()
    return browser


def alone(inside: Inside) -> Browser:
    """Return a browser that begins to log in by a passkey alone."""
    browser = inside.visitor()
    answer = browser.post("/login/passkey")
    assert expect.place(answer) == f"{inside.origin}/login/factor"
    return browser


def answer(browser: Browser, device: Authenticator, **altered: Any) -> httpx.Response:
    """Answer what the page after the password asks."""
    options = asked(browser.get("/login/factor"))
    return browser.post("/login/factor", credential=device.get(options, **altered))


WRONG: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.test"},
    "our host by plain http": {"origin": f"http://{HOST}"},
    "another site": {"site": "evil.test"},
    "no user verified": {"flags": PRESENT},
    "nobody there": {"flags": VERIFIED},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "another user": {"user": b"somebody"},
    "a new passkey": {"kind": "create"},
    "no challenge": {"challenge": ""},
    "own challenge": {"challenge": encoded(bytes(56))},
    "counter stands": {"step": 0},
    "counter goes back": {"step": -1},
}


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("counts", [True, False], ids=["counter", "no counter"])
def test_passkey_after_the_password(inside: Inside, counts: bool) -> None:
    user, device = owner(inside, Authenticator(1 if counts else 0))
    for _ in range(2):
        browser = half(inside, user)
        assert answer(browser, device).status_code == 303
        assert "by passkey" in browser.get("/account").text


@pytest.mark.contract("PPL-4")
def test_passkey_alone(inside: Inside) -> None:
    user, device = owner(inside)
    browser = alone(inside)
    page = browser.get("/login/factor")
    assert asked(page)["allowCredentials"] == []
    assert answer(browser, device).status_code == 303
    assert user.name in browser.get("/account").text


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("begin", ["after the password", "alone"])
@pytest.mark.parametrize("altered", WRONG.values(), ids=WRONG.keys())
def test_wrong_answers(inside: Inside, begin: str, altered: dict[str, Any]) -> None:
    user, device = owner(inside)
    browser = alone(inside) if begin == "alone" else half(inside, user)
    refused = answer(browser, device, **altered)
    assert refused.status_code == 401
    assert not browser.logged_in()
    # What the page asks then is good again.
    device.count += 2
    options = asked(refused)
    assert browser.post("/login/factor", credential=device.get(options)).status_code == 303


@pytest.mark.contract("PPL-4")
def test_challenge_is_used_once(inside: Inside) -> None:
    user, device = owner(inside, Authenticator(0))
    browser = half(inside, user)
    options = asked(browser.get("/login/factor"))
    assert browser.post("/login/factor", credential="{}").status_code == 401
    answered = device.get(options)
    assert browser.post("/login/factor", credential=answered).status_code == 401
    copies = [half(inside, user)]
    answered = device.get(asked(copies[0].get("/login/factor")))
    copies += [copies[0].copy() for _ in range(3)]
    with ThreadPoolExecutor(len(copies)) as pool:
        list(pool.map(lambda each: each.post("/login/factor", credential=answered), copies))
    assert sum(each.logged_in() for each in copies) == 1


@pytest.mark.contract("PPL-4")
def test_challenge_is_of_its_session(inside: Inside) -> None:
    user, device = owner(inside)
    mine, others = half(inside, user), half(inside, user)
    options = asked(mine.get("/login/factor"))
    assert others.post("/login/factor", credential=device.get(options)).status_code == 401
    assert not others.logged_in()


@pytest.mark.contract("PPL-4")
def test_challenge_is_for_one_purpose(inside: Inside) -> None:
    _, device = owner(inside)
    browser = alone(inside)
    assert answer(browser, device).status_code == 303
    options = asked(browser.get("/account/factors/passkey"))
    again = {**options, "userVerification": "required", "allowCredentials": []}
    refused = browser.post("/account/confirm", credential=device.get(again))
    assert refused.status_code == 401


@pytest.mark.contract("PPL-4")
def test_challenge_runs_out(inside: Inside) -> None:
    user, device = owner(inside)
    browser = half(inside, user)
    options = asked(browser.get("/login/factor"))
    inside.clock.advance(inside.policy.accounts.factor_timeout)
    late = browser.post("/login/factor", credential=device.get(options))
    assert late.status_code in {303, 401}
    assert not browser.logged_in()


@pytest.mark.contract("PPL-4")
def test_passkey_is_of_its_owner(inside: Inside) -> None:
    user, device = owner(inside)
    other, _ = owner(inside)
    browser = half(inside, other)
    for handle in (device.user, b"", other.name.encode()):
        stolen = answer(browser, device, uninvited=True, user=handle)
        assert stolen.status_code == 401
    # Nor can somebody else add it: its answer would log them in as the wrong one.
    assert add(inside.login(inside.add_user()), device).status_code == 422
    device.user = b""
    known = half(inside, user)
    assert answer(known, device).status_code == 303


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize(
    "name",
    [
        "another origin",
        "another site",
        "no user verified",
        "nobody there",
        "no challenge",
        "own challenge",
    ],
)
def test_wrong_passkeys_are_not_added(inside: Inside, name: str) -> None:
    browser = inside.member()
    refused = add(browser, Authenticator(), **WRONG[name])
    assert refused.status_code == 422
    assert "You have none" in browser.get("/account/factors").text
    # The page of the error asks anew.
    made = Authenticator().create(asked(refused))
    answer = browser.post("/account/factors/passkey", name="Key", credential=made)
    assert answer.status_code == 200


@pytest.mark.contract("PPL-4")
def test_strange_passkeys_are_not_added(inside: Inside) -> None:
    browser = inside.member()
    for credential in ("", "x", "{}", "[" * 9000, "a" * 20_000, '{"id":"","response":{}}'):
        answer = browser.post("/account/factors/passkey", name="Key", credential=credential)
        assert answer.status_code == 422
    deep = json.loads(Authenticator().create(asked(browser.get("/account/factors/passkey"))))
    deep["clientExtensionResults"] = json.loads("[" * 99 + "]" * 99)
    answer = browser.post("/account/factors/passkey", name="Key", credential=json.dumps(deep))
    assert answer.status_code == 422
    for name in ("", "a" * 61, "a\0"):
        options = asked(browser.get("/account/factors/passkey"))
        made = Authenticator().create(options)
        answer = browser.post("/account/factors/passkey", name=name, credential=made)
        assert answer.status_code == 422
    assert "You have none" in browser.get("/account/factors").text


@pytest.mark.contract("PPL-4")
def test_disabled_user_and_removed_passkey_stay_out(inside: Inside) -> None:
    user, device = owner(inside)
    browser = alone(inside)
    options = asked(browser.get("/login/factor"))
    assert inside.cli("user", "disable", user.name).exit_code == 0
    assert browser.post("/login/factor", credential=device.get(options)).status_code == 401
    assert inside.cli("user", "enable", user.name).exit_code == 0
    assert inside.cli("user", "unlock", "--lost-factors", user.name).exit_code == 0
    browser = alone(inside)
    options = asked(browser.get("/login/factor"))
    assert browser.post("/login/factor", credential=device.get(options)).status_code == 401


@pytest.mark.contract("HDR-2")
def test_pages_that_ask_for_a_passkey_may(inside: Inside) -> None:
    user, _ = owner(inside)
    page = half(inside, user).get("/login/factor")
    asked(page)
    may = expect.once(page, "permissions-policy").split(", ")
    assert may == [f"{name}=()" for name in expect.FEATURES_OFF if f"{name}=()" != FEATURE]
    assert FEATURE in expect.once(inside.visitor().get("/login"), "permissions-policy")


@pytest.mark.contract("THR-10")
def test_wrong_signatures_count(inside: Inside) -> None:
    user, device = owner(inside)
    browser = half(inside, user)
    stranger = ec.generate_private_key(ec.SECP256R1())
    for _ in range(inside.policy.throttle.pair.limit):
        assert answer(browser, device, key=stranger).status_code == 401
    assert answer(browser, device).status_code == 429
