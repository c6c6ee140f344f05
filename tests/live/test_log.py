"""The log: one JSON object a line, whatever a client sends (LOG-1, LOG-2)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.live.service import Service, User

FORGED = '{"event": "authn_login_success", "user": "admin"}'
NAMES = [
    f"ada\n{FORGED}",
    f"ada\r\n{FORGED}",
    f"ada\r{FORGED}",
    f"ada\u2028{FORGED}",
    f"ada\u0085{FORGED}",
    f'ada"}}\n{FORGED}',
    "ada\x1b[2J\x1b[31m",
    "ada\x00",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_user_name_forges_no_line(service: Service, name: str) -> None:
    mark = service.mark()
    with service.client("192.0.2.1") as client:
        assert client.login(User(name, "wrong guess")).status_code in {401, 422, 429}
    raw = service.log.read_bytes()[mark:]
    assert raw.endswith(b"\n")
    assert all(byte >= 0x20 or byte == 0x0A for byte in raw)
    lines = service.lines(mark)
    assert lines
    assert all(line["event"] != "authn_login_success" for line in lines)
    # Also not for programs that split at other signs than newlines.
    for line in raw.decode().splitlines():
        assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/go?url=https://evil.example/%0a{}", {}),
        ("/%0a{}", {}),
        ("/", {"User-Agent": 'x"}\\n{}'}),
        ("/account", {"Cookie": '__Host-session="\\n{}'}),
        ("/", {"Host": 'evil.example"}'}),
    ],
)
def test_nothing_else_does(service: Service, path: str, headers: dict[str, str]) -> None:
    mark = service.mark()
    with service.client() as client:
        assert client.get(path, headers=headers).status_code < 500
    for line in service.lines(mark):
        assert {"event", "level", "timestamp"} <= line.keys()


def test_says_who_and_when(service: Service, user: User) -> None:
    mark = service.mark()
    with service.client("2001:db8::1") as client:
        client.login(User(user.name, "wrong guess"))
        client.login(user)
        client.post("/logout")
    lines = service.lines(mark)
    events = ["authn_login_fail", "authn_login_success", "session_revoked"]
    assert [line["event"] for line in lines] == events
    for line in lines:
        assert line["client"] == "2001:db8::1"
        assert len(line["request_id"]) == 32
        at = datetime.fromisoformat(line["timestamp"])
        assert at.utcoffset() == UTC.utcoffset(None)
    assert len({line["request_id"] for line in lines}) == 3


def test_holds_no_secret(service: Service, user: User) -> None:
    with service.client() as client:
        client.login(user)
        client.get("/notes?token=in-the-query")
        cookies = list(client.cookies.values())
    assert cookies
    log = service.log.read_text("utf-8")
    for secret in (user.password, "in-the-query", *cookies):
        assert secret not in log
