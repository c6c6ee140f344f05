"""WebSockets: by a fact only, judged like a request, limited, ended with the session (RTE-6)."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import Future
from contextlib import closing, suppress
from typing import Any

import pytest

from my_service.adapter import sockets
from my_service.config import ConfigError
from my_service.security.policy import PolicyError

from ..driver import CHEAP, Browser, Files, Inside
from . import views
from .stage import FACTS, Stage

SPA = "https://spa.partner.test"
ECHO, SILENT = "/stage/socket/echo", "/stage/socket/silent"
FACT = f"""
[[route]]
path = "/stage/socket/"
websocket = true
origins = ["{SPA}"]
"""
LARGEST = 10_000
LIMITS = {
    "websocket.max-message": LARGEST,
    "websocket.messages-per-second": 5,
    "websocket.session-check": 1,
    "websocket.idle-timeout": 2,
    "websocket.connections-per-client": 3,
}
WAIT = 10

Message = MutableMapping[str, Any]

has_sockets = pytest.mark.skipif(
    not hasattr(sockets, "Sockets"), reason="WSGI has no WebSockets: see the last test"
)


class Connection:
    """One WebSocket, as the server hands it to the application."""

    def __init__(self, service: Inside, path: str, headers: dict[str, str], address: str) -> None:
        self._loop = service.transport._loop  # type: ignore[attr-defined] # of this process
        self._application = service.transport._application  # type: ignore[attr-defined] # as above
        self._to: asyncio.Queue[Message] = asyncio.Queue()
        self._from: asyncio.Queue[Message] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "wss",
            "path": path.partition("?")[0],
            "raw_path": path.partition("?")[0].encode(),
            "query_string": path.partition("?")[2].encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": (address, 50000),
            "server": ("127.0.0.1", 8000),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            "state": {},
        }
        self._done: Future[Any] = asyncio.run_coroutine_threadsafe(
            self._application(scope, self._to.get, self._put), self._loop
        )
        self.write({"type": "websocket.connect"})

    async def _put(self, message: Message) -> None:
        # Servers do it elsewhere, and say nothing of a client that has gone.
        for _ in range(10):
            await asyncio.sleep(0)
        self._from.put_nowait(message)

    def write(self, message: Message) -> None:
        """Let the server tell something."""
        self._loop.call_soon_threadsafe(self._to.put_nowait, message)

    def text(self, text: str) -> None:
        self.write({"type": "websocket.receive", "text": text})

    def read(self) -> Message:
        """Return what the application says next."""
        answer = asyncio.run_coroutine_threadsafe(self._from.get(), self._loop)
        return answer.result(WAIT)

    def refused(self) -> int:
        """Insist that the handshake is answered by an error of ours, and return its status."""
        start, body = self.read(), self.read()
        assert start["type"] == "websocket.http.response.start"
        names = [name for name, _ in start["headers"]]
        assert b"content-security-policy" in names
        assert json.loads(body["body"])["status"] == start["status"]
        self.leave()
        return int(start["status"])

    def opened(self) -> dict[str, Any]:
        """Insist that it is open; return what the view says first."""
        assert self.read()["type"] == "websocket.accept"
        said = json.loads(self.read()["text"])
        assert isinstance(said, dict)
        return said

    def closed(self) -> int:
        """Insist that the next message ends it, and return the code."""
        message = self.read()
        assert message["type"] == "websocket.close"
        return int(message.get("code") or 1000)

    def leave(self) -> None:
        """Go away, and wait until the application has noticed."""
        self.write({"type": "websocket.disconnect", "code": 1001})
        with suppress(Exception):
            self._done.result(WAIT)
        assert self._done.done()


Open = Callable[..., Connection]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    if not hasattr(sockets, "Sockets"):
        pytest.skip("WSGI has no WebSockets")
    files = Files(tmp_path_factory.mktemp("sockets"), {**CHEAP, **LIMITS}, facts=FACTS + FACT)
    with closing(Stage(files)) as service:
        yield service


@pytest.fixture
def connect(stage: Inside) -> Iterator[Open]:
    opened: list[Connection] = []

    def start(path: str, browser: Browser | None = None, origin: str | None = None) -> Connection:
        browser = browser or stage.visitor()
        headers = {"host": stage.host, "upgrade": "websocket"}
        if origin != "":
            headers["origin"] = origin or stage.origin
        if browser.cookies:
            headers["cookie"] = "; ".join(f"{k}={v}" for k, v in browser.cookies.items())
        opened.append(Connection(stage, path, headers, browser.address))
        return opened[-1]

    yield start
    for connection in opened:
        connection.leave()


@has_sockets
@pytest.mark.contract("RTE-6")
def test_without_a_fact_there_is_none(
    stage: Inside, connect: Open, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert connect("/stage/unlisted").refused() == 403
    (line,) = [record.msg for record in caplog.records if "WebSocket" in str(record.msg)]
    assert "[[route]] websocket = true" in str(line)
    assert connect("/unknown").refused() == 403
    assert connect("/healthz").refused() == 404


@has_sockets
@pytest.mark.contract("RTE-6")
def test_echo(stage: Inside, connect: Open) -> None:
    socket = connect(ECHO)
    assert socket.opened() == {"user": None, "session": {}}
    socket.text("a")
    assert socket.read()["text"] == "a"
    socket.text("bye")
    assert socket.closed() == 1000


DENIAL = "websocket.http.response"
ODD: dict[str, list[Message]] = {
    **{
        repr(name): [{"type": "websocket.accept", "subprotocol": name}]
        for name in ("a\r\nx-b: c", "a\0", "a\x7f", "a b", "\xe9", "", b"a")
    },
    **{
        str(status): [
            {"type": f"{DENIAL}.start", "status": status, "headers": []},
            {"type": f"{DENIAL}.body", "body": b""},
        ]
        for status in (0, 99, 100, 102, 600, 1000)
    },
}


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.parametrize("messages", ODD.values(), ids=ODD)
def test_handshake_that_would_end_the_server_is_a_crash(
    connect: Open, monkeypatch: pytest.MonkeyPatch, messages: list[Message]
) -> None:
    opened = vars(sockets)["_Socket"]
    real = opened._send

    async def send(self: Any, message: Message) -> None:
        for odd in messages if message["type"] == "websocket.accept" else [message]:
            await real(self, odd)

    monkeypatch.setattr(opened, "_send", send)
    assert connect(ECHO).refused() == 500


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "http://app.test", "https://app.test:8443"),
        *("https://app.test.evil.example", "https://APP.test", "https://spa.partner.test/"),
    ],
)
def test_other_sites_do_not_connect(stage: Inside, connect: Open, origin: str) -> None:
    """Browsers ask nobody before they do, and send cookies (CSWSH)."""
    assert connect(ECHO, stage.member(), origin).refused() == 403
    assert connect(ECHO, None, origin).refused() == 403


@has_sockets
@pytest.mark.contract("RTE-6")
def test_listed_origin_connects_without_the_session(stage: Inside, connect: Open) -> None:
    assert connect(ECHO, stage.member(), SPA).opened()["user"] is None


@has_sockets
@pytest.mark.contract("RTE-6")
def test_program_without_origin_has_no_session(stage: Inside, connect: Open) -> None:
    assert connect(ECHO, None, "").opened()["user"] is None
    assert connect(ECHO, stage.member(), "").refused() == 403


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.contract("RTE-2")
def test_login_is_asked_for(stage: Inside, connect: Open) -> None:
    assert connect(SILENT).refused() == 401
    user = stage.add_user()
    assert connect(SILENT, stage.login(user)).opened()["user"] == user.name


@has_sockets
@pytest.mark.contract("RTE-6")
def test_session_is_there(stage: Inside, connect: Open) -> None:
    member = stage.member()
    member.post("/stage/session/set?key=color&value=blue")
    assert connect(ECHO, member).opened()["session"]["color"] == "blue"


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.parametrize("path", [ECHO, SILENT])
@pytest.mark.parametrize("way", ["logout", "revoked"])
def test_ends_with_the_session(stage: Inside, connect: Open, path: str, way: str) -> None:
    user = stage.add_user()
    member = stage.login(user)
    socket = connect(path, member)
    socket.opened()
    if way == "logout":
        assert member.post("/logout").status_code == 303
    else:
        assert stage.cli("sessions", "revoke", user.name).exit_code == 0
    assert socket.closed() == 4401


@has_sockets
@pytest.mark.contract("RTE-6")
def test_one_that_only_sends_ends_with_its_client(connect: Open) -> None:
    """Each would stay for ever, and count among those that a client or a worker may have."""
    socket = connect("/stage/socket/sends")
    assert socket.read()["type"] == "websocket.accept"
    assert socket.read()["text"] == "tick"
    socket.leave()


@has_sockets
@pytest.mark.contract("RTE-6")
def test_what_came_while_nobody_listened_is_there(connect: Open) -> None:
    socket = connect("/stage/socket/sends?ticks=50")
    assert socket.read()["type"] == "websocket.accept"
    for text in ("a", "b"):
        socket.text(text)
    said = [socket.read()["text"] for _ in range(51)]
    assert said == [*["tick"] * 50, "ab"]


@has_sockets
@pytest.mark.contract("RTE-6")
def test_lives_with_the_session(stage: Inside, connect: Open) -> None:
    member = stage.member()
    socket = connect(ECHO, member)
    socket.opened()
    for _ in range(6):
        socket.text("a")
        assert socket.read()["text"] == "a"
        asyncio.run(asyncio.sleep(0.5))
    assert member.logged_in()


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.parametrize("kind", ["text", "bytes", "many bytes of few letters"])
def test_message_is_limited(stage: Inside, connect: Open, kind: str) -> None:
    socket = connect(ECHO)
    socket.opened()
    socket.text("a" * LARGEST)
    assert len(socket.read()["text"]) == LARGEST
    message: Message = {"type": "websocket.receive"}
    if kind == "text":
        message["text"] = "a" * (LARGEST + 1)
    elif kind == "bytes":
        message["bytes"] = b"a" * (LARGEST + 1)
    else:
        message["text"] = "\u20ac" * (LARGEST // 3 + 1)
    socket.write(message)
    assert socket.closed() == 1009


@has_sockets
@pytest.mark.contract("RTE-6")
def test_rate_is_limited(stage: Inside, connect: Open) -> None:
    socket = connect(ECHO)
    socket.opened()
    for _ in range(12):
        socket.text("a")
    answers = []
    while (message := socket.read())["type"] == "websocket.send":
        answers.append(message)
    assert 5 <= len(answers) < 8
    assert message["code"] == 1008


@has_sockets
@pytest.mark.contract("RTE-6")
def test_idle_one_is_closed(stage: Inside, connect: Open) -> None:
    socket = connect(ECHO)
    socket.opened()
    assert socket.closed() == 1001


@has_sockets
@pytest.mark.contract("RTE-6")
def test_number_of_a_client_is_limited(stage: Inside, connect: Open) -> None:
    visitor = stage.visitor()
    many = [connect(ECHO, visitor) for _ in range(3)]
    for socket in many:
        socket.opened()
    assert connect(ECHO, visitor).refused() == 429
    connect(ECHO).opened()
    many[0].leave()
    connect(ECHO, visitor).opened()


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.contract("FPR-1")
def test_headers_of_the_answer_are_on_the_list(stage: Inside, connect: Open) -> None:
    accepted = connect("/stage/socket/header").read()
    headers = dict(accepted["headers"])
    assert accepted["type"] == "websocket.accept"
    assert b"x-secret" not in headers
    assert headers[b"x-total-count"] == b"1"
    assert headers[b"x-content-type-options"] == b"nosniff"


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.contract("FPR-2")
def test_refusal_and_crash_have_our_face(stage: Inside, connect: Open) -> None:
    assert connect("/stage/socket/refuses").refused() == 404
    assert connect("/stage/socket/crash").refused() == 500
    # Raised in the framework's way or in ours, before it accepts.
    assert connect("/stage/socket/raises").refused() == 409
    assert connect("/stage/socket/problem").refused() == 409
    assert connect("/stage/socket/member").refused() == 401
    assert connect("/stage/socket/number?number=a").refused() in {403, 422}
    assert connect("/stage/socket/none").refused() in {403, 404}


@has_sockets
@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("text", ["{", '{"a": "b"}', "[]"])
def test_end_of_a_socket_says_nothing_in_the_frameworks_words(connect: Open, text: str) -> None:
    socket = connect("/stage/socket/typed?number=a")
    assert socket.read()["type"] == "websocket.accept"
    socket.text(text)
    closed = socket.read()
    assert (closed["type"], closed.get("reason", "")) == ("websocket.close", "")
    # Where an address has parameters that are looked at late, it is about those.
    assert closed["code"] in {1007, 1008}


@has_sockets
@pytest.mark.contract("FPR-2", "BND-2")
def test_end_of_a_socket_says_what_its_author_has_written(connect: Open) -> None:
    socket = connect("/stage/socket/says")
    assert socket.read()["type"] == "websocket.accept"
    closed = socket.read()
    assert (closed["type"], closed["reason"]) == ("websocket.close", "Only two left")


@has_sockets
@pytest.mark.contract("RTE-6", "FPR-2")
@pytest.mark.parametrize("path", ["late-raises", "late-problem"])
def test_error_of_an_open_socket_closes_it(connect: Open, path: str) -> None:
    """It is no handshake any more, which an answer of HTTP's would refuse."""
    socket = connect(f"/stage/socket/{path}")
    assert socket.read()["type"] == "websocket.accept"
    closed = socket.read()
    said = (closed["type"], closed["code"], closed.get("reason", ""))
    assert said == ("websocket.close", 4409, "")


