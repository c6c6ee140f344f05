"""What a fact opens, through the real edge: a larger upload and a WebSocket (RTE-1, RTE-6)."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import probing
from tests.live.nginx import Deployed, deployed
from tests.live.service import HOST
from tests.projects import Project

FACT = """
[[route]]
path = "/probe/socket"
websocket = true
"""
MIB = 1 << 20
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
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


class WebSocket:
    """A client's side of RFC 6455, as small as these tests need it."""

    def __init__(self, connection: socket.socket, chain: Deployed, path: str, origin: str) -> None:
        """Ask for an upgrade; `status` and `head` are the answer's."""
        self._connection = connection
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: {HOST}:{chain.edge.https}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Origin: {origin}",
        )
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1").lower()
        self.status = int(self.head.split()[1])

    def _more(self) -> None:
        part = self._connection.recv(65536)
        if not part:
            raise ConnectionError("closed")
        self._buffer += part

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def send(self, content: bytes, code: int = TEXT) -> None:
        """Send one frame, masked as clients do."""
        size = len(content)
        long = struct.pack("!BH", 0xFE, size) if size < MOST else struct.pack("!BQ", 0xFF, size)
        begin = struct.pack("!B", 0x80 | size) if size < 126 else long
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
        self._connection.sendall(bytes([0x80 | code]) + begin + mask + masked)

    def read(self) -> tuple[int, bytes]:
        """Return the kind and the content of the next frame."""
        first, size = self._take(2)
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        return first & 0x0F, self._take(size)

    def closed(self) -> int:
        """Insist that the next frame ends it, and return its code."""
        code, content = self.read()
        assert code == CLOSE
        return int(struct.unpack("!H", content[:2])[0]) if content else 1005


@contextmanager
def opened(chain: Deployed, path: str = "/probe/socket", origin: str = "") -> Iterator[WebSocket]:
    where = ("127.0.0.1", chain.edge.https)
    with (
        socket.create_connection(where, timeout=20) as connection,
        chain.edge.trust().wrap_socket(connection, server_hostname=HOST) as wrapped,
    ):
        yield WebSocket(wrapped, chain, path, origin or chain.edge.origin)


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


@pytest.mark.parametrize("frame", [b"\x81\x81abcd\xff", b"\xf1\x80abcd", b"\x81\x01a"])
def test_frame_that_is_none_ends_it(chain: Deployed, frame: bytes) -> None:
    """Text that is not UTF-8, reserved bits, a client that does not mask."""
    mark = chain.service.mark()
    with opened(chain) as made:
        made.read()
        made._connection.sendall(frame)
        try:
            while made.read()[0] != CLOSE:
                pass
        except ConnectionError:
            pass
    with opened(chain) as another:
        assert another.status == 101
    assert all(line["event"] != "sys_crash" for line in chain.service.lines(mark))
