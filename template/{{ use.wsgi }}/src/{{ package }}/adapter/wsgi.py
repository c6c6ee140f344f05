# Owned by the template: extend, do not edit.
"""The policy around a WSGI application, outside everything that the framework does by itself."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any, BinaryIO, NamedTuple

from ..security.boundary import Boundary
from ..security.cache import BoundedCache
from ..security.context import Origin, RequestContext
from ..security.csrf import SAFE_METHODS, from_own_page
from ..security.errors import Problem, is_for_head_alone
from ..security.events import REQUEST
from ..security.proxy import FORWARDING
from ..security.responses import Headers, Response
from .compose import KEY, Exchange

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
IsPublic = Callable[[Environ], bool]
"""Tells from an environ in which the framework has found the view whether the view is public."""

_ERROR, _CRASH = 400, 500
_SHORT = 65536
"""Bytes of a body that is read before it is sent."""
_PIECE = 65536
_OTHERS = ("CONTENT_TYPE", "CONTENT_LENGTH")
"""Headers that have no HTTP_ before their names."""
_MOST_NAMES, _MOST_CACHED = 128, 1000
_log = logging.getLogger(__name__)


class WsgiRequestHead:
    """A WSGI environ as the policy reads it."""

    __slots__ = (
        *("_environ", "_names", "has_body", "has_cookie", "is_forwarded", "method", "origin"),
        *("path", "peer", "query", "raw", "scheme"),
    )

    def __init__(self, environ: Environ) -> None:
        # A copy: the environ will hold the context, and a cycle would wait for the collector.
        self._environ = environ.copy()
        names = self._names = _names[tuple(environ)]
        self.method: str = environ["REQUEST_METHOD"]
        self.path = environ.get("PATH_INFO", "").encode("latin-1")
        self.query = environ.get("QUERY_STRING", "").encode("latin-1")
        self.peer: str = environ.get("REMOTE_ADDR", "")
        self.scheme: str = environ["wsgi.url_scheme"]
        get = environ.get
        self.has_body = bool(get("CONTENT_LENGTH") or get("HTTP_TRANSFER_ENCODING"))
        self.has_cookie = "HTTP_COOKIE" in environ
        self.is_forwarded = names.is_forwarded
        self.origin: Origin = (self.peer, self.scheme, get("HTTP_HOST", ""), "", "", "")
        if self.is_forwarded:
            self.origin = (
                *self.origin[:3],
                get("HTTP_X_FORWARDED_FOR", ""),
                get("HTTP_X_FORWARDED_PROTO", ""),
                get("HTTP_X_FORWARDED_HOST", ""),
            )
        self.raw: Headers | None = None
        """All headers as they came, where the server has told; CGI joins some and drops others."""

    def header(self, name: str) -> str:
        value: str = self._environ.get(_key(name), "")
        return value

    def size(self) -> tuple[int, int]:
        if self.raw is not None:
            return len(self.raw), sum(len(name) + len(value) for name, value in self.raw)
        environ, names = self._environ, self._names
        size = names.size
        for name in names.headers:
            size += len(environ[name])
        return len(names.headers), size


class _Names(NamedTuple):
    """What the names in an environ say, which are those of many requests."""

    headers: tuple[str, ...]
    size: int
    """Letters in the names of the headers."""
    is_forwarded: bool


def _read_names(names: tuple[str, ...]) -> _Names:
    headers = tuple(name for name in names if "HTTP_" in name or name in _OTHERS)
    return _Names(headers, len("".join(headers)), not _FORWARDED.isdisjoint(headers))


_names = BoundedCache(
    _read_names, lambda names: _read_names(names).size, longest=_MOST_CACHED, most=_MOST_NAMES
)


@cache
def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in _OTHERS else f"HTTP_{key}"


_FORWARDED = frozenset(map(_key, FORWARDING))


@lru_cache(maxsize=64)
def _server(host: str, https: bool) -> tuple[str, str]:
    """Return name and port of a host that the service answers for."""
    name, _, port = host.rpartition(":")
    return (name, port) if name and port.isdecimal() else (host, "443" if https else "80")


@lru_cache(maxsize=256)
def _lower(name: str) -> bytes:
    return name.lower().encode()


class _Texts(dict[tuple[bytes, bytes], tuple[str, str]]):
    """Headers as WSGI writes them: those that are the same in many responses, made at start."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__({pair: self[pair] for pair in headers})

    def __missing__(self, pair: tuple[bytes, bytes]) -> tuple[str, str]:
        name, value = pair
        return name.decode("latin-1"), value.decode("latin-1")


