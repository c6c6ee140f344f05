"""What a fact opens, through the real edge: a larger upload and a WebSocket (RTE-1, RTE-6)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import probing
from tests.live.nginx import Deployed, deployed
from tests.live.service import HOST, START_SECONDS
from tests.live.websocket import CLOSE, PING, PONG, TEXT, WebSocket
from tests.projects import Project

FACT = """
[[route]]
path = "/probe/socket"
websocket = true
"""
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MIB = 1 << 20
MOST = 65536
"""`websocket.max-message` of the policy."""


@pytest.fixture(scope="module", params=["fastapi", "litestar"])
def project(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """Return an installed project with views of ours and their facts."""
    made = probing.with_views(
        template, tmp_path_factory.mktemp("routes") / "project", request.param
    )
    with (made.path / "policy.toml").open("a", encoding="utf-8") as policy:
        policy.write(FACT)
    return made


@pytest.fixture(scope="module")
def chain(project: Project) -> Iterator[Deployed]:
    """Run the service behind its edge."""
    with deployed(project) as started:
        yield started


@contextmanager
def connected(chain: Deployed) -> Iterator[socket.socket]:
    where = ("127.0.0.1", chain.edge.https)
    with (
        socket.create_connection(where, timeout=START_SECONDS) as connection,
        chain.edge.trust().wrap_socket(connection, server_hostname=HOST) as wrapped,
    ):
        yield wrapped


@contextmanager
def opened(chain: Deployed, path: str = "/probe/socket", origin: str = "") -> Iterator[WebSocket]:
    with connected(chain) as wrapped:
        headers = {"Host": f"{HOST}:{chain.edge.https}", "Origin": origin or chain.edge.origin}
        yield WebSocket(wrapped, path, headers)


def test_upload_beyond_the_policys_size(chain: Deployed) -> None:
    with chain.edge.client() as client:
        form = {"data": {"text": "a"}, "files": {"file": b"a" * (3 * MIB)}}
        assert client.post("/probe/upload", **form).json()["size"] == 3 * MIB
        too_large = {"data": {"text": "a"}, "files": {"file": b"a" * (9 * MIB)}}
        assert client.post("/probe/upload", **too_large).status_code == 413
        # Elsewhere the policy's size holds, at the edge.
        assert client.post("/login", **form).status_code == 413


def test_websocket(chain: Deployed) -> None:
    with opened(chain) as made:
        assert made.status == 101
        assert made.read()[1] == f"wss://{HOST}:{chain.edge.https}/probe/socket".encode()
        made.send(b"a")
        assert made.read() == (TEXT, b"a")
        made.send(b"ping", PING)
        assert made.read() == (PONG, b"ping")
        made.send(b"bye")
        assert made.closed() == 1000


def test_message_that_is_too_big_ends_it(chain: Deployed) -> None:
    with opened(chain) as made:
        made.read()
        made.send(b"a" * (MOST - 1))
        assert made.read() == (TEXT, b"a" * (MOST - 1))
        made.send(b"a" * (MOST + 1))
        assert made.closed() == 1009


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("/probe/socket", "https://evil.example"),
        ("/probe/socket", "null"),
        ("/probe/unlisted", ""),
        ("/unknown", ""),
    ],
)
def test_others_are_refused_in_the_handshake(chain: Deployed, path: str, origin: str) -> None:
    mark = chain.service.mark()
    with opened(chain, path, origin) as refused:
        # Without a fact the edge passes no upgrade on: a request like others.
        assert refused.status in {403, 404, 405}
        assert "content-security-policy" in refused.head
    assert all(line["event"] != "sys_crash" for line in chain.service.lines(mark))


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("GET", "Sec-WebSocket-Version: 13"),
        ("GET", f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'a' * 24}"),
        ("GET", f"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: {KEY}"),
        ("GET", f"Sec-WebSocket-Key: {KEY}"),
        ("PUT", f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}"),
    ],
)
def test_half_a_handshake_has_our_page(chain: Deployed, method: str, lines: str) -> None:
    head = f"{method} /probe/socket HTTP/1.1\r\nHost: {HOST}:{chain.edge.https}\r\n{lines}\r\n"
    head += "Upgrade: websocket\r\nSec-Fetch-Site: same-origin\r\n"
    with connected(chain) as made:
        made.sendall(f"{head}Connection: Upgrade\r\n\r\n".encode())
        got = made.recv(1 << 16)
    assert got.split()[1] in {b"403", b"404", b"405"}
    assert b"content-security-policy" in got.lower()
    assert b"Sec-WebSocket" not in got


@pytest.mark.parametrize("frame", [b"\x81\x81abcd\xff", b"\xf1\x80abcd", b"\x81\x01a"])
def test_frame_that_is_none_ends_it(chain: Deployed, frame: bytes) -> None:
    """Text that is not UTF-8, reserved bits, a client that does not mask."""
    mark = chain.service.mark()
    with opened(chain) as made:
        made.read()
        made.connection.sendall(frame)
        try:
            while made.read()[0] != CLOSE:
                pass
        except ConnectionError:
            pass
    with opened(chain) as another:
        assert another.status == 101
    assert all(line["event"] != "sys_crash" for line in chain.service.lines(mark))
