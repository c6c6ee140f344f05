# Owned by the template: extend, do not edit.
"""How the server talks to the application: a WSGI application behind the server's ASGI interface.

The server's own WSGI interface has no time limit for bodies, reports a cut body as whole and ends a
broken response as if it were complete (decision 8). Here a body is read on the event loop, under
the policy's limits, before a thread is taken, and what breaks off breaks the connection (BND-4, 5).
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Coroutine, Iterable
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from functools import lru_cache, partial
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import unquote_to_bytes

from ..security.body import Body
from ..security.boundary import Boundary
from ..security.context import RequestContext
from ..security.errors import Problem
from ..security.events import REQUEST, for_request, note
from ..security.responses import Response
from . import boundary_middleware
from .asgi_io import BodyStream, Receive, Scope, Send, linger, send_response
from .wsgi import BoundaryMiddleware, Environ, WsgiRequestHead

_T = TypeVar("_T")
_STORE_THREADS = 8
_THREADS = 48
"""More than can wait for a password hash (`passwords.concurrent` and `passwords.waiting`): a flood
of logins leaves threads for the other pages."""
_IN_MEMORY = 262_144
"""Bytes of a body that are kept in memory; the rest goes to a file without a name."""
_END = object()


class WsgiServer:
    """An ASGI application that runs a WSGI application in threads, inside the boundary."""

    def __init__(self, middleware: BoundaryMiddleware) -> None:
        """Take the whole application; a boundary further inside stands aside."""
        self._middleware = middleware
        self._boundary = middleware.boundary
        self._pause = self._boundary.policy.input.body_pause
        self._threads = ThreadPoolExecutor(_THREADS, "wsgi")
        # A pool of its own: requests that wait for a store that is away hold up no others.
        self._store_threads = ThreadPoolExecutor(_STORE_THREADS, "store")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        environ = _environ(scope)
        try:
            head = WsgiRequestHead(environ)
            head.raw = scope["headers"]
            entered = self._boundary.enter(head)
            if isinstance(entered, Response):
                await send_response(send, entered, is_head=head.method == "HEAD")
                if head.has_body:
                    await linger(receive, self._pause)
            else:
                await self._serve(entered, environ, receive, send)
        finally:
            REQUEST.set(None)

    async def _serve(
        self, context: RequestContext, environ: Environ, receive: Receive, send: Send
    ) -> None:
        is_head = context.head.method == "HEAD"
        incoming = BodyStream(context.body, receive) if context.body else None
        deadline = _deadline(context)
        with ExitStack() as kept:
            try:
                sent, chunks = await self._ask(context, environ, incoming, deadline, kept)
            except Exception as error:  # noqa: BLE001 - the server would say it in its own words
                sent = self._boundary.leave(context, self._boundary.crash(context, error))
                chunks = [sent.body or b""]
            if isinstance(chunks, list):
                whole = Response(sent.status, sent.headers, b"".join(chunks))
                await send_response(send, whole, is_head=is_head)
            else:
                streaming = self._stream(context, sent, chunks, receive, send)
                if deadline:
                    streaming = _within(deadline, context, 503, streaming, begun=True)
                await streaming
                self._boundary.end(context)
        if incoming:
            await incoming.drop(self._pause)

    async def _ask(
        self,
        context: RequestContext,
        environ: Environ,
        incoming: BodyStream | None,
        deadline: float,
        kept: ExitStack,
    ) -> tuple[Response, Iterable[bytes]]:
        """Read the body, which is `kept` until the answer is sent, and ask the application."""
        session = context.session
        if session.cookie and not self._boundary.store.local:
            await self._in_thread(context, session.fetch, threads=self._store_threads)
        body: BinaryIO = io.BytesIO()
        if context.body and incoming:
            try:
                public = context.route.public or self._middleware.foresee(environ)
                if public is False or (public is None and context.route.is_fact):
                    # What a fact opens wide is not for strangers to fill.
                    await self._in_thread(context, self._boundary.allow_user, context)
                reading = _read(context.body, incoming)
                body, size = await (
                    _within(deadline, context, 408, reading) if deadline else reading
                )
                # Also for a body that came in chunks: some frameworks read none without a length.
                environ["CONTENT_LENGTH"] = str(size)
            except Problem as problem:
                body = _Unreadable(self._boundary, context, problem)
                environ["CONTENT_LENGTH"] = environ.get("CONTENT_LENGTH") or "1"
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        kept.enter_context(body)
        making = self._submit(context, self._middleware.respond, context, environ, body)
        if deadline:
            return await self._in_time(context, making, deadline)
        return await asyncio.wrap_future(making)

    async def _in_time(
        self,
        context: RequestContext,
        making: futures.Future[tuple[Response, Iterable[bytes]]],
        deadline: float,
    ) -> tuple[Response, Iterable[bytes]]:
        """Wait for the answer as long as the route's fact says; its thread goes on to its end."""
        made = asyncio.wrap_future(making)
        left = deadline - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({made}, timeout=left)
        if done:
            return made.result()
        # Not by a task: one that still waits when the server stops would be given up, and what the
        # view has made would stay open.
        making.add_done_callback(partial(_close_late, context))
        made.cancel()
        response = self._boundary.error_response(context, _late(context, 503))
        return self._boundary.leave(context, response), [response.body or b""]

    async def _stream(
        self,
        context: RequestContext,
        sent: Response,
        chunks: Iterable[bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        """Send piece by piece; an exception on the way goes up, and the connection breaks."""
        gone = asyncio.ensure_future(_disconnected(receive))
        making: futures.Future[Any] | None = None
        try:
            await send(
                {"type": "http.response.start", "status": sent.status, "headers": sent.headers}
            )
            pieces = iter(chunks)
            while not gone.done():
                making = self._submit(context, next, pieces, _END)
                piece = await asyncio.wrap_future(making)
                if piece is _END:
                    await send({"type": "http.response.body", "body": b""})
                    break
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            gone.cancel()
            close = getattr(chunks, "close", None)
            if close and making and not making.done():
                # It took too long and goes on: what is at work cannot be closed.
                making.add_done_callback(partial(_close_in, context, close))
            elif close:
                await self._in_thread(context, close)

    async def _in_thread(
        self,
        context: RequestContext,
        work: Callable[..., Any],
        *arguments: Any,
        threads: ThreadPoolExecutor | None = None,
    ) -> Any:
        return await asyncio.wrap_future(self._submit(context, work, *arguments, threads=threads))

    def _submit(
        self,
        context: RequestContext,
        work: Callable[..., Any],
        *arguments: Any,
        threads: ThreadPoolExecutor | None = None,
    ) -> futures.Future[Any]:
        # What the application leaves in context variables, as Flask its own contexts, is there for
        # each piece of the body as well, whichever thread asks for it.
        if context.variables is None:
            context.variables = copy_context()
        pool = threads or self._threads
        return pool.submit(context.variables.run, for_request(context, work, *arguments))


class _Unreadable(io.BytesIO):
    """A body that is refused: whoever reads it learns why.

    Whether there is anything at the address, and for whom, comes before that, as it does where a
    body is read while it comes.
    """

    def __init__(self, boundary: Boundary, context: RequestContext, problem: Problem) -> None:
        super().__init__()
        self._boundary = boundary
        self._context = context
        self._problem = problem

    def _fail(self, *_: Any) -> Any:
        # Frameworks swallow and wrap what their reader raises; the boundary remembers.
        self._boundary.fail(self._context, self._problem)
        raise self._problem

    read = read1 = readline = readlines = readinto = __next__ = _fail


async def _read(body: Body, incoming: BodyStream) -> tuple[BinaryIO, int]:
    """Return the whole body, checked, and its size; raise `Problem`."""
    file = cast(BinaryIO, SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - returned open
    try:
        while not incoming.over:
            file.write((await incoming.piece()).get("body", b""))
        size = file.tell()
        file.seek(0)
        if body.held:
            body.finish(file.read())
            file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, size


def _deadline(context: RequestContext) -> float:
    """Return when the answer must be there, 0 where nothing is said of it."""
    seconds = context.route.max_seconds
    return asyncio.get_running_loop().time() + seconds if seconds else 0.0


def _late(context: RequestContext, status: int) -> Problem:
    seconds = context.route.max_seconds
    return Problem(status, reason=f"more than {seconds} s: [[route]] max-seconds")


async def _within(
    deadline: float,
    context: RequestContext,
    status: int,
    work: Coroutine[Any, Any, _T],
    *,
    begun: bool = False,
) -> _T:
    """Return what `work` does, or raise `Problem`: that breaks off an answer that has begun."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError:
        problem = _late(context, status)
        if begun:
            # Nobody else says so any more.
            note("request_refused", reason=problem.reason)
        raise problem from None


def _close_late(
    context: RequestContext, making: futures.Future[tuple[Response, Iterable[bytes]]]
) -> None:
    """Close what nobody sends any more, in the thread and the context that have made it."""
    if not making.cancelled() and making.exception() is None:
        _, chunks = making.result()
        if close := getattr(chunks, "close", None):
            _close_in(context, close)


def _close_in(context: RequestContext, close: Callable[[], object], *_: object) -> None:
    """Close in the context in which the application has worked: its own variables are there."""
    if context.variables:
        context.variables.run(close)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


@lru_cache(maxsize=256)
def _name(name: bytes) -> str:
    """Return the CGI name of a header, "" for one that would stand for another (PRX-4).

    `X_Forwarded_For` would be read as `X-Forwarded-For`, which the proxy overwrites.
    """
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def _environ(scope: Scope) -> Environ:
    path: bytes = scope["raw_path"]
    client = scope.get("client")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0] if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name = _name(raw_name)
        if not name:
            continue
        value = raw_value.decode("latin-1")
        if name in environ:
            if name == "CONTENT_TYPE":
                continue
            # RFC 9110 section 5.2; for Cookie RFC 9113 section 8.2.3.
            value = f"{environ[name]}{'; ' if name == 'HTTP_COOKIE' else ','}{value}"
        environ[name] = value
    return environ


def server_app(app: Any) -> WsgiServer:
    """Return what an ASGI server runs, of what `create_app` returns."""
    return WsgiServer(boundary_middleware(app))
