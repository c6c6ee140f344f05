# Owned by the template: extend, do not edit.
"""What is known about one request: filled in by the boundary and the adapter, read by others."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextvars import Context
from typing import Protocol

from .body import Body
from .cookies import CookieFormat
from .cors import Reader
from .event_streams import EventStream
from .responses import Response
from .routes import RouteRules
from .sessions import Session

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
OTHER_LENGTH = "the answer is not as long as its Content-Length says"

Origin = tuple[str, str, str | bytes, str | bytes, str | bytes, str | bytes]
"""What says where a request comes from and what it asks for, as it came, a key for a cache: peer,
scheme, Host, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host."""


class RequestHead(Protocol):
    """A request as the server read it, before anybody believed it."""

    method: str
    path: bytes
    """Decoded path."""
    query: bytes
    peer: str
    """Address of the other end of the connection, "" for a Unix socket."""
    scheme: str
    has_body: bool
    """Whether a body is announced."""
    has_cookie: bool
    is_forwarded: bool
    """Whether a header says what a proxy may say."""
    origin: Origin
    """What says where the request comes from and what it asks for."""

    def header(self, name: str) -> str:
        """Return a header by its lower-case name, several joined by comma, or ""."""

    def size(self) -> tuple[int, int]:
        """Return number and bytes of all headers."""


class RequestContext:
    """One request as the policy sees it."""

    # Defaults of the class, where most requests need nothing else and few ask; none can be changed
    # in place.
    _request_id = ""
    _claimed_id = ""
    _nonce = ""
    _absent = False
    _left = False
    """True once the response has left as something that is no crash."""
    address = ""
    """The client for code that wants an address, "" where there is none."""
    https = False
    host = ""
    """Name in the Host header, in lower case, without the port that the scheme has anyway."""
    path = ""
    """Decoded path; checked before the application sees it."""
    cookies: CookieFormat
    variables: Context | None = None
    """Context variables of what answers, where that runs in more than one thread."""
    reader: Reader | None = None
    """The other origin that a fact of the path lists and whose script asks (RTE-4)."""
    handled: BaseException | None = None
    """What went wrong, where a handler of the application's has been asked to answer it."""
    events: EventStream | None = None
    """The stream of events that the response is, where it has a session to end with."""
    is_socket = False
    """True for the handshake of a WebSocket (RTE-6)."""
    length: bytes | None = None
    """What the answer says of its body's length; None where it says nothing, or has no body."""
    _to_come: int | None = None
    """Bytes that are still to come of a body that comes in pieces."""

    def __init__(
        self,
        head: RequestHead,
        route: RouteRules,
        open_session: Callable[[RequestContext], Session],
    ) -> None:
        """Take the request; the boundary fills in what it has found out."""
        self.head = head
        self.route = route
        """What the service opens for the path."""
        self.client = head.peer
        """Address of the client: what is logged and counted."""
        self.access_decided = False
        """True once it was decided that the one who asks may see what was asked for (RTE-2)."""
        self.body: Body | None = None
        """What checks the body while it is read, None where none was announced."""
        self.slow_page: Callable[[], Response] | None = None
        """Makes a page of the policy's own that may have to wait, where one was asked for."""
        self._open_session = open_session
        self._session: Session | None = None
        self._failure: Exception | None = None

    @property
    def origin(self) -> str:
        """Scheme and host that the client used, for example `https://example.org`."""
        return f"{'https' if self.https else 'http'}://{self.host}"

    @property
    def without_session(self) -> bool:
        """True where nobody's cookies are read or set, so that there is nothing to forge."""
        return self.route.without_session or bool(self.reader and not self.reader.credentials)

    @property
    def request_id(self) -> str:
        """Id that log lines and error pages share: random, or the trusted proxy's."""
        if not self._request_id:
            claimed = self._claimed_id
            self._request_id = claimed if _REQUEST_ID.fullmatch(claimed) else secrets.token_hex(16)
        return self._request_id

    @property
    def known_user(self) -> str:
        """The signed-in user's id if the session was read already, for the log."""
        # Not by its truth: that would read the session, since one without content is empty.
        return self._session.known_user if self._session is not None else ""

    @property
    def nonce(self) -> str:
        """The CSP nonce of this response: 128 random bits."""
        if not self._nonce:
            self._nonce = secrets.token_urlsafe(16)
        return self._nonce

    @property
    def session(self) -> Session:
        """The session; reading it makes the response private."""
        if self._session is None:
            self._session = self._open_session(self)
        return self._session

    def count(self, size: int, *, more: bool) -> None:
        """Take note of a piece of the answer's body; raise `ValueError` where it cannot be one.

        Servers send an answer as it comes: what its headers do not say would begin the next answer
        on the connection, and what is missing would be taken from that.
        """
        if self.length is None:
            return
        left = (int(self.length) if self._to_come is None else self._to_come) - size
        self._to_come = left
        if left < 0 or (left and not more):
            raise ValueError(OTHER_LENGTH)

    def fits(self, size: int) -> bool:
        """Tell whether a whole body of so many bytes is as long as the answer says."""
        length = self.length
        # As nearly all are, before it is read as a number.
        return length is None or length == b"%d" % size or int(length) == size

    @property
    def needs_store(self) -> bool:
        """True if `Boundary.leave` may have to talk to the store."""
        return self._session is not None and self._session.needs_store()
