# Owned by the template: extend, do not edit.
"""Static files under one content hash for the folder, so that browsers may keep them for a year.

One hash for all: what a stylesheet or a module names relative to itself is found too. The files
are few and small: read once at start. nginx keeps what it was sent once.
"""

from __future__ import annotations

import hashlib
import mimetypes
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

from .errors import Problem
from .responses import Response

PREFIX = "/static/"


class StaticFiles:
    """The files of one folder, or of several as if they were one."""

    def __init__(self, folders: Iterable[Path], max_age: int) -> None:
        """Read the folders, of which the first that has a name counts; `max_age` in seconds."""
        files: dict[str, bytes] = {}
        for folder in folders:
            for file in sorted(folder.rglob("*")):
                name = file.relative_to(folder).as_posix()
                if name not in files and file.is_file() and not file.name.startswith("."):
                    files[name] = file.read_bytes()
        digest = hashlib.sha256()
        for name, body in files.items():
            digest.update(f"{name}\0{len(body)}\0".encode() + body)
        self.url_path = f"{PREFIX}{digest.hexdigest()[:16]}"
        """Where the folder is, without a slash at the end."""
        self._integrity = {
            name: f"sha384-{b64encode(hashlib.sha384(body).digest()).decode()}"
            for name, body in files.items()
        }
        cache = (("cache-control", f"public, max-age={max_age}, immutable"),)
        self._responses = {
            f"{self.url_path}/{name}": Response.of(200, _media_type(name), body, cache)
            for name, body in files.items()
        }
        # Without the hash too, as frameworks' own helpers write it; browsers then ask each time.
        fresh = (("cache-control", "no-cache"),)
        self._responses |= {
            f"{PREFIX}{name}": Response.of(200, _media_type(name), body, fresh)
            for name, body in files.items()
        }

    def url(self, name: str) -> str:
        """Return the address of a file. Raises `KeyError` naming a file that is not there."""
        if name not in self._integrity:
            raise KeyError(f"app/static/{name} is not there")
        return f"{self.url_path}/{name}"

    def integrity(self, name: str) -> str:
        """Return the file's Subresource Integrity value."""
        return self._integrity[name]

    def response(self, path: str) -> Response:
        """Return the file at an address, or raise `Problem`."""
        if path not in self._responses:
            raise Problem(404)
        return self._responses[path]


def _media_type(name: str) -> str:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