UNREADABLE: dict[str, Message] = {
    "no JSON": {"text": "{"},
    "nothing": {"text": ""},
    "too deep": {"text": "[" * LARGEST},
    "a number too long": {"text": "9" * LARGEST},
    "bytes for a text": {"bytes": b"\xff"},
    "half a letter": {"text": "\ud800"},
}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Keep the collector away: where a parser has used up the stack, finalizers of others fail."""
    gc.disable()
    yield
    gc.enable()


@has_sockets
@pytest.mark.usefixtures("no_collector")
@pytest.mark.contract("RTE-6", "FPR-2")
@pytest.mark.parametrize("message", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("path", ["json", "data"])
def test_message_that_cannot_be_read_is_the_clients_fault(
    stage: Inside, connect: Open, caplog: pytest.LogCaptureFixture, path: str, message: Message
) -> None:
    """Else any client fills the log with traces."""
    socket = connect(f"/stage/socket/{path}")
    assert socket.read()["type"] == "websocket.accept"
    socket.write({"type": "websocket.receive", **message})
    closed = socket.read()
    socket.leave()
    said = (closed["type"], closed["code"], closed.get("reason", ""))
    assert said == ("websocket.close", 1007, "")
    assert not [record for record in caplog.records if "sys_crash" in str(record.msg)]


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.skipif(not hasattr(views, "Model"), reason="it does not validate what it reads")
@pytest.mark.parametrize("path", ["data", "typed"])
def test_message_that_does_not_validate_is_the_clients_fault(
    connect: Open, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    socket = connect(f"/stage/socket/{path}")
    assert socket.read()["type"] == "websocket.accept"
    socket.text('{"first": "a"}')
    assert socket.closed() == 1007
    socket.leave()
    assert not [record for record in caplog.records if "sys_crash" in str(record.msg)]


@has_sockets
@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize(("path", "text"), [("own-json", "{}"), ("data", '{"first": 4711}')])
def test_what_the_author_cannot_parse_is_a_crash(
    stage: Inside, connect: Open, caplog: pytest.LogCaptureFixture, path: str, text: str
) -> None:
    """By the same function of the framework's, or in what that calls."""
    socket = connect(f"/stage/socket/{path}")
    assert socket.read()["type"] == "websocket.accept"
    socket.text(text)
    assert socket.closed() == 1011
    socket.leave()
    assert len([record for record in caplog.records if "sys_crash" in str(record.msg)]) == 1


