"""What the views of all frameworks do; put into a generated project as `app/probe/material.py`."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

NAVIGATION = ("probe", "/probe/facts", "Probe")
FILE = Path(__file__)
"""Any file, to be sent."""
_PIECE = b"x" * 65536

uploads: list[dict[str, object]] = []
"""What arrived whole."""
open_streams: list[int] = []
"""One entry for each stream that is being sent."""


def stored(text: str, content: bytes) -> dict[str, object]:
    """Keep what arrived, and return what can be compared."""
    found: dict[str, object] = {
        "text": text,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    uploads.append(found)
    return found


def facts(client: str | None, scheme: str, host: str, names: Iterable[str]) -> dict[str, object]:
    """Return who asks, by what the framework was told, and what this process has seen."""
    # What nobody holds any more counts as ended.
    gc.collect()
    return {
        "client": client,
        "scheme": scheme,
        "host": host,
        "headers": sorted(name.lower().replace("_", "-") for name in names),
        "uploads": len(uploads),
        "streams": len(open_streams),
        "process": os.getpid(),
    }


def broken() -> Iterator[bytes]:
    """Yield one part and fail."""
    yield b"the first part\n"
    raise RuntimeError("the second part cannot be made")


def large(size: int) -> Iterator[bytes]:
    """Yield `size` bytes; ends early where the client does."""
    open_streams.append(size)
    try:
        for _ in range(size // len(_PIECE)):
            yield _PIECE
    finally:
        open_streams.pop()


def behind(folder: str) -> Iterator[float]:
    """Work once an answer is sent, until the folder has the file "go"; yields how long to wait."""
    place = Path(folder)
    (place / "begun").touch()
    while not (place / "go").exists():
        yield 0.05
    (place / "done").touch()


class Sent:
    """A body that works behind its end, where it is closed."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pieces = iter([b"sent"])

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Work: the answer is sent."""
        for seconds in behind(self._folder):
            time.sleep(seconds)


def hang(seconds: int) -> None:
    """Sleep with the interpreter locked: nothing else of this process runs."""
    ctypes.PyDLL(None).sleep(seconds)
