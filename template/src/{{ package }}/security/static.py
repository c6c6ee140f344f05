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
_TYPES = mimetypes.MimeTypes()
"""Those that Python knows by itself: what else a machine knows, the next one may not."""
for _kind, _ending in (
    ("font/woff", ".woff"),
    ("font/woff2", ".woff2"),
    ("image/avif", ".avif"),
    ("image/webp", ".webp"),
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("application/json", ".map"),
    ("application/manifest+json", ".webmanifest"),
):
    _TYPES.add_type(_kind, _ending)


class StaticFiles:
    """The files of one folder, or of several as if they were one."""

    def __init__(
        self, folder: Path, max_age: int, libraries: Iterable[tuple[str, Path]] = ()
    ) -> None:
        """Read the folder, and those of libraries beside it; `max_age` in seconds.

        Each of them comes with what its files' names begin with, "" for nothing. Of a name that
        several have, the first counts. The addresses of the folder's own files do not change with
        those of a library.
        """
        files = own_files = _read(folder)
        for prefix, library in libraries:
            files = _read(library, prefix) | files
        self._own_path = _hashed_path(own_files)
        self.url_path = self._own_path if files == own_files else _hashed_path(files)
        """Where all files are, without a slash at the end."""
        self._integrity = {
            name: f"sha384-{b64encode(hashlib.sha384(body).digest()).decode()}"
            for name, body in files.items()
        }
        self._own_names = frozenset(own_files)
        kept = (("cache-control", f"public, max-age={max_age}, immutable"),)
        # Without the hash too, as frameworks' own helpers write it; browsers then ask each time.
        fresh = (("cache-control", "no-cache"),)
        self._responses = {
            f"{path}/{name}": Response.of(200, _media_type(name), body, cache)
            for path, found, cache in (
                (self._own_path, own_files, kept),
                (self.url_path, files, kept),
                (PREFIX.rstrip("/"), files, fresh),
            )
            for name, body in found.items()
        }

    def url(self, name: str) -> str:
        """Return the address of a file. Raises `KeyError` naming a file that is not there."""
        if name not in self._integrity:
            raise KeyError(f"app/static/{name} is not there")
        path = self._own_path if name in self._own_names else self.url_path
        return f"{path}/{name}"

    def integrity(self, name: str) -> str:
        """Return the file's Subresource Integrity value."""
        return self._integrity[name]

    def response(self, path: str) -> Response:
        """Return the file at an address, or raise `Problem`."""
        if path not in self._responses:
            raise Problem(404)
        return self._responses[path]


def _read(folder: Path, prefix: str = "") -> dict[str, bytes]:
    return {
        (prefix / file.relative_to(folder)).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    }


def _hashed_path(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, body in sorted(files.items()):
        digest.update(f"{name}\0{len(body)}\0".encode() + body)
    return f"{PREFIX}{digest.hexdigest()[:16]}"


def _media_type(name: str) -> str:
    kind = _TYPES.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
