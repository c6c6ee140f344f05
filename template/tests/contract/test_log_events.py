# Owned by the template: extend, do not edit.
"""Security events in the log (ASVS 16; names of the OWASP logging vocabulary)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from . import expect, services
from .conftest import Make
from .driver import FORM, Browser, Inside, go

WRONG = "certainly not the password"
NEXT = "Vierzehn alte Birken rauschen"
INJECTIONS = {
    "newline": "eve\n{}",
    "return": "eve\r\n{}",
    "escape": "eve\x1b[2K\x1b[31m{}",
    "NUL": "eve\0{}",
    "C1": "eve\x85\x9b{}",
    "separators": "eve\u2028\u2029{}",
    "quotes": 'eve", "event": "forged',
    "right to left": "eve\u202e{}",
}
FORGED = '{"event": "authn_login_success", "user": "root"}'

pytestmark = pytest.mark.usefixtures("restored_logging")

Log = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Log:
    """Return a function that reads what was logged since the last time."""

    def read() -> list[dict[str, Any]]:
        captured = capfd.readouterr()
        assert not captured.out
        lines = captured.err.split("\n")
        assert lines.pop() == ""
        assert all(line.isascii() and line.isprintable() for line in lines), lines
        return [json.loads(line) for line in lines]

    return read


def one(lines: list[dict[str, Any]], event: str) -> dict[str, Any]:
    """Return the only line about an event."""
    found = [line for line in lines if line["event"] == event]
    assert len(found) == 1, lines
    return found[0]


@pytest.mark.contract("LOG-1")
def test_login_and_logout_are_logged(make: Make, log: Log) -> None:
    inside = make()
    user = inside.add_user()
    browser = inside.visitor()
    log()
    browser.login(user.name, WRONG)
    line = one(log(), "authn_login_fail")
    assert line["client"] == browser.address
    assert line["user"] == user.name
    assert line["level"] == "warning"
    assert re.fullmatch("[0-9a-f]{32}", line["request_id"])
    at = datetime.fromisoformat(line["timestamp"])
    assert at.tzinfo is not None
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    browser.login(user.name, user.password)
    assert one(log(), "authn_login_success")["client"] == browser.address
    browser.post("/logout")
    assert one(log(), "session_revoked")["user"]
    for _ in range(inside.policy.throttle.pair.limit):
        browser.login(user.name, WRONG)
    answer = browser.login(user.name, WRONG)
    line = one(log(), "authn_login_lock")
    assert line["user"] == user.name
    assert line["request_id"] == expect.request_id(answer)


@pytest.mark.contract("LOG-1")
def test_what_an_attacker_does_is_logged(make: Make, log: Log) -> None:
    inside = make()
    member = inside.member()
    log()
    member.get(go("//evil.example"))
    assert one(log(), "malicious_redirect")["client"] == member.address
    member.post("/login", username="a", password="b", next="//evil.example")
    log()
    member.send("POST", "/logout", (("Sec-Fetch-Site", "cross-site"),))
    assert one(log(), "authz_fail")["client"] == member.address
    member.post("/account/sessions/end", session="\0")
    line = one(log(), "input_validation_fail")
    assert line["client"] == member.address
    stolen = member.copy()
    member.post("/logout")
    log()
    stolen.get("/account")
    assert one(log(), "session_use_after_expire")["client"] == stolen.address


@pytest.mark.contract("RED-2")
def test_refused_redirects_are_logged(make: Make, log: Log) -> None:
    inside = make()
    user = inside.add_user()
    log()
    inside.visitor().get(go("//evil.example"))
    assert one(log(), "malicious_redirect")
    inside.visitor().login(user.name, user.password, next="//evil.example")
    assert one(log(), "malicious_redirect")
    inside.visitor().get(go("/notes"))
    inside.visitor().login(user.name, user.password, next="/notes")
    assert not [line for line in log() if line["event"] == "malicious_redirect"]


@pytest.mark.contract("LOG-1")
def test_change_of_password_and_end_of_sessions_are_logged(make: Make, log: Log) -> None:
    inside = make()
    user = inside.add_user()
    browser = inside.login(user)
    inside.login(user)
    log()
    browser.post("/account/password", current_password=WRONG, new_password=NEXT)
    assert one(log(), "authn_password_change_fail")["client"] == browser.address
    (handle,) = browser.sessions()
    browser.post("/account/sessions/end", session=handle)
    assert one(log(), "session_revoked")
    browser.post("/account/password", current_password=user.password, new_password=NEXT)
    assert one(log(), "authn_password_change")["client"] == browser.address


@pytest.mark.contract("LOG-1")
def test_store_that_is_down_is_logged(make: Make, log: Log) -> None:
    inside = make(store_url=f"redis://:sesame-key@127.0.0.1:{services.free_port()}/0")
    inside.visitor().login("nobody", WRONG)
    lines = log()
    assert "sys_store_unavailable" in {line["event"] for line in lines}
    assert "sesame" not in json.dumps(lines)


@pytest.mark.contract("LOG-1")
@pytest.mark.contract("CFG-2")
def test_nothing_secret_is_logged(make: Make, log: Log) -> None:
    inside = make()
    user = inside.add_user()
    browser = inside.login(user)
    secrets = [user.password, NEXT, WRONG, *inside.files.keys]
    visit_everything(inside, browser, user.name, secrets)
    secrets += browser.cookies.values()
    text = json.dumps(log(), ensure_ascii=False)
    assert text.count("timestamp") > 5
    for secret in secrets:
        assert secret not in text


def visit_everything(inside: Inside, browser: Browser, name: str, secrets: list[str]) -> None:
    """Cause events of many kinds with a secret in each place that a client fills."""
    old, new, wrong, *_ = secrets
    visitor = inside.visitor()
    visitor.login(name, wrong)
    visitor.login(old, old)
    visitor.login(f"{name}\n", old)
    browser.post("/account/password", current_password=wrong, new_password=new)
    browser.post("/account/password", current_password=old, new_password="short")
    browser.post("/account/sessions/end", session=f"{old}\0")
    browser.post("/notes", title=old * 10, body=old)
    browser.api("POST", "/api/notes", f'{{"title": 1, "body": "{old}"}}'.encode())
    browser.send("POST", "/logout", (("Sec-Fetch-Site", "cross-site"),), old.encode())
    visitor.send(
        "POST", "/login", (("Content-Type", FORM), ("Sec-Fetch-Site", "none")), old.encode()
    )
    visitor.get("/", (("Authorization", f"Bearer {old}"), ("X-Api-Key", old)))
    browser.post("/account/password", current_password=old, new_password=new)


@pytest.mark.contract("LOG-2")
@pytest.mark.parametrize("text", INJECTIONS.values(), ids=INJECTIONS.keys())
def test_client_cannot_forge_a_line(make: Make, log: Log, text: str) -> None:
    inside = make()
    name = text.replace("{}", FORGED)
    visitor = inside.visitor()
    visitor.agent = "eve\x1b[2K"
    log()
    visitor.login(name, WRONG)
    visitor.post("/login", username="eve", password=WRONG, next=f"//{name}")
    visitor.get(go(f"//{name}"))
    visitor.get("/eve%0a%7B%22event%22:%22forged%22%7D")
    visitor.send(
        "GET", "/", (("X-Forwarded-For", name.encode().replace(b"\n", b"\t")),), peer="127.0.0.1"
    )
    visitor.get("/", (("Host", "eve\x1b[2K"),))
    for line in log():
        assert line["event"] not in {"forged", "authn_login_success"}
        assert line["client"] in {visitor.address, "127.0.0.1"}


@pytest.fixture
def lines(
    inside: Inside, caplog: pytest.LogCaptureFixture, restored_logging: None
) -> Iterator[pytest.LogCaptureFixture]:
    logging.getLogger().addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        yield caplog


@pytest.mark.contract("LOG-1")
def test_commands_log_as_the_service_does(inside: Inside) -> None:
    user = inside.add_user()
    # Nothing of this process says where log lines go.
    logging.getLogger().handlers.clear()
    result = inside.cli("sessions", "revoke", user.name)
    first, event, said = result.output.splitlines()
    assert said == f"0 sessions of {user.name} ended"
    assert first == f"production, database {inside.files.settings().database_url.partition('?')[0]}"
    assert one([json.loads(event)], "session_revoked")["user"] == user.name


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
