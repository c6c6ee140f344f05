"""A client of WebSockets that sends what it is told, also what no library would."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Mapping

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """A client's side of RFC 6455, as small as these tests need it."""

    def __init__(self, connection: socket.socket, path: str, headers: Mapping[str, str]) -> None:
        """Ask for an upgrade; `status` and `head` are the answer's."""
        self.connection = connection
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {path} HTTP/1.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *(f"{name}: {value}" for name, value in headers.items()),
        )
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1").lower()
        self.status = int(self.head.split()[1])

    def _more(self) -> None:
        part = self.connection.recv(65536)
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
        long = struct.pack("!BH", 0xFE, size) if size < 1 << 16 else struct.pack("!BQ", 0xFF, size)
        begin = struct.pack("!B", 0x80 | size) if size < 126 else long
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
        self.connection.sendall(bytes([0x80 | code]) + begin + mask + masked)

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
