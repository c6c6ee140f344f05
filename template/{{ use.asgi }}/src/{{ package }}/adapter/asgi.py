# Owned by the template: extend, do not edit.
"""The policy around an ASGI application, outside everything that the framework does by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from ..security.body import Body
from ..security.boundary import Boundary
from ..security.context import Origin, RequestContext
from ..security.errors import Problem, is_for_head_alone
from ..security.events import REQUEST, for_request
from ..security.proxy import FORWARDING_BYTES
from ..security.responses import Response
from ..security.sending import following
from ..security.sessions import Session
from .asgi_io import BodyStream, Message, Receive, Scope, Send, linger, nowhere, send_response
from .authorship import judged
from .base_http_middleware import patch_base_http_middleware
from .compose import KEY, Exchange

_T = TypeVar("_T")
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OfScope = Callable[[Scope], bool]
IsPublic = Callable[[Scope], bool | None]
"""Tells from a scope whether the view is public, None where none is found that is closed."""
ContentOf = Callable[[Any], dict[str, Any] | None]
"""Takes what a framework put in the place of our session; returns its content, None for none."""

_OWN_SESSION = "security.own-session"
_ERROR, _CRASH = 400, 500
_PERCENT, _QUESTION = b"%?"
"""As numbers: of a text Python would first try to make one, and throw an exception away."""
_STORE_THREADS = 8
_MOST_HELD = 1_048_576
"""Bytes of an error of the server's side that wait for what becomes of it."""
_REWRITTEN = {*FORWARDING_BYTES, b"host"}
_NOTED = {*_REWRITTEN, b"content-length", b"cookie", b"transfer-encoding"}
"""Headers that the policy asks for of every request, found while all are counted."""
_log = logging.getLogger(__name__)


class AsgiRequestHead:
    """An ASGI scope as the policy reads it."""

    __slots__ = (
        *("_noted", "_pairs", "_size", "has_body", "has_cookie", "is_forwarded", "method"),
        *("origin", "path", "peer", "query", "scheme"),
    )

    def __init__(self, scope: Scope) -> None:
        # Not the scope, which will hold the context: such a cycle would wait for the collector.
        pairs: list[tuple[bytes, bytes]] = scope["headers"]
        self._pairs = pairs
        self.method: str = scope["method"]
        # Not scope["path"]: servers replace there what is not UTF-8, and that is to be refused.
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        # Litestar's test client leaves the query there.
        path = path.partition(b"?")[0] if _QUESTION in path else path
        self.path = unquote_to_bytes(path) if _PERCENT in path else path
        self.query: bytes = scope["query_string"]
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        self.scheme: str = scope["scheme"]
        size, twice = 0, False
        noted: dict[bytes, bytes] = {}
        for name, value in pairs:
            size += len(name) + len(value)
            if name in _NOTED:
                twice = twice or name in noted
                noted[name] = value
        self._size = size
        self._noted = {name: self._joined(name) for name in noted} if twice else noted
        self.has_body = b"content-length" in noted or b"transfer-encoding" in noted
        self.has_cookie = b"cookie" in noted
        self.is_forwarded = not FORWARDING_BYTES.isdisjoint(noted)
        get = self._noted.get
        self.origin: Origin = (self.peer, self.scheme, get(b"host", b""), b"", b"", b"")
        if self.is_forwarded:
            self.origin = (
                *self.origin[:3],
                get(b"x-forwarded-for", b""),
                get(b"x-forwarded-proto", b""),
                get(b"x-forwarded-host", b""),
            )

    def _joined(self, name: bytes) -> bytes:
        values = [value for own, value in self._pairs if own == name]
        if name == b"content-type":
            # The first, as frameworks read it, and all that a WSGI service gets to see.
            values = values[:1]
        return (b"; " if name == b"cookie" else b",").join(values)

    def header(self, name: str) -> str:
        key = name.encode()
        value = self._noted.get(key)
        return str(self._joined(key) if value is None else value, "latin-1")

    def size(self) -> tuple[int, int]:
        return len(self._pairs), self._size


