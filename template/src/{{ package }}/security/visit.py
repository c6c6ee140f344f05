# Owned by the template: extend, do not edit.
"""One request on its way through the policy."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from . import accounts, events
from .cookies import CookieJar
from .errors import Answer, Problem
from .limits import parse_body
from .redirects import safe_target
from .sessions import HANDLE, Session
from .stores import StoreError

if TYPE_CHECKING:
    from .guard import Guard

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_LABEL = 80
_DEVICE = 256
"""Bytes to leave free for the device cookie: more than its Set-Cookie line ever has."""


class Head(Protocol):
    """A request as the server read it, before anybody believed it."""

    method: str
    path: bytes
    """Decoded path."""
    query: bytes
    peer: str
    """Address of the other end of the connection, "" for a Unix socket."""
    scheme: str

    def header(self, name: str) -> str:
        """Return a header by its lower-case name, several joined by comma, or ""."""

    def size(self) -> tuple[int, int]:
        """Return number and bytes of all headers."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as the account page shows it."""

    handle: str
    client: str
    created: datetime
    seen: datetime
    current: bool


class Visit:
    """What is known about the request, and what the application may ask the policy to do."""

    # Defaults of the class, as most requests need nothing else; none can be changed in place.
    client = ""
    """Address of the client: what is logged and counted."""
    https = False
    host = ""
    form: Mapping[str, str] = MappingProxyType({})
    """Fields of a form; a name that came twice was refused."""
    answer: Callable[[], Answer] | None = None
    """The answer, where the application is not asked."""
    final = False
    """True for an error response that is meant as it is, such as a form with messages."""
    problem: Problem | None = None
    """What went wrong, where the framework's status alone does not say it all."""
    _path = ""
    _request_id = ""
    _nonce = ""
    _session: Session | None = None
    _cookies: tuple[str, ...] = ()
    _location = ""

    def __init__(self, guard: Guard, head: Head) -> None:
        """Take the request; `Guard.enter` fills in what it has checked."""
        self.guard = guard
        self.head = head

    @property
    def path(self) -> str:
        """Decoded path; checked before the application sees it."""
        return self._path or self.head.path.decode(errors="replace")

    @path.setter
    def path(self, checked: str) -> None:
        self._path = checked

    @property
    def origin(self) -> str:
        """Scheme and host that the client used, for example `https://example.org`."""
        return f"{'https' if self.https else 'http'}://{self.host.lower()}"

    @property
    def request_id(self) -> str:
        """Id that log lines and error pages share: random, or the trusted proxy's."""
        if not self._request_id:
            self._request_id = secrets.token_hex(16)
        return self._request_id

    @request_id.setter
    def request_id(self, claimed: str) -> None:
        """Take the id that a trusted proxy made, if it has the form of ours."""
        if _REQUEST_ID.fullmatch(claimed):
            self._request_id = claimed

    @property
    def known_user(self) -> str:
        """The signed-in user's id if the session was read already, for the log."""
        return self._session.known_user if self._session else ""

    @property
    def nonce(self) -> str:
        """The CSP nonce of this response: 128 random bits."""
        if not self._nonce:
            self._nonce = secrets.token_urlsafe(16)
        return self._nonce

    @property
    def jar(self) -> CookieJar:
        """Cookie names and attributes for this connection."""
        return self.guard.jars[self.https or self.guard.production]

    @property
    def session(self) -> Session:
        """The session; reading it makes the response private."""
        if self._session is None:
            head = self.head
            cookie = head.header("cookie")
            if cookie:
                cookie = self.jar.read(cookie, self.guard.policy.cookies.session_name)
            self._session = Session(
                self.guard.sessions, cookie, lambda: head.header("user-agent")[:_LABEL]
            )
        return self._session

    @property
    def stores(self) -> bool:
        """True if `commit` may have to talk to the store."""
        return self._session is not None and self._session.pending

    def fail(self, error: Exception) -> int:
        """Note why there is no answer but an error page, and return its status.

        Raises `error` again if it is neither a `Problem` nor a `StoreError`.
        """
        if isinstance(error, StoreError):
            events.emit("sys_store_unavailable", error=str(error))
            error = Problem(503)
        if not isinstance(error, Problem):
            raise error
        self.problem = error
        return error.status

    def user(self) -> str:
        """Return the signed-in user's id, or raise `Problem` 401, or 503 if nobody can know."""
        if user := self.session.user:
            return user
        raise Problem(503 if self.session.unavailable else 401)

    def login(self, users: accounts.Accounts, name: str, password: str) -> accounts.Account | None:
        """See `accounts.login`."""
        return accounts.login(self, users, name, password)

    def change_password(
        self, users: accounts.Accounts, name: str, current: str, new: str
    ) -> dict[str, str]:
        """See `accounts.change_password`."""
        return accounts.change_password(self, users, name, current, new)

    def logout(self) -> None:
        """End the session in the store."""
        user = self.session.user
        self.session.end()
        events.emit("session_revoked", user=user)

    def sessions(self) -> list[SessionInfo]:
        """Return the signed-in user's sessions, last used first (ASVS 7.5.2)."""
        return [
            SessionInfo(
                row.id_hash[:HANDLE],
                row.client or "Unknown device",
                datetime.fromtimestamp(row.created, UTC),
                datetime.fromtimestamp(row.seen, UTC),
                row.id_hash == self.session.id_hash,
            )
            for row in self.guard.sessions.of_user(self.user())
        ]

    def end_session(self, handle: str) -> None:
        """End one session of the signed-in user, or raise `Problem` 404."""
        if not self.guard.sessions.end(self.user(), handle):
            raise Problem(404)
        events.emit("session_revoked", user=self.user())

    def end_other_sessions(self) -> None:
        """End all sessions of the signed-in user but this one."""
        self.guard.store.delete_of_user(self.user(), keep=self.session.id_hash)
        events.emit("session_revoked", user=self.user(), scope="others")

    def device(self, user: str) -> str:
        """Return the name of this browser if it has logged in as `user` before, or ""."""
        lifetime = self.guard.policy.throttle.device_lifetime
        now = self.guard.sessions.now()
        return self.guard.devices.read(self._device_cookie(), user, now, lifetime)

    def _device_cookie(self) -> str:
        return self.jar.read(self.head.header("cookie"), self.guard.policy.cookies.device_name)

    def know_device(self, user: str) -> None:
        """Give this browser the cookie that `device` reads."""
        value = self.guard.devices.issue(user, self.guard.sessions.now())
        policy = self.guard.policy
        lifetime = policy.throttle.device_lifetime
        line = self.jar.write(policy.cookies.device_name, value, lifetime)
        self._cookies = (*self._cookies, line)

    def redirect(self, target: str, *, default: str = "") -> None:
        """Send the client to `target` if the policy allows it, else to our own path `default`.

        Without `default` a refused target raises `Problem` 400. The address is sent as it was
        checked, whatever the framework makes of it.
        """
        hosts = self.guard.policy.service.redirect_hosts
        checked = safe_target(target, self.origin, hosts) if target else None
        if checked is None:
            if target:
                events.emit("malicious_redirect")
            if not default:
                raise Problem(400)
            checked = self.origin + default
        self._location = checked

    def query(self, name: str, default: str | None = None) -> str:
        """Return a query parameter that may come once, or raise `Problem` 400.

        Without a `default` it must come.
        """
        values = parse_qs(self.head.query.decode(), keep_blank_values=True).get(name, [])
        if len(values) > 1 or not (values or default is not None):
            raise Problem(400)
        return values[0] if values else default or ""

    def read_body(self, body: bytes) -> None:
        """Check the body, and fill `form`; raise `Problem`."""
        policy = self.guard.policy.input
        if len(body) > policy.max_body:
            raise Problem(413)
        api = self.path.startswith(policy.api_prefix)
        self.form = parse_body(body, self.head.header("content-type"), api=api, policy=policy)

    def _session_cookie(self, value: str, max_age: int) -> str:
        beside = sum(map(len, self._cookies)) or (_DEVICE if self._device_cookie() else 0)
        name = self.guard.policy.cookies.session_name
        return self.jar.write(name, value, max_age, beside=beside)

    def commit(self) -> list[tuple[bytes, bytes]]:
        """Store the session; return the headers that go with it.

        Raises `StoreError` and `CookieTooLarge` before anything is sent.
        """
        extra: list[tuple[bytes, bytes]] = []
        if self._location:
            extra.append((b"location", self._location.encode()))
        if self._session is None or not self._session.fetched:
            return extra
        line = self._session.commit(self._session_cookie)
        cookies = (*self._cookies, line) if line else self._cookies
        extra += [(b"set-cookie", cookie.encode()) for cookie in cookies]
        if self._session.accessed:
            extra.append((b"cache-control", b"no-store"))
        if self._session.ended:
            # Not "cookies": that would clear those of sibling hosts too, and the device cookie that
            # lets the owner in while an attacker blocks the account.
            extra.append((b"clear-site-data", b'"cache", "storage"'))
        return extra
