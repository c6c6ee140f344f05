"""What routes that a fact opens cost: uploads, WebSockets, and the facts themselves."""

from __future__ import annotations

import json
import os
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.opened import ECHO, UPLOAD
from tests import projects

HOST = "bench.example"
MIB = 1 << 20
SPEED_SIZE, PEAK_SIZE = 20 * MIB, 200 * MIB
FACTS = 50
MESSAGE = b"x" * 32
BATCH = 500
"""Messages that are sent before the first answer is read: the client costs next to nothing."""
IDLE = 10_000
SPARE_FILES = 500
_BOUNDARY = "----WebKitFormBoundary" + "aB3" * 5 + "x"
"""As Chromium writes it: the longer it is, the faster every parser looks for it."""
_MASK = b"\x01\x02\x03\x04"
_TIMEOUT = 120


def policy(project: projects.Project, facts: int = 0) -> str:
    """Write a policy that opens the routes, with `facts` more that other paths have; its path."""
    text = (project.path / "policy.toml").read_text("utf-8")
    text += f"""
[[route]]
path = "{UPLOAD}"
methods = ["POST"]
access = "public"
body = ["multipart/form-data"]
max-body = {PEAK_SIZE + MIB}
"""
    if project.answers["framework"] in {"fastapi", "litestar"}:
        text += f'\n[[route]]\npath = "{ECHO}"\naccess = "public"\nwebsocket = true\n'
    for number in range(facts):
        # Folders and single paths, short and long, as a service has them.
        path = f"/area-{number}/" + ("part/" if number % 2 else "page")
        text += f'\n[[route]]\npath = "{path}"\naccess = "public"\nmax-body = {MIB + number}\n'
    for setting, value in (
        ("websocket.messages-per-second", 10_000_000),
        ("websocket.connections", 2 * IDLE),
        ("websocket.connections-per-client", 2 * IDLE),
    ):
        text += f"""
[[exception]]
setting = "{setting}"
value = {value}
reason = "Measured as fast as it goes, by one client"
owner = "bench@example.com"
expires = 2099-12-31
"""
    made = project.path / f"policy-{facts}.toml"
    made.write_text(text, "utf-8")
    return str(made)


def multipart(size: int) -> tuple[bytes, bytes]:
    """Return the head of a request with a file of that size, and its body."""
    before = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = before.encode() + os.urandom(size) + f"\r\n--{_BOUNDARY}--\r\n".encode()
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def upload(port: int, request: tuple[bytes, bytes], size: int) -> None:
    """Send a file, and see that the answer knows its size."""
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as made:
        for part in request:
            made.sendall(part)
        text = b""
        while b"}" not in text:
            piece = made.recv(65536)
            if not piece:
                break
            text += piece
    if not text.startswith(b"HTTP/1.1 20") or json.loads(text.partition(b"\r\n\r\n")[2]) != {
        "size": size
    }:
        raise AssertionError(text[:2000])


def peak(worker: int, port: int) -> float:
    """Return by how many MiB a worker's peak is above what it held before a large upload."""
    # Makes the present size the peak: proc(5).
    Path(f"/proc/{worker}/clear_refs").write_text("5", "ascii")
    before = _status(worker, "VmHWM")
    upload(port, multipart(PEAK_SIZE), PEAK_SIZE)
    return (_status(worker, "VmHWM") - before) / 1024


def _status(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    (found,) = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found)


def child(parent: int) -> int:
    """Return the only worker of a server."""
    (found,) = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
    return int(found)


def connect(port: int) -> socket.socket:
    """Open a WebSocket; raise `AssertionError` if it is refused."""
    made = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
    made.sendall(
        f"GET {ECHO} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n"
        f"Origin: http://{HOST}\r\n\r\n".encode()
    )
    text = b""
    while b"\r\n\r\n" not in text:
        piece = made.recv(4096)
        if not piece:
            break
        text += piece
    if not text.startswith(b"HTTP/1.1 101"):
        made.close()
        raise AssertionError(text)
    return made


def echo(made: socket.socket, messages: int = BATCH) -> None:
    """Send that many messages, and read as many."""
    masked = bytes(byte ^ _MASK[place % 4] for place, byte in enumerate(MESSAGE))
    made.sendall((struct.pack("!BB", 0x81, 0x80 | len(MESSAGE)) + _MASK + masked) * messages)
    left = messages * (2 + len(MESSAGE))
    while left:
        piece = made.recv(min(left, 1 << 20))
        if not piece:
            raise AssertionError("the WebSocket was closed")
        left -= len(piece)


def seconds(works: Sequence[Callable[[], object]], times: int) -> list[float]:
    """Return how long the fastest turn of each work took, turn by turn: others work here too."""
    best = [float(_TIMEOUT)] * len(works)
    for _ in range(times):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - start)
    return best


@contextmanager
def idle(port: int, wanted: int = IDLE) -> Iterator[list[socket.socket]]:
    """Hold WebSockets open, as many as files allow, and see at the end that each still answers."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        made = [stack.enter_context(connect(port)) for _ in range(min(wanted, soft - SPARE_FILES))]
        yield made
        for one in made:
            echo(one, 1)


def differences(project: projects.Project, subject: Path, rounds: int) -> list[float]:
    """Return the microseconds that facts add to a request, by round."""
    done = project.run(
        project.python,
        *(str(subject), "facts", "--rounds", str(rounds)),
        APP_POLICY=policy(project, FACTS),
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return [more - none for more, none in zip(found["facts"], found["none"], strict=True)]