class BoundaryMiddleware:
    """Around the application: nothing comes in or goes out beside it.

    Where the server's side has entered the boundary already, it stands aside.
    """

    def __init__(
        self,
        app: App,
        boundary: Boundary,
        is_public: IsPublic,
        *,
        foresee: Callable[[Environ], bool | None] = lambda _: None,
        debug_page: Callable[[BaseException], str] | None = None,
        propagate: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take the application.

        `foresee` tells whether what is at an address is public before a body is read, or None where
        the framework alone can tell.
        `debug_page` makes the framework's page about a crash, for the developer. Where `propagate`
        says so, as under a test client, exceptions are raised instead of answered.
        """
        self.app = app
        self.boundary = boundary
        self.is_public = is_public
        self._foresee = foresee
        self._debug_page = debug_page
        self._propagate = propagate
        self._text = _Texts(boundary.constant_headers).__getitem__

    def foresee(self, environ: Environ) -> bool | None:
        """Tell whether what is at an address is public, None where the framework alone can tell."""
        if "HTTP_AUTHORIZATION" in environ:
            # The application may know who that is.
            return None
        try:
            return self._foresee(environ)
        except Exception:  # noqa: BLE001 - a converter of the application's, out of its place
            return None

    def around(self, app: App) -> BoundaryMiddleware:
        """Return the same policy around another application: one that this one is a part of."""
        return BoundaryMiddleware(
            app,
            self.boundary,
            self.is_public,
            foresee=self._foresee,
            debug_page=self._debug_page,
            propagate=self._propagate,
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if KEY in environ:
            return self.app(environ, start_response)
        head = WsgiRequestHead(environ)
        chunks: Iterable[bytes]
        try:
            entered = self.boundary.enter(head)
            if isinstance(entered, Response):
                sent, chunks = entered, [entered.body or b""]
            else:
                body = open_body(environ, self, entered)
                sent, chunks = self.respond(entered, environ, body)
        finally:
            REQUEST.set(None)
        headers = [*map(self._text, sent.headers)]
        # Without a reason phrase: it is optional, and each framework has its own.
        start_response(f"{sent.status} ", headers)
        return [] if head.method == "HEAD" else chunks

    def respond(
        self, context: RequestContext, environ: Environ, body: BinaryIO
    ) -> tuple[Response, Iterable[bytes]]:
        """Ask the application; return status and headers as they are sent, and the body.

        An exception while the body is being made goes up to the server, which breaks off.
        """
        try:
            if context.slow_page:
                self.boundary.allow(context, public=True)
                return self._complete(context, context.slow_page())
            self._rewrite(context, environ, body)
            as_head = (
                {**environ, "REQUEST_METHOD": "HEAD"} if context.head.method == "HEAD" else None
            )
            status, own, chunks = _call(self.app, environ)
            if as_head and is_for_head_alone(status, own):
                _close(chunks)
                environ = as_head
                self.boundary.forget_access(context)
                status, own, chunks = _call(self.app, environ)
            whole = None
            if status >= _ERROR or _is_short(own):
                # In one piece it costs the server less, and an error on the way is still a page.
                try:
                    whole = b"".join(chunks)
                finally:
                    _close(chunks)
                chunks = [whole]
            elif not isinstance(chunks, _Rest):
                chunks = _begun(chunks)
            self.decide_access(context, environ, response=True)
        except Exception as error:  # noqa: BLE001 - nobody else is left to answer
            return self._crash(context, error)
        sent = self.boundary.leave(context, Response(status, own, whole))
        empty = context.head.method == "HEAD" or (b"content-length", b"0") in own
        if sent.body is not whole or empty:
            _close(chunks)
            return sent, [] if empty and sent.body is whole else [sent.body or b""]
        return sent, chunks if whole is not None else _Stream(context, chunks)

    def _complete(
        self, context: RequestContext, response: Response
    ) -> tuple[Response, Iterable[bytes]]:
        sent = self.boundary.leave(context, response)
        return sent, [sent.body or b""]

    def _crash(self, context: RequestContext, error: Exception) -> tuple[Response, Iterable[bytes]]:
        response = self.boundary.crash(context, error)
        if response.status == _CRASH and self._propagate():
            raise error
        if self._debug_page and self.boundary.shows_debug_page(context, response):
            page = self._debug_page(error).encode()
            headers: Headers = [
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-length", b"%d" % len(page)),
            ]
            response = self.boundary.debug_page(headers, page)
        return self._complete(context, response)

    def decide_access(
        self, context: RequestContext, environ: Environ, *, response: bool = False
    ) -> None:
        """Before a body is read: the framework has found the view by now (RTE-2).

        Of a response only that it may be seen by everybody: the boundary closes what nobody judged.
        """
        if not context.access_decided:
            public = self.is_public(environ)
            if public or not response:
                self.boundary.allow(context, public=public)

    def _rewrite(self, context: RequestContext, environ: Environ, body: BinaryIO) -> None:
        """Let the framework see what the policy has found out, and nothing that a client forges."""
        head = context.head
        if head.is_forwarded:
            for name in _FORWARDED:
                environ.pop(name, None)
        if context.client != environ.get("REMOTE_ADDR"):
            environ["REMOTE_ADDR"] = context.address
            environ.pop("REMOTE_HOST", None)
        environ["wsgi.url_scheme"] = "https" if context.https else "http"
        environ["HTTP_HOST"] = context.host
        environ["SERVER_NAME"], environ["SERVER_PORT"] = _server(context.host, context.https)
        # No WebSockets here; Werkzeug would look for a route of theirs, and answer 400.
        environ.pop("HTTP_UPGRADE", None)
        if context.session.cookie:
            # Compression next to a secret tells the secret by its length (BREACH).
            environ.pop("HTTP_ACCEPT_ENCODING", None)
        if head.method == "HEAD":
            environ["REQUEST_METHOD"] = "GET"
            # Only GET has parts (RFC 9110, 14.2).
            environ.pop("HTTP_RANGE", None)
        elif head.method not in SAFE_METHODS and from_own_page(
            head.header("sec-fetch-site"), head.header("origin"), context.origin
        ):
            # What extensions look at beside a token, and our Referrer-Policy keeps from them.
            environ.setdefault("HTTP_REFERER", f"{context.origin}/")
            if environ.get("HTTP_ORIGIN") == "null":
                environ["HTTP_ORIGIN"] = context.origin
        environ["wsgi.input"] = body
        # It ends by itself, also where no length was announced.
        environ["wsgi.input_terminated"] = True
        environ[KEY] = Exchange(self.boundary, context)


class _Stream:
    """A body that is being made: log lines name its request, and it ends as it ends (BND-4)."""

    def __init__(self, context: RequestContext, chunks: Iterable[bytes]) -> None:
        self._context = context
        self._events = context.events
        self._chunks = chunks
        self._iterator = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        REQUEST.set(self._context)
        try:
            piece = next(self._iterator, None)
            if self._events and self._events.is_due and not self._events.goes_on():
                piece = None
            if piece is None:
                self._context.count(0, more=False)
                raise StopIteration
            self._context.count(len(piece), more=True)
            return piece
        except StopIteration:
            raise
        except Exception as error:
            _log.error("sys_crash", exc_info=error)
            raise
        finally:
            REQUEST.set(None)

    def close(self) -> None:
        REQUEST.set(self._context)
        try:
            _close(self._chunks)
        except Exception as error:  # noqa: BLE001 - what was sent is whole, or was broken off
            _log.error("sys_crash", exc_info=error)
        finally:
            REQUEST.set(None)


def open_body(
    environ: Environ, middleware: BoundaryMiddleware, context: RequestContext
) -> BinaryIO:
    """Return the body as a file that checks what is read from it."""
    if context.body is None:
        return io.BytesIO()
    return io.BufferedReader(_CheckedBody(environ, middleware, context), _PIECE)


class _CheckedBody(io.RawIOBase):
    """Hands the body on as it came, once it is checked (BND-4)."""

    def __init__(
        self, environ: Environ, middleware: BoundaryMiddleware, context: RequestContext
    ) -> None:
        self._environ = environ
        self._middleware = middleware
        self._context = context
        self._input = environ["wsgi.input"]
        length = environ.get("CONTENT_LENGTH", "")
        self._left: int | None = int(length) if length else None
        self._ready: io.BytesIO | None = None
        self._begun = self._over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        body = self._context.body
        if body is None:
            return 0
        try:
            if not self._begun:
                self._begun = True
                self._middleware.decide_access(self._context, self._environ)
                if body.held:
                    whole = b"".join(iter(lambda: self._piece(_PIECE), b""))
                    body.finish(whole)
                    self._ready = io.BytesIO(whole)
            if self._ready:
                return self._ready.readinto(buffer)
            piece = self._piece(len(buffer))
            if not piece:
                body.finish()
        except Problem as problem:
            # Frameworks swallow and wrap what their reader raises; the boundary remembers.
            self._middleware.boundary.fail(self._context, problem)
            raise
        buffer[: len(piece)] = piece
        return len(piece)

    def _piece(self, size: int) -> bytes:
        if self._over:
            return b""
        piece: bytes = self._input.read(size if self._left is None else min(size, self._left))
        if self._left is not None:
            self._left -= len(piece)
            if not piece and self._left:
                raise Problem(400, reason="the body is shorter than its Content-Length")
        self._over = not piece or self._left == 0
        if self._context.body:
            self._context.body.feed(piece)
        return piece


def _is_short(own: Headers) -> bool:
    for name, value in own:
        if name == b"content-length":
            return value.isdigit() and int(value) <= _SHORT
    return False


def _call(app: App, environ: Environ) -> tuple[int, Headers, Iterable[bytes]]:
    """Call the application until it names its status: it may wait until the first chunk."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(
        status: str, headers: list[tuple[str, str]], _exc_info: object = None
    ) -> Callable[[bytes], object]:
        started[:] = [(status, headers)]
        return _no_write

    chunks = app(environ, start)
    if not started:
        chunks = _begun(chunks)
    status, headers = started[0]
    own = [(_lower(name), value.encode("latin-1").strip()) for name, value in headers]
    return int(status[:3]), own, chunks


def _begun(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """Take the first chunk: what fails before it has our page, not the server's."""
    iterator = iter(chunks)
    try:
        return _Rest(next(iterator, b""), iterator, chunks)
    except BaseException:
        _close(chunks)
        raise


class _Rest:
    """An iterable whose first chunk was taken already."""

    def __init__(self, first: bytes, rest: Iterator[bytes], whole: Iterable[bytes]) -> None:
        self._first, self._rest, self._whole = first, rest, whole

    def __iter__(self) -> Iterator[bytes]:
        if self._first:
            yield self._first
        yield from self._rest

    def close(self) -> None:
        _close(self._whole)


def _close(chunks: Iterable[bytes]) -> None:
    if close := getattr(chunks, "close", None):
        close()


def _no_write(_: bytes) -> object:
    raise RuntimeError("the write function of WSGI is not supported; return the body")