class BoundaryMiddleware:
    """Around the application: nothing comes in or goes out beside it."""

    def __init__(
        self,
        app: App,
        boundary: Boundary,
        is_public: IsPublic,
        *,
        content_of: ContentOf | None = None,
        propagate: OfScope = lambda _: False,
        finds_ours: OfScope = lambda _: True,
    ) -> None:
        """Take the application; where `propagate`, its exceptions are raised after the answer.

        Test clients show them; ours has logged them. `finds_ours` tells whether the view has found
        our session in the scope.
        """
        self.app = app
        self.boundary = boundary
        self.is_public = is_public
        self.content_of = content_of or as_mapping
        self.propagate = propagate
        self.finds_ours = finds_ours
        # A pool of its own: requests that wait for a store that is away hold up no others.
        self.store_threads = ThreadPoolExecutor(_STORE_THREADS, "store")
        # Starlette's, also mounted; any other page before an exception is the application's own.
        boundary.stock |= {(_CRASH, b"Internal Server Error")}
        # Not above: it knows this module.
        from .sockets import Sockets

        self.sockets = Sockets(self)
        patch_base_http_middleware()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Not a coroutine that waits for another: the one that does the work.
        if scope["type"] == "http":
            return _Exchange(self, scope, send).run(receive)
        if scope["type"] == "lifespan":
            return self.app(scope, receive, send)
        return self.sockets.serve(scope, receive, send)

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, which may have to wait for the store."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.store_threads, for_request(REQUEST.get(), work))

    async def fetch(self, session: Session) -> None:
        """Read a session from the store."""
        if self.boundary.store.local:
            session.fetch()
        else:
            await self.in_thread(session.fetch)

    async def leave(self, context: RequestContext, response: Response) -> Response:
        """Judge a response, and store the session."""
        if context.needs_store:
            return await self.in_thread(lambda: self.boundary.leave(context, response))
        return self.boundary.leave(context, response)