@has_sockets
@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize("path", ["crash", "late"])
def test_crash_of_a_socket_is_in_the_log(
    stage: Inside, connect: Open, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    socket = connect(f"/stage/socket/{path}")
    if path == "late":
        assert socket.read()["type"] == "websocket.accept"
        assert socket.closed() == 1011
    else:
        assert socket.refused() == 500
    socket.leave()
    (line,) = [record for record in caplog.records if "sys_crash" in str(record.msg)]
    assert "secret-4711" in str(line.msg) + str(line.exc_info)


@has_sockets
@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize("query", ["", "?closes=yes"])
def test_crash_after_the_end_of_a_socket_is_in_the_log(
    connect: Open, caplog: pytest.LogCaptureFixture, query: str
) -> None:
    """There what came is kept; nobody is left who could be told."""
    socket = connect(f"/stage/socket/after{query}")
    assert socket.read()["type"] == "websocket.accept"
    if query:
        assert socket.closed() == 1000
    socket.leave()
    (line,) = [record for record in caplog.records if "sys_crash" in str(record.msg)]
    assert "secret-4711" in str(line.msg) + str(line.exc_info)


@has_sockets
@pytest.mark.contract("DAT-3")
@pytest.mark.parametrize("path", ["echo", "sends", "json", "data"])
def test_client_that_leaves_is_no_crash(
    connect: Open, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Whoever listens, or speaks on, hears of it by an exception."""
    socket = connect(f"/stage/socket/{path}")
    assert socket.read()["type"] == "websocket.accept"
    socket.leave()
    assert not [record for record in caplog.records if "sys_crash" in str(record.msg)]


@has_sockets
@pytest.mark.contract("RTE-6")
@pytest.mark.contract("BND-2")
def test_what_a_socket_writes_into_the_session_is_not_lost_in_silence(
    stage: Inside, connect: Open, caplog: pytest.LogCaptureFixture
) -> None:
    member = stage.member()
    socket = connect(ECHO, member)
    socket.opened()
    socket.text("set")
    socket.read()
    with caplog.at_level(logging.WARNING):
        socket.leave()
    assert any("a WebSocket wrote" in str(record.msg) for record in caplog.records)
    assert "a" not in member.get("/stage/session").json()


@pytest.mark.contract("RTE-6")
@pytest.mark.skipif(hasattr(sockets, "Sockets"), reason="ASGI has WebSockets")
def test_fact_is_refused_where_there_are_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    files = Files(tmp_path_factory.mktemp("none"), CHEAP, facts=FACTS + FACT)
    with pytest.raises((ConfigError, PolicyError), match="a service of its own"):
        Stage(files)
