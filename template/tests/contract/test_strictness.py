# Owned by the template: extend, do not edit.
"""Input and settings that are almost right."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from . import expect
from .conftest import Make
from .driver import FORM, KEY, Files, Inside, run_cli

JSON = (("Content-Type", "application/json"), ("Sec-Fetch-Site", "same-origin"))


@pytest.mark.contract("INP-1")
def test_limits_of_the_contract(inside: Inside) -> None:
    assert inside.policy.input.max_body == 1024 * 1024


@pytest.mark.contract("INP-2")
@pytest.mark.example
@pytest.mark.parametrize(
    "body",
    [
        b'{"title": "a", "title": "b", "body": ""}',
        b'{"title": "a", "body": NaN}',
        b'{"title": "a", "body": -Infinity}',
        b'{"title": "a"} {}',
        b"{'title': 'a'}",
    ],
)
def test_json_that_readers_disagree_about(inside: Inside, body: bytes) -> None:
    expect.error(inside.member().send("POST", "/api/notes", JSON, body), 400)


@pytest.mark.contract("INP-2")
def test_field_that_came_twice(inside: Inside) -> None:
    headers = (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"))
    body = b"current_password=a&new_password=b&current_password=c"
    answer = inside.member().send("POST", "/account/password", headers, body)
    expect.error(answer, 400)


@pytest.mark.contract("INP-2")
@pytest.mark.parametrize("target", ["/?a=%00", "/login?next=%00", "/?a=%ff"])
def test_query_that_is_no_text(inside: Inside, target: str) -> None:
    expect.error(inside.visitor().get(target), 400)


@pytest.mark.contract("INP-3")
@pytest.mark.example
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_id_is_no_sql(inside: Inside, method: str) -> None:
    member = inside.member()
    member.post("/notes", title="Keep", body="me")
    body = b'{"title": "b", "body": ""}' if method == "PUT" else b""
    for target in ("/api/notes/x'%20OR%20'1'%3D'1", "/api/notes/x'", "/api/notes/x'--"):
        expect.error(member.api(method, target, body), 404)
    assert len(member.api("GET", "/api/notes").json()["notes"]) == 1


@pytest.fixture
def lines(
    inside: Inside, caplog: pytest.LogCaptureFixture, restored_logging: None
) -> Iterator[pytest.LogCaptureFixture]:
    logging.getLogger().addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        yield caplog


@pytest.mark.contract("LOG-1")
def test_end_of_sessions_names_the_user(inside: Inside, lines: pytest.LogCaptureFixture) -> None:
    member = inside.member()
    member.post("/account/sessions/end-others")
    [line] = [
        record.msg
        for record in lines.records
        if isinstance(record.msg, dict) and record.msg["event"] == "session_revoked"
    ]
    assert line["scope"] == "others"
    assert line["user_id"]
    assert line["user_id"] == line["user"]


@pytest.mark.contract("CFG-1")
@pytest.mark.contract("CFG-2")
@pytest.mark.parametrize(
    "key", ["kX9-vT2_qLw7Zr4mB8nYc3Jd6Hs1Pf", "abababababababababababababababababab"]
)
def test_weak_key_is_refused_and_not_shown(inside: Inside, key: str) -> None:
    result = run_cli("check", environment=inside.files.environment() | {"APP_SECRET_KEYS": key})
    assert result.exit_code == 1
    assert "APP_SECRET_KEYS" in result.output
    assert key not in result.output


@pytest.mark.contract("CFG-1")
def test_service_that_is_made_by_hand_is_refused_too(make: Make) -> None:
    with pytest.raises(ValueError, match="APP_SECRET_KEYS"):
        make(keys=("tooshort",))


@pytest.mark.contract("CFG-2")
def test_secret_in_two_places_is_refused(inside: Inside, tmp_path: Path) -> None:
    secret = tmp_path / "keys"
    secret.write_text(KEY[::-1], "utf-8")
    changes = {"APP_SECRET_KEYS_FILE": str(secret)}
    result = run_cli("policy", "show", environment=inside.files.environment() | changes)
    assert result.exit_code == 1
    assert "both" in result.output
    assert KEY not in result.output


@pytest.mark.contract("CFG-2")
def test_password_of_a_store_is_not_shown(inside: Inside) -> None:
    url = "memcached://user:hunter2@127.0.0.1/0"
    result = run_cli("check", environment=inside.files.environment() | {"APP_STORE_URL": url})
    assert result.exit_code == 1
    assert "APP_STORE_URL" in result.output
    assert "hunter2" not in result.output


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


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize("name", ["x-frame-options", "permissions-policy"])
def test_protection_that_is_left_out_fails_the_check(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path, {"headers.dangerously-omit": [name]})
    result = run_cli("check", "--json", environment=files.environment())
    assert result.exit_code == 1
    failed = [item for item in json.loads(result.output) if item["state"] == "fail"]
    assert len(failed) == 1
    assert name in failed[0]["remedy"]


@pytest.mark.contract("CFG-3")
def test_exceptions_end(inside: Inside) -> None:
    assert inside.policy.exceptions
    assert not inside.policy.expired(date(2100, 1, 1))
    assert inside.policy.expired(date(2100, 1, 2)) == inside.policy.exceptions


@pytest.mark.contract("CFG-3")
@pytest.mark.parametrize("value", ["3000", True])
def test_setting_of_the_wrong_type_is_refused(make: Make, value: object) -> None:
    with pytest.raises(ValueError, match="max-bytes"):
        make(exceptions={"cookies.max-bytes": value})


@pytest.mark.contract("THR-2")
def test_limit_of_an_address(inside: Inside) -> None:
    rule = inside.policy.throttle.address
    assert (rule.limit, rule.window) == (100, 86400)
    assert inside.policy.throttle.ipv6_prefix == 64


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