class _Exchange:
    """One request and its response."""

    # Defaults of the class: most requests need nothing else.
    _start: Message | None = None
    """A start, until it is known whether a body follows: what fails before has stored nothing."""
    _ready: Message | None = None
    """A judged start, until its first piece follows: what fails before has our page, too."""
    _started = False
    _passes = False
    """True once a body is sent as it comes."""
    _late = False
    """The client has been told that it takes too long."""
    _reader: _BodyReader | None = None
    _replaced = False
    _as_head: Scope | None = None
    """What the application is asked where it takes no GET."""
    _dropped = False
    _is_head: bool
    _context: RequestContext
    _session: Session

    def __init__(self, middleware: BoundaryMiddleware, scope: Scope, send: Send) -> None:
        self._middleware = middleware
        self._boundary = middleware.boundary
        self._scope = scope
        self._send_raw = send
        self._held: list[Message] = []
        """An error of the server's side: an exception that follows says more."""

    async def run(self, receive: Receive) -> None:
        """Judge the request, ask the application, and answer."""
        boundary, head = self._boundary, AsgiRequestHead(self._scope)
        try:
            entered = boundary.enter(head)
            if isinstance(entered, Response):
                await self._refuse(entered, head, receive)
                return
            context = self._context = entered
            session = self._session = context.session
            self._is_head = head.method == "HEAD"
            try:
                if context.slow_page:
                    boundary.allow(context, public=True)
                    await self._respond(await self._middleware.in_thread(context.slow_page))
                    return
                rewrite(self._scope, boundary, context)
                self._scope["session"] = session
                if session.cookie or self._is_head:
                    self._rewrite()
                if session.cookie:
                    await self._middleware.fetch(session)
                if context.body:
                    receive = self._reader = _BodyReader(self, context.body, receive)
                seconds = context.route.max_seconds
                if seconds:
                    await self._in_time(self._answer(receive), seconds)
                else:
                    await self._middleware.app(self._scope, receive, self.send)
                    if self._ready or not self._started:
                        await self._finish(receive)
            except Exception as error:  # noqa: BLE001 - nobody else is left to answer
                await self._crash(error)
            boundary.end(context)
            if self._reader and not self._reader.over:
                await self._reader.drop(boundary.policy.input.body_pause)
                self._send_raw = nowhere
        finally:
            REQUEST.set(None)

    async def _refuse(self, refusal: Response, head: AsgiRequestHead, receive: Receive) -> None:
        """Send what the policy answers by itself."""
        await send_response(self._send_raw, refusal, is_head=head.method == "HEAD")
        if head.has_body:
            await linger(receive, self._boundary.policy.input.body_pause)

    async def _answer(self, receive: Receive) -> None:
        await self._middleware.app(self._scope, receive, self.send)
        await self._finish(receive)

    async def _in_time(self, answering: Coroutine[Any, Any, None], seconds: int) -> None:
        """Wait for the answer as long as the route's fact says (BND-5).

        Not by a cancellation that is waited for: a view in a thread cannot be cancelled.
        """
        task = asyncio.ensure_future(answering)
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
        finally:
            task.cancel()
        if done:
            await task
            return
        self._late, self._passes = True, False
        # What a late answer comes to is nobody's any more.
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        reading = self._reader is not None and not self._reader.over
        raise Problem(
            408 if reading else 503, reason=f"more than {seconds} s: [[route]] max-seconds"
        )

    def _rewrite(self) -> None:
        """Leave out what is asked in vain."""
        scope = self._scope
        if self._session.cookie:
            # Compression next to a secret tells the secret by its length (BREACH).
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        if self._is_head:
            # Only GET has parts (RFC 9110, 14.2).
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"range"]
            self._as_head = {**scope}
            scope["method"] = "GET"

    def decide_access(self) -> None:
        """Before a body is read (RTE-2); of what is not found so far the answer is judged."""
        public = self._middleware.is_public(self._scope)
        if not (public is None or self._context.access_decided):
            self._boundary.allow(self._context, public=public)

    def fail(self, problem: Problem) -> None:
        self._boundary.fail(self._context, problem)

    def send(self, message: Message) -> Awaitable[None]:
        """Take what the application answers."""
        kind = message["type"]
        if kind == "http.response.body" and self._passes:
            return self._send_first(message) if self._ready else self._send_raw(message)
        if kind == "http.response.start" and (passed := self._passed(message)):
            self._ready = passed
            return _done()
        return self._take(kind, message)

    async def _send_first(self, message: Message) -> None:
        context, send = self._context, self._send_raw
        if start := self._ready:
            length = context.length
            # Nearly all are one piece of the length they say: that is all they pay for it (BND-4).
            if context.events or (
                length is not None
                and (message.get("more_body") or length != b"%d" % len(message.get("body", b"")))
            ):
                self._send_raw = following(context, message, send, self._middleware.in_thread)
            self._ready = None
            await send(start)
        await send(message)

    def _passed(self, start: Message) -> Message | None:
        """Return an answer's start as it is sent, None where there is something to judge."""
        context, status = self._context, start["status"]
        if (
            status >= _ERROR
            or self._late
            or self._is_head
            or self._scope.get("session") is not self._session
        ):
            return None
        if not context.access_decided and self._middleware.is_public(self._scope):
            self._boundary.allow(context, public=True)
        headers = self._boundary.passed(context, status, [*start.get("headers", ())])
        if headers is None:
            return None
        self._started = self._passes = True
        return {**start, "headers": headers}

    async def _take(self, kind: str, message: Message) -> None:
        """Take what is not just sent as it comes."""
        if self._late:
            raise OSError("the answer came too late")
        if self._as_head and self._drops(message):
            return
        if kind == "http.response.start":
            self._start = message
        else:
            await self._continue(message)

    async def _continue(self, message: Message) -> None:
        """Take what follows the start."""
        kind = message["type"]
        if kind == "http.response.body" and self._start and self._start["status"] >= _ERROR:
            await self._begin_error(self._start, message)
            return
        if self._held:
            self._held.append(message)
            if sum(len(held.get("body", b"")) for held in self._held) > _MOST_HELD:
                await self._release()
            return
        if self._start:
            await self._begin(self._start, None)
        if kind == "http.response.pathsend" and self._is_head:
            message = {"type": "http.response.body"}
        await self._pass_on(message)

    def _drops(self, message: Message) -> bool:
        """Tell whether it belongs to the refusal of a GET, where HEAD is what the address takes."""
        if message["type"] == "http.response.start":
            self._dropped = is_for_head_alone(message["status"], message.get("headers", ()))
        return self._dropped

    async def _begin_error(self, start: Message, message: Message) -> None:
        """Judge an error by its first piece: one without a body is one that nobody wrote."""
        more, content = message.get("more_body", False), message.get("body", b"")
        if more and not content:
            return
        if start["status"] >= _CRASH:
            self._held = [start, message]
            self._start = None
            return
        # A middleware hands the whole on before it knows that nothing follows.
        whole = not more or (start["status"], content) in self._boundary.stock
        await self._begin(start, content if whole else None)
        await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if self._replaced:
            return
        if self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send_first(message)

    async def _begin(self, start: Message, body: bytes | None) -> None:
        """Judge and send status and headers, and the body too where it is the policy's."""
        self._start = None
        context = self._context
        if self._scope.get("session") is not self._session:
            self._adopt_session(context)
        if not context.access_decided and self._middleware.is_public(self._scope):
            self._boundary.allow(context, public=True)
        # As servers do it: some applications do not know that ASGI wants lower case.
        own = [(name.lower(), value) for name, value in start.get("headers", ())]
        response = Response(start["status"], own, body)
        if self._session.fetched:
            sent = await self._middleware.leave(context, response)
        else:
            sent = self._boundary.leave(context, response)
        self._started = True
        self._replaced = sent.body is not body
        self._passes = not (self._replaced or self._is_head)
        self._ready = {**start, "status": sent.status, "headers": sent.headers}
        if self._replaced:
            content = b"" if self._is_head else sent.body or b""
            await self._send_first({"type": "http.response.body", "body": content})

    def _adopt_session(self, context: RequestContext) -> None:
        """Take over a session that the framework put in the place of ours (SES-12)."""
        current = self._scope.get("session")
        if not self._middleware.finds_ours(self._scope):
            # A middleware keeps sessions of its own in a cookie of its own: ours goes on beside it.
            return
        self._scope["session"] = context.session
        if current and (content := self._middleware.content_of(current)) is not None:
            context.session.replace(content)
        else:
            context.session.clear()

    async def _finish(self, receive: Receive) -> None:
        """Send what was held back until it was sure that no exception follows."""
        if self._dropped and self._as_head:
            self._scope, self._as_head, self._dropped = self._as_head, None, False
            self._boundary.forget_access(self._context)
            await self._middleware.app(self._scope, receive, self.send)
        if self._held:
            await self._release()
        elif self._start:
            await self._begin(self._start, b"")
        elif not self._started:
            raise RuntimeError("the application sent no response")
        if self._ready:
            await self._send_first({"type": "http.response.body", "body": b""})

    async def _release(self) -> None:
        start, *parts = self._held
        self._held = []
        body = b"".join(part.get("body", b"") for part in parts)
        await self._begin(start, None if parts[-1].get("more_body") else body)
        for message in parts:
            await self._pass_on(message)

    async def _crash(self, error: Exception) -> None:
        if self._context.events and self._context.events.ended:
            return
        if self._started and not self._ready:
            # Broken off, so that nobody takes a part for the whole (BND-4).
            _log.error("sys_crash", exc_info=error)
            raise error
        self._ready, self._passes = None, False
        response = self._boundary.crash(self._context, judged(error))
        page = b"".join(message.get("body", b"") for message in self._held[1:])
        if page and self._boundary.shows_debug_page(self._context, response):
            response = self._boundary.debug_page(self._held[0]["headers"], page)
        whole = page and not self._held[-1].get("more_body")
        if whole and response.status == _CRASH and self._boundary.production:
            await self._release()
        else:
            await self._respond(response)
        if response.status == _CRASH and self._middleware.propagate(self._scope):
            raise error

    async def _respond(self, response: Response) -> None:
        sent = await self._middleware.leave(self._context, response)
        self._started = True
        await send_response(self._send_raw, sent, is_head=self._is_head)


