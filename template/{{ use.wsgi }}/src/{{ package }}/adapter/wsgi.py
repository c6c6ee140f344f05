# Owned by the template: extend, do not edit.
"""The policy around a WSGI application, outside everything that the framework does by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from io import BytesIO
from typing import Any

from ..security.csrf import SAFE_METHODS
from ..security.errors import Answer
from ..security.events import REQUEST
from ..security.guard import Guard
from ..security.headers import Pairs
from ..security.visit import Visit

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

VISIT = "visit"
"""Where the environ holds the visit."""
_SHORT = 65536
"""Bytes of a body that is read before it is sent."""


class WsgiHead:
    """A WSGI environ as the policy reads it."""

    __slots__ = ("_headers", "method", "path", "peer", "query", "scheme")

    def __init__(self, environ: Environ) -> None:
        # Not the environ, which will hold the visit: such a cycle would wait for the collector.
        # `in` takes half the time of a prefix check; a few names too many are never looked up.
        self._headers: dict[str, str] = {
            name: value for name, value in environ.items() if "HTTP_" in name
        }
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if name in environ:
                self._headers[name] = environ[name]
        self.method: str = environ["REQUEST_METHOD"]
        self.path = environ.get("PATH_INFO", "").encode("latin-1")
        self.query = environ.get("QUERY_STRING", "").encode("latin-1")
        self.peer: str = environ.get("REMOTE_ADDR", "")
        self.scheme: str = environ["wsgi.url_scheme"]

    def header(self, name: str) -> str:
        return self._headers.get(_key(name), "")

    def size(self) -> tuple[int, int]:
        headers = self._headers
        return len(headers), len("".join(headers)) + len("".join(headers.values()))


@cache
def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


@lru_cache(maxsize=256)
def _lower(name: str) -> bytes:
    return name.lower().encode()


class Guarded:
    """The application that the server runs."""

    def __init__(self, app: App, guard: Guard) -> None:
        self.app = app
        self.guard = guard

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        visit = self.guard.enter(WsgiHead(environ))
        try:
            return self._run(visit, environ, start_response)
        finally:
            REQUEST.set(None)

    def _run(
        self, visit: Visit, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        is_head = visit.head.method == "HEAD"
        try:
            if visit.answer is None and visit.head.method not in SAFE_METHODS:
                self._read_body(visit, environ)
            if visit.answer is not None:
                return self._answer(visit, self.guard.respond(visit), start_response)
            environ[VISIT] = visit
            # No WebSockets here; Werkzeug would look for a route of theirs, and answer 400.
            environ.pop("HTTP_UPGRADE", None)
            if is_head:
                environ["REQUEST_METHOD"] = "GET"
            status, headers, chunks = _call(self.app, environ)
            own = [(_lower(name), value.encode("latin-1")) for name, value in headers]
            if _is_short(own):
                # In one piece it costs the server less, and an error on the way is still a page.
                try:
                    body = b"".join(chunks)
                finally:
                    _close(chunks)
                chunks = [body]
        except Exception as error:  # noqa: BLE001 - nobody else is left to answer
            return self._answer(visit, self.guard.crash(visit, error), start_response)
        replaced = self._begin(visit, int(status[:3]), own, start_response)
        empty = is_head or (b"content-length", b"0") in own
        if replaced is None and not empty:
            return chunks
        _close(chunks)
        # A list: the server streams anything else, and then orders the headers differently.
        return [] if is_head else [replaced or b""]

    def _read_body(self, visit: Visit, environ: Environ) -> None:
        body = environ["wsgi.input"].read(self.guard.policy.input.max_body + 1)
        visit.read_body(body)
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))

    def _answer(
        self, visit: Visit, answer: Answer, start_response: StartResponse
    ) -> Iterable[bytes]:
        visit.final = True
        replaced = self._begin(visit, answer.status, answer.pairs(), start_response)
        if visit.head.method == "HEAD":
            return []
        return [answer.body if replaced is None else replaced]

    def _begin(
        self, visit: Visit, status: int, own: Pairs, start_response: StartResponse
    ) -> bytes | None:
        """Send status and headers; return the body if the policy has one too."""
        status, pairs, block, body = self.guard.leave(visit, status, own)
        own_text = [(name.decode(), value.decode("latin-1")) for name, value in pairs]
        # Without a reason phrase: it is optional, and each framework has its own.
        start_response(f"{status} ", [*own_text, *block.text])
        return body


def _is_short(own: Pairs) -> bool:
    for name, value in own:
        if name == b"content-length":
            return value.isdigit() and int(value) <= _SHORT
    return False


def _call(app: App, environ: Environ) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
    """Call the application until it names its status: it may wait until the first chunk."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(
        status: str, headers: list[tuple[str, str]], _exc_info: object = None
    ) -> Callable[[bytes], object]:
        started[:] = [(status, headers)]
        return _no_write

    chunks = app(environ, start)
    if not started:
        iterator = iter(chunks)
        first = next(iterator, b"")
        chunks = _Rest(first, iterator, chunks)
    return *started[0], chunks


class _Rest:
    """An iterable whose first chunk was taken already."""

    def __init__(self, first: bytes, rest: Iterator[bytes], whole: Iterable[bytes]) -> None:
        self._first, self._rest, self._whole = first, rest, whole

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._rest

    def close(self) -> None:
        _close(self._whole)


def _close(chunks: Iterable[bytes]) -> None:
    if close := getattr(chunks, "close", None):
        close()


def _no_write(_: bytes) -> object:
    raise RuntimeError("the write function of WSGI is not supported; return the body")
