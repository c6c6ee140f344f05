# Owned by the template: extend, do not edit.
"""Static files under their content hash, so that browsers may keep them for a year.

They are few and small: read once at start. nginx serves the same addresses from the same folder.
"""

from __future__ import annotations

import hashlib
import mimetypes
from base64 import b64encode
from pathlib import Path

from .errors import Answer, Problem

PREFIX = "/static/"


class StaticFiles:
    """The files of one folder."""

    def __init__(self, folder: Path, max_age: int) -> None:
        """Read the folder; `max_age` in seconds."""
        self._urls: dict[str, str] = {}
        self._integrity: dict[str, str] = {}
        self._answers: dict[str, Answer] = {}
        cache = (("cache-control", f"public, max-age={max_age}, immutable"),)
        for file in sorted(folder.rglob("*")):
            if not file.is_file() or file.name.startswith("."):
                continue
            body = file.read_bytes()
            name = file.relative_to(folder).as_posix()
            url = f"{PREFIX}{hashlib.sha256(body).hexdigest()[:16]}/{name}"
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            if kind.startswith("text/"):
                kind += "; charset=utf-8"
            self._urls[name] = url
            digest = hashlib.sha384(body).digest()
            self._integrity[name] = f"sha384-{b64encode(digest).decode()}"
            self._answers[url] = Answer(200, kind, body, cache)

    def url(self, name: str) -> str:
        """Return the address of a file. Raises `KeyError` naming a file that is not there."""
        return self._urls[name]

    def integrity(self, name: str) -> str:
        """Return the file's Subresource Integrity value."""
        return self._integrity[name]

    def answer(self, path: str) -> Answer:
        """Return the file at an address, or raise `Problem`."""
        if path not in self._answers:
            raise Problem(404)
        return self._answers[path]