class _BodyReader(BodyStream):
    """Hands the body on as it came, once it is checked (BND-4, BND-5)."""

    __slots__ = ("_exchange", "_parts", "_read")

    def __init__(self, exchange: _Exchange, body: Body, receive: Receive) -> None:
        super().__init__(body, receive)
        self._exchange = exchange
        self._parts: list[bytes] = []
        """What has come of a body that is held: who waited for it may give up, and ask again."""
        self._read = False

    async def __call__(self) -> Message:
        if self.over:
            return await self._receive()
        try:
            if not self._read:
                self._read = True
                self._exchange.decide_access()
            return await (self._whole() if self._body.held else self.piece())
        except Problem as problem:
            # Frameworks swallow and wrap what their reader raises; the boundary remembers.
            self._exchange.fail(problem)
            raise

    async def _whole(self) -> Message:
        while not self.over:
            self._parts.append((await self.piece()).get("body", b""))
        whole = b"".join(self._parts)
        self._body.finish(whole)
        return {"type": "http.request", "body": whole, "more_body": False}


def rewrite(scope: Scope, boundary: Boundary, context: RequestContext) -> None:
    """Let the framework see what the policy has found out, and nothing that a client forges."""
    head = context.head
    scope["scheme"] = "https" if context.https else "http"
    if context.client != head.peer:
        _, port = scope.get("client") or ("", 0)
        scope["client"] = (context.address, port) if context.address else None
    if head.is_forwarded:
        kept = [pair for pair in scope["headers"] if pair[0] not in _REWRITTEN]
        scope["headers"] = [*kept, (b"host", context.host.encode("latin-1"))]
    scope[KEY] = Exchange(boundary, context)


def view_begins(scope: Scope) -> None:
    """Remember whose session a view finds: what it puts in the place of ours is the new content."""
    scope[_OWN_SESSION] = scope.get("session") is scope[KEY].context.session


def finds_ours(scope: Scope, *, default: bool = False) -> bool:
    """Tell the same later on; `default` where nobody has said that a view begins."""
    return bool(scope.get(_OWN_SESSION, default))


def as_mapping(value: Any) -> dict[str, Any] | None:
    """Return the content of what a framework takes for a session: a mapping or a model."""
    if isinstance(value, MutableMapping):
        return dict(value)
    for method in ("model_dump", "to_dict", "dict"):
        if dump := getattr(value, method, None):
            return dict(dump())
    return None


async def _done() -> None:
    """Be awaited where there is nothing to wait for."""
