# Owned by the template: extend, do not edit.
"""The policy at work: one object for the service, two calls for each request.

An adapter calls `enter` before its framework sees the request and `leave` after the framework has
answered. Everything in between is the framework's own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from . import builtin, csrf
from .carrier import Carrier
from .cookies import CookieJar
from .errors import Answer, Problem, allow_header, render, wants_json
from .events import REQUEST, emit
from .headers import Block, HeaderPolicy, Pairs
from .hosts import AllowedHosts
from .keys import Keys
from .limits import check_path, check_query
from .passwords import Passwords
from .policy import Policy
from .proxy import TrustedProxies, last
from .sessions import Sessions
from .static import StaticFiles
from .stores import Store, StoreError
from .throttle import Devices, Throttle
from .visit import Head, Visit

Response = tuple[int, Pairs, Block, bytes | None]
"""Status, own headers, the policy's headers, and the body where it is not the framework's."""

_log = logging.getLogger(__name__)
_STYLESHEET = "app.css"
_LOGIN = "/login"
_ERROR, _UNAUTHENTICATED, _CRASH = 400, 401, 500
_EMPTY = frozenset({204, 304})
_DIGITS = 19
"""Of the longest Content-Length that can be meant: Python refuses to read very long numbers."""
_ERROR_HEADERS = frozenset({b"allow", b"retry-after", b"www-authenticate"})


class Guard:
    """Policy, stores and keys of one service."""

    def __init__(
        self,
        policy: Policy,
        store: Store,
        *,
        secrets: Iterable[str],
        hosts: Iterable[str],
        trusted_proxies: Iterable[str],
        static: Path,
        production: bool,
        blank_server: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Compose the service. Raises `PolicyError` or `ValueError` for what cannot work."""
        keys = Keys(list(secrets))
        self.policy = policy
        self.store = store
        self.production = production
        self.sessions = Sessions(policy.sessions, Carrier(keys), store, clock)
        self.throttle = Throttle(policy.throttle, store)
        self.devices = Devices(keys)
        self.passwords = Passwords(policy.passwords)
        self.static = StaticFiles(static, policy.static.max_age)
        self.jars = {https: CookieJar.of(policy.cookies, https=https) for https in (False, True)}
        self.ready: list[Callable[[], object]] = []
        """What `/readyz` calls besides the store's ping; each raises when it is not ready."""
        self.allow = ", ".join(sorted(policy.input.methods))
        self._headers = HeaderPolicy(policy, blank_server=blank_server)
        self._hosts = AllowedHosts(hosts)
        self._proxies = TrustedProxies(trusted_proxies)
        self._builtin = builtin.Builtin(self)
        self._methods = frozenset(policy.input.methods)

    def enter(self, head: Head) -> Visit:
        """Check a request. Where the policy answers it, `answer` of the visit is set.

        Log lines name the visit until the adapter sets `REQUEST` back to None.
        """
        visit = Visit(self, head)
        REQUEST.set(visit)
        try:
            self._locate(visit, head)
            self._check(visit, head)
        except Problem as problem:
            refusal = self.refuse(visit, problem)
            visit.answer = lambda: refusal
        return visit

    def _locate(self, visit: Visit, head: Head) -> None:
        host = head.header("host")
        scheme = head.scheme
        visit.client = head.peer
        if self._proxies.trusts(head.peer):
            visit.request_id = head.header("x-request-id")
            visit.client = self._proxies.client(head.peer, head.header("x-forwarded-for"))
            scheme = last(head.header("x-forwarded-proto")) or scheme
            host = last(head.header("x-forwarded-host")) or host
        visit.https = scheme == "https"
        if not self._hosts.allows(host):
            raise Problem(400)
        visit.host = host

    def _check(self, visit: Visit, head: Head) -> None:
        limits = self.policy.input
        if len(head.path) + len(head.query) > limits.max_url:
            raise Problem(414)
        count, size = head.size()
        if count > limits.max_header_count or size > limits.max_header_bytes:
            raise Problem(431)
        method = head.method
        if method not in self._methods:
            raise Problem(405, headers=[("allow", self.allow)])
        visit.path = check_path(head.path)
        if head.query:
            check_query(head.query)
        if method == "OPTIONS":
            visit.answer = self._builtin.options
            return
        if method not in csrf.SAFE_METHODS:
            self._check_unsafe(visit, head)
        if found := self._builtin.find(visit.path):
            visit.answer = builtin.get_only(visit, found)

    def _check_unsafe(self, visit: Visit, head: Head) -> None:
        length = head.header("content-length")
        if length and not (length.isascii() and length.isdecimal() and len(length) <= _DIGITS):
            raise Problem(400)
        if length and int(length) > self.policy.input.max_body:
            raise Problem(413)
        if csrf.forged(
            head.method,
            head.header("sec-fetch-site"),
            head.header("origin"),
            visit.origin,
            has_session=bool(visit.session.cookie),
        ):
            emit("authz_fail", reason="cross-site request")
            raise Problem(403)

    def refuse(self, visit: Visit, problem: Problem) -> Answer:
        """Return our error page or problem document; to a page, 401 means the login form."""
        visit.final = True
        accept = visit.head.header("accept")
        as_json = wants_json(visit.path, accept, self.policy.input.api_prefix)
        api = visit.path.startswith(self.policy.input.api_prefix)
        if problem.status == _UNAUTHENTICATED and not (as_json or api):
            return Answer(303, headers=(("location", visit.origin + _login(visit.head)),))
        if problem.status in {400, 422}:
            emit("input_validation_fail", status=problem.status)
        return render(
            problem,
            request_id=visit.request_id,
            as_json=as_json,
            stylesheet=self.static.url(_STYLESHEET),
        )

    def respond(self, visit: Visit) -> Answer:
        """Return the policy's own answer to the visit."""
        if visit.answer is None:
            raise RuntimeError("the application answers this visit")
        try:
            return visit.answer()
        except Problem as problem:
            return self.refuse(visit, problem)

    def crash(self, visit: Visit, error: Exception) -> Answer:
        """Log an unhandled exception; return the page that says nothing about it (ASVS 16.5.1)."""
        if isinstance(error, Problem | StoreError):
            visit.fail(error)
            return self.refuse(visit, visit.problem or Problem(500))
        _log.error("sys_crash", exc_info=error)
        return self.refuse(visit, Problem(500))

    def leave(self, visit: Visit, status: int, own: Pairs) -> Response:
        """Turn the status and headers that the framework answered into what is sent.

        Names in `own` are lower-case. Stores the session. An error that is not meant as it is
        becomes our own page, whoever made it.
        """
        body = None
        if status >= _ERROR and not visit.final:
            kept = [_kept(*pair) for pair in own if pair[0] in _ERROR_HEADERS]
            answer = self.refuse(visit, visit.problem or Problem(status, headers=kept))
            status, own, body = answer.status, answer.pairs(), answer.body
        extra: Pairs = []
        if status < _CRASH:
            try:
                extra = visit.commit()
            except Exception as error:  # noqa: BLE001 - also content that is not JSON
                answer = self.crash(visit, error)
                status, own, body = answer.status, answer.pairs(), answer.body
        if extra:
            names = {name for name, _ in extra} - {b"set-cookie"}
            own = [pair for pair in own if pair[0] not in names] + extra
        if status >= _ERROR:
            own = [pair for pair in own if pair[0] != b"cache-control"]
            own.append((b"cache-control", b"no-store"))
        if status in _EMPTY or (b"content-length", b"0") in own:
            # Some frameworks name the type of nothing, and the policy would follow it.
            own = [pair for pair in own if pair[0] != b"content-type"]
        pairs, block = self._headers.finish(own, https=visit.https, visit=visit)
        return status, pairs, block, body


def _kept(name: bytes, value: bytes) -> tuple[str, str]:
    """Return a header of a framework's error answer, the methods in our order instead of its."""
    text = value.decode("latin-1")
    return name.decode(), allow_header(text.split(", ")) if name == b"allow" else text


def _login(head: Head) -> str:
    """Return the address of the login form, which leads back to the page that was asked for."""
    if head.method not in csrf.SAFE_METHODS:
        return _LOGIN
    here = quote(head.path) + (f"?{head.query.decode('ascii', 'ignore')}" if head.query else "")
    return f"{_LOGIN}?next={quote(here)}"
