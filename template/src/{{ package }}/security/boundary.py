# Owned by the template: extend, do not edit.
"""The policy at work: one object for the service, two calls for each request.

`enter` judges the request before the framework sees it, `leave` the response that the framework
made. Everything in between is the framework's own: the boundary checks, the framework speaks.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from traceback import extract_tb
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from . import agents, cors, csrf, errors, health
from .accounts import Accounts, LoginService
from .auth import Auth
from .body import Body, is_json, media_type
from .cache import BoundedCache
from .context import OTHER_LENGTH, Origin, RequestContext, RequestHead
from .cookies import CookieFormat, breaks_prefix, cookie_name, is_cookie_name
from .errors import LoginRequired, Problem, SecondFactorRequired, allow_header, wants_json
from .event_streams import KIND as EVENTS
from .event_streams import EventStream
from .events import REQUEST, emit, note
from .factors import Factors, FactorStore
from .headers import Plan, SecureHeaders, is_length
from .hosts import AllowedHosts
from .keys import Keys
from .passwords import Passwords
from .policy import Policy, PolicyError
from .proxy import TrustedProxies, last, plain, read_address
from .redirects import Redirects, split_refresh
from .responses import Headers, Response
from .routes import RouteRules, Routes
from .session_codec import SessionCodec
from .sessions import Session, Sessions
from .static import PREFIX, StaticFiles
from .stores import Store, StoreError
from .target import check_path, check_query
from .throttle import Devices, Throttle

_log = logging.getLogger(__name__)
_ALIVE, _SECURITY_TXT = "/healthz", "/.well-known/security.txt"
_OWN_PAGES = frozenset({_ALIVE, _SECURITY_TXT, health.READY})
"""Beside static files, what the policy answers by itself."""
_STYLESHEET = "app.css"
_SWITCHING, _ERROR, _UNAUTHENTICATED, _CRASH = 101, 400, 401, 500
_REFUSED = frozenset({_UNAUTHENTICATED, 403})
_EMPTY = frozenset({204, 304})
_ELSEWHERE = range(300, 400)
_FINAL = range(200, 600)
_PLAIN = frozenset(range(200, 400)) - _EMPTY
"""Statuses of responses with a body that are no errors."""
_NOTHING = (b"content-length", b"0")
_PRIVATE = (b"cache-control", b"no-store")
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_CACHED, _SHOWN = 300, 100
_AGENT = 256
_PASSKEYS = "publickey-credentials-get"
"""Browser feature of the pages that ask for a passkey, and of no others."""
_DEVICE = 256
"""Bytes to leave free for the device cookie: more than its Set-Cookie line ever has."""
_OF_BODY = frozenset({b"etag", b"last-modified", b"cache-control", b"transfer-encoding"})
_TARGETS = frozenset({b"location", b"hx-redirect", b"hx-location", b"refresh", b"content-location"})
MARK = b"x-boundary-error"
"""Header by which the boundary knows a response of its own again; it never leaves."""
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_SPECIAL = frozenset({MARK, b"set-cookie", *_TARGETS})

RenderError = Callable[[RequestContext, Problem], str | None]
"""Renders the application's own error page; None where it has none."""


class _Target(NamedTuple):
    """What a method and a path stand for, whoever asks."""

    path: str
    route: RouteRules
    is_own: bool
    """True for a page of the policy's own."""


class _Place(NamedTuple):
    """Where a request comes from and what it asks for."""

    trusted: bool
    client: str
    address: str
    """The client for code that wants an address: "" where what the proxy wrote is none."""
    https: bool
    host: str
    cookies: CookieFormat
    allowed: bool


class Boundary:
    """Policy, stores and keys of one service."""

    def __init__(
        self,
        policy: Policy,
        store: Store,
        accounts: Accounts,
        *,
        secrets: Iterable[str],
        hosts: Iterable[str],
        trusted_proxies: Iterable[str],
        static: Path,
        libraries_static: Iterable[tuple[str, Path]] = (),
        production: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Compose the service. Raises `PolicyError` or `ValueError` for what cannot work."""
        keys = Keys(list(secrets))
        self.policy = policy
        self.store = store
        self.production = production
        self.sessions = Sessions(policy.sessions, SessionCodec(keys), store, clock)
        self.passwords = Passwords(policy.passwords)
        self.throttle = Throttle(policy.throttle, store)
        self.login = LoginService(
            accounts, self.passwords, self.throttle, store.epoch, self.sessions.now
        )
        self.factors = self._open_factors(accounts, keys)
        self.devices = Devices(keys, policy.throttle.device_lifetime)
        self.static = StaticFiles(static, policy.static.max_age, libraries_static)
        self.ready: list[Callable[[], object]] = [store.ping]
        """What `/readyz` calls; each raises when it is not ready."""
        self.redirects = Redirects(policy.service.redirect_hosts)
        self.session_class: type[Session] = Session
        """What the framework's adapter makes sessions of."""
        self.render_error: RenderError = lambda _context, _problem: None
        """The application's own error page, where an adapter knows how to make it."""
        self.crash_log = _log
        """Where unhandled exceptions are logged."""
        self.stock: frozenset[tuple[int, bytes]] = frozenset()
        """Status and body of errors that a framework answers past its error handlers."""
        self._routes = Routes(policy.routes, policy.input, production=production)
        self._exposed = ", ".join(policy.service.response_headers)
        self._formats = {
            https: CookieFormat.of(policy.cookies, https=https) for https in (False, True)
        }
        self._headers = SecureHeaders(policy, sticky=production, judged=_SPECIAL)
        self.constant_headers = frozenset(self._headers.constant())
        """Headers that are the same in many responses, for who must write them in another way."""
        self._hosts = AllowedHosts(hosts)
        self._proxies = TrustedProxies(trusted_proxies)
        self._places = BoundedCache(self._place, _lengths, longest=_MOST_CACHED)
        self._targets = BoundedCache(self._target, _lengths, longest=_MOST_CACHED)
        self._methods = frozenset(policy.input.methods)
        self._allow = ", ".join(sorted(self._methods))
        self._session_name = policy.cookies.session_name
        self._script_cookies = frozenset(policy.service.script_cookies)
        self._passkey_features = ", ".join(
            f"{name}=()" for name in policy.headers.permissions_off if name != _PASSKEYS
        ).encode()
        # This process's own: nobody outside can claim that a response is the boundary's.
        self._mark = _random_mark()

    def _open_factors(self, accounts: Accounts, keys: Keys) -> Factors | None:
        """Return what checks second factors; None where the application's users keep none."""
        policy = self.policy.accounts
        if not isinstance(accounts, FactorStore):
            if policy.second_factor == "required":
                raise PolicyError(
                    f'accounts.second-factor is "required", but {type(accounts).__name__} lacks a'
                    " method of `FactorStore`; see security/factors.py"
                )
            return None
        factors = Factors(accounts, keys, policy, self.login, self.sessions.now)
        self.login.asks_factor = self.sessions.asks_factor = factors.asked_of
        return factors

    # In -----------------------------------------------------------------------------------------

    def enter(self, head: RequestHead) -> RequestContext | Response:
        """Check a request: return its context, or the response that the policy gives by itself.

        Log lines name the request until the adapter sets `REQUEST` back to None.
        """
        context = RequestContext(head, self._routes.default, self._open_session)
        REQUEST.set(context)
        try:
            self._locate(context, head)
            own = self._check(context, head)
        except Problem as problem:
            own = self.error_response(context, problem)
        if own is None:
            return context
        # What the policy itself answers is for everybody.
        context.access_decided = True
        return self.leave(context, own)

    def enter_socket(self, head: RequestHead) -> RequestContext | Response:
        """Check the handshake of a WebSocket: return its context, or the refusal (RTE-6)."""
        context = RequestContext(head, self._routes.default, self._open_session)
        context.is_socket = True
        REQUEST.set(context)
        try:
            self._locate(context, head)
            if self._check(context, head) is not None:
                raise Problem(404)
            if not context.route.fact.websocket:
                raise Problem(403, reason="a WebSocket: [[route]] websocket = true opens a path")
            self._check_socket_origin(context, head)
        except Problem as problem:
            context.access_decided = True
            return self.leave(context, self.error_response(context, problem))
        return context

    def answer_for(self, hosts: AllowedHosts) -> AllowedHosts:
        """Answer for other host names from now on, as a test wants; return those before."""
        before, self._hosts = self._hosts, hosts
        self._places.clear()
        return before

    def make_up(self, head: RequestHead) -> RequestContext:
        """Return the context of a request that nobody has sent, as a test makes it: unchecked."""
        context = RequestContext(head, self._routes.default, self._open_session)
        with suppress(Problem):
            self._locate(context, head)
        context.path = head.path.decode(errors="replace")
        return context

    def _check_socket_origin(self, context: RequestContext, head: RequestHead) -> None:
        """Let in our own pages, listed origins, and programs, which have no cookie to abuse.

        Browsers open WebSockets to any site, with its cookies, and do not ask first (CSWSH).
        """
        origin = head.header("origin")
        if context.reader or origin == context.origin:
            return
        if origin or context.session.cookie:
            emit("authz_fail", reason="WebSocket of another site: [[route]] origins")
            raise Problem(403)

    def _locate(self, context: RequestContext, head: RequestHead) -> None:
        (
            trusted,
            context.client,
            context.address,
            context.https,
            context.host,
            context.cookies,
            allowed,
        ) = self._places[head.origin]
        if trusted:
            context._claimed_id = head.header("x-request-id")
        if not allowed:
            shown = context.host[:_SHOWN]
            raise Problem(400, reason=f"host {shown!r}: APP_HOSTS lists those of the service")

    def _place(self, origin: Origin) -> _Place:
        peer, scheme, host, forwarded_for, proto, forwarded_host = map(_text, origin)
        client, trusted = plain(peer), self._proxies.trusts(peer)
        if trusted:
            client = self._proxies.client(peer, forwarded_for)
            scheme = last(proto) or scheme
            host = last(forwarded_host) or host
        # Some write that of the WebSocket, as they see it.
        https = scheme.lower() in {"https", "wss"}
        own = self._hosts.own(host.lower(), https=https)
        address = client if read_address(client) else ""
        cookies = self._formats[https or self.production]
        return _Place(trusted, client, address, https, own, cookies, self._hosts.allows(own))

    def _check(self, context: RequestContext, head: RequestHead) -> Response | None:
        """Return the policy's own response, or None where the application is asked."""
        limits = self.policy.input
        if len(head.path) + len(head.query) > limits.max_url:
            raise Problem(414, reason="input.max-url")
        count, size = head.size()
        if count > limits.max_header_count or size > limits.max_header_bytes:
            raise Problem(431, reason="input.max-header-count, input.max-header-bytes")
        method = head.method
        if method not in self._methods:
            raise Problem(405, headers=[("allow", self._allow)], reason="input.methods")
        path, context.route, is_own = self._targets[method, head.path]
        context.path = path
        if head.query:
            check_query(head.query)
        if method == "OPTIONS" and (own := self._options(context, head, is_own=is_own)):
            return own
        if context.route.origins:
            self._admit(context, head, preflight=False)
        if head.has_body and (length := content_length(head)) != 0:
            kind = head.header("content-type")
            context.body = Body(kind, context.route, self.policy.input)
            context.body.announced(length, head.header("content-encoding"))
        if method not in csrf.SAFE_METHODS and not context.without_session:
            self._check_origin(context, head)
        return self._own_page(context, path, method) if is_own else None

    def _options(
        self, context: RequestContext, head: RequestHead, *, is_own: bool
    ) -> Response | None:
        """Answer OPTIONS, unless a fact that names it leaves that to the application."""
        wanted = head.header("access-control-request-method")
        if context.route.asks_options and not (wanted or is_own):
            return None
        if wanted in self._methods:
            context.route = self._routes.find(wanted, context.path)
            self._admit(context, head, preflight=True)
        # Any alike: what exists is not told, and no site gets leave but by a fact (CORS).
        return Response.of(204, "", b"", (("allow", self._allow), ("cache-control", "no-store")))

    def _target(self, asked: tuple[str, bytes]) -> _Target:
        method, raw = asked
        path = check_path(raw)
        is_own = path in _OWN_PAGES or path.startswith(PREFIX)
        return _Target(path, self._routes.find(method, path), is_own)

    def _admit(self, context: RequestContext, head: RequestHead, *, preflight: bool) -> None:
        """Take note of a listed origin; what is not of our own site comes without our session.

        The browser would not send it, either: it knows by its list of suffixes what a site is.
        """
        origin = head.header("origin")
        if origin not in context.route.origins:
            return
        own = head.header("sec-fetch-site") in {"", "same-site"}
        own = own and not context.route.without_session and cors.same_site(context.origin, origin)
        context.reader = cors.Reader(origin, own, preflight)

    def _check_origin(self, context: RequestContext, head: RequestHead) -> None:
        if context.reader:
            return
        if csrf.forged(
            head.method,
            head.header("sec-fetch-site"),
            head.header("origin"),
            context.origin,
            has_session=bool(context.session.cookie),
        ):
            emit("authz_fail", reason="cross-site request")
            raise Problem(403, reason='another site asks: [[route]] cross-site = "without-session"')

    def _own_page(self, context: RequestContext, path: str, method: str) -> Response | None:
        if method not in _BODILESS:
            raise Problem(405, headers=[("allow", "GET, HEAD, OPTIONS")])
        if path == health.READY:
            context.slow_page = partial(health.ready, self.ready)
            return None
        if path == _ALIVE:
            return health.alive()
        if path == _SECURITY_TXT:
            return health.security_txt(self.policy.service, self.sessions.now())
        return self.static.response(path)

    def fail(self, context: RequestContext, error: Exception) -> None:
        """Remember why the body cannot be read: a framework may swallow what its reader raises."""
        context._failure = error

    # Access -------------------------------------------------------------------------------------

    def allow(self, context: RequestContext, *, public: bool) -> None:
        """Decide who may see what the request asks for: everybody, or who is signed in (RTE-2).

        Raises `Problem` 401, or 503 if nobody can know.
        """
        if not (public or context.route.public):
            try:
                self.auth(context).require_user()
            except Problem as problem:
                if context.is_socket:
                    # Frameworks close a handshake in ways of their own, without a word.
                    self.fail(context, problem)
                raise
        context.access_decided = True

    def allow_user(self, context: RequestContext) -> None:
        """Raise `Problem` 401, or 503, unless somebody is signed in; decides nothing."""
        self.auth(context).require_user()

    def find_absent(self, context: RequestContext) -> None:
        """Note that no route answers: an error that says so is for everybody (RTE-2).

        What a hook or a handler answers instead of an error has said nothing of who may see it.
        """
        context._absent = True

    def forget_access(self, context: RequestContext) -> None:
        """Let it be decided anew who may see the answer: another view is asked."""
        context.access_decided = context._absent = False

    # What views ask for -------------------------------------------------------------------------

    def auth(self, context: RequestContext) -> Auth:
        """Return what a view may do for the one who asks."""
        return Auth(
            self.login,
            self.sessions,
            self.devices,
            context.session,
            client=context.client,
            device_cookie=self._device_cookie(context),
            origin=context.origin,
            policy=self.policy,
            factors=self.factors,
        )

    def safe_target(self, context: RequestContext, target: str, default: str) -> str:
        """Return `target` if a redirect may lead there, else `default` (RED-2)."""
        # A longer one is no address of this service.
        fits = 0 < len(target) <= self.policy.input.max_url
        checked = self.redirects.safe_target(target, context.origin, context.path) if fits else ""
        if target and not checked:
            emit("malicious_redirect")
        return checked or default

    def _open_session(self, context: RequestContext) -> Session:
        head = context.head
        cookie = ""
        if head.has_cookie and not context.without_session:
            cookie = context.cookies.read(head.header("cookie"), self._session_name)
        return self.session_class(self.sessions, cookie)

    def _device_cookie(self, context: RequestContext) -> str:
        return context.cookies.read(context.head.header("cookie"), self.policy.cookies.device_name)

    def _device_line(self, context: RequestContext, session: Session) -> str:
        policy = self.policy
        value = self.devices.issue(session.new_device, self.sessions.now())
        lifetime = policy.throttle.device_lifetime
        return context.cookies.write(policy.cookies.device_name, value, lifetime)

    # Out ----------------------------------------------------------------------------------------

    def error_response(self, context: RequestContext, problem: Problem) -> Response:
        """Return our error page or problem document; to a page, 401 means the login form.

        What was wrong with the body comes first: frameworks make an error of their own of it.
        """
        if isinstance(context._failure, Problem):
            problem = context._failure
        if self._is_guess(context, problem.status):
            problem = Problem(503, reason="store away")
        head = context.head
        accept = head.header("accept")
        path = context.path or head.path.decode(errors="replace")
        prefix = self.policy.input.api_prefix
        as_json = wants_json(path, accept, prefix)
        if (context.reader or context.is_socket) and "text/html" not in accept:
            # A script asks: it cannot follow to the login page.
            as_json = True
        challenged = any(name == "www-authenticate" for name, _ in problem.headers)
        if (
            problem.status == _UNAUTHENTICATED
            and not (as_json or challenged or path.startswith(prefix))
            and (isinstance(problem, LoginRequired) or not self._asks_for_more(context))
        ):
            asked = problem if isinstance(problem, LoginRequired) else LoginRequired()
            response = Response.of(303, "", b"", (("location", _login(head, asked)),))
        else:
            if problem.status in {400, 422}:
                emit("input_validation_fail", status=problem.status, reason=problem.reason or None)
            elif problem.reason:
                note("request_refused", status=problem.status, reason=problem.reason)
            response = self._rendered(context, problem, as_json=as_json)
        response.headers.append((MARK, self._mark))
        return response

    def _is_guess(self, context: RequestContext, status: int, target: str = "") -> bool:
        """Tell whether a view turns away somebody of whom nobody can know who it is.

        While the store is away, everybody looks like a visitor to frameworks and their extensions.
        """
        session = context._session
        if session is None or not session.unavailable:
            return False
        return status in _REFUSED or urlsplit(target).path == LoginRequired.page

    def _asks_for_more(self, context: RequestContext) -> bool:
        """Tell whether a 401 asks for something else than a login.

        That is so for who has logged in, and at a path that a fact has opened.
        """
        if not context.path:
            return False
        try:
            return context.route.public or self.auth(context).user is not None
        except Problem:
            return False

    def _rendered(self, context: RequestContext, problem: Problem, *, as_json: bool) -> Response:
        if as_json:
            return errors.document(problem, context.request_id)
        text = None
        # Before it is known what was asked for, and after a crash, nothing of the application runs.
        if context.path and problem.status < _CRASH:
            try:
                text = self.render_error(context, problem)
            except Exception as error:  # noqa: BLE001 - the page about an error cannot be one
                _log.error("sys_crash in templates/error.html", exc_info=error)
        if text is None:
            stylesheet = self.static.url(_STYLESHEET)
            name = self.policy.service.name
            return errors.page(problem, context.request_id, stylesheet, name)
        return Response.of(
            problem.status, "text/html; charset=utf-8", text.encode(), problem.headers
        )

    def crash(self, context: RequestContext, error: BaseException) -> Response:
        """Log an unhandled exception; return the page that says nothing about it (ASVS 16.5.1).

        A `Problem` or `StoreError` behind it is what went wrong: frameworks wrap what they raise.
        """
        context.handled = None
        cause: BaseException | None = context._failure or error
        while cause is not None:
            if isinstance(cause, Problem):
                return self.error_response(context, cause)
            if isinstance(cause, StoreError):
                emit("sys_store_unavailable", error=str(cause))
                return self.error_response(context, Problem(503, reason="store away"))
            cause = cause.__cause__
        if half := self.half_login(context, failed=error):
            return half
        self.crash_log.error("sys_crash", exc_info=error)
        return self.error_response(context, Problem(500))

    def half_login(
        self,
        context: RequestContext,
        target: str | None = "",
        *,
        failed: BaseException | None = None,
        as_json: bool = False,
    ) -> Response | None:
        """Return what asks for the second factor; None where no view has left half a login (PPL-4).

        A framework's own login, a library or a callback goes on as if somebody were signed in, and
        may have `failed` for that. `target` is where it wanted to lead: the `next` of the request's
        address unless it says so, and then, of None, to what was asked for.
        """
        session = context._session
        if session is None or not session.left_half:
            return None
        head = context.head
        if not target:
            target = parse_qs(head.query.decode("ascii", "ignore")).get("next", [target])[0]
        if failed:
            at = extract_tb(failed.__traceback__)[-1:]
            reason = f"{type(failed).__name__} after half a login"
            where = f"{at[0].filename}:{at[0].lineno}" if at else None
            note("response_changed", reason=reason, at=where)
        problem = SecondFactorRequired(target)
        # No form can send JSON: a script or a program could not follow to a page.
        scripted = as_json or is_json(media_type(head.header("content-type")))
        if scripted and "text/html" not in head.header("accept"):
            response = errors.document(problem, context.request_id)
            response.headers.append((MARK, self._mark))
            return response
        return self.error_response(context, problem)

    def shows_debug_page(self, context: RequestContext, response: Response) -> bool:
        """Tell whether the framework's page about a crash may be shown: to its developer alone."""
        return (
            not self.production
            and response.status == _CRASH
            and (not context.client or context.client in _LOOPBACK)
        )

    def debug_page(self, headers: Headers, page: bytes) -> Response:
        """Return the framework's page about a crash; it brings styles and scripts of its own."""
        kept = [pair for pair in headers if pair[0] in {b"content-type", b"content-length"}]
        policy = b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
        kept += [(b"content-security-policy", policy), (MARK, self._mark)]
        return Response(_CRASH, kept, page)

    def leave(self, context: RequestContext, response: Response) -> Response:
        """Judge a response and return what is sent. Stores the session.

        Names of headers are lower-case. A `body` of None stays as it is.
        """
        status, own, body = response.status, response.headers, response.body
        headers = self.passed(context, status, own)
        if headers is None:
            status, own, body = self._judged(context, response)
            if status in _EMPTY or (status in _ELSEWHERE and _NOTHING in own):
                # Some frameworks name the type of nothing, and the policy would follow it. That of
                # an empty file is its own: browsers refuse a style or a script without one.
                gone = {b"content-type"}
                if status in _EMPTY:
                    # Of what has no body anyway: some clients would wait for it (RFC 9110, 8.6).
                    gone.add(b"content-length")
                own = [pair for pair in own if pair[0] not in gone]
            headers = self._finish(context, status, own, self._headers.plan(own))
        if body is not None and not context.fits(len(body)):
            return self.leave(context, self.crash(context, ValueError(OTHER_LENGTH)))
        return Response(status, headers, body)

    def passed(self, context: RequestContext, status: int, own: Headers) -> Headers | None:
        """Return the headers of a response that leaves as it was made.

        None of one that has something to judge, or a session to store: `leave` does it.
        """
        if (
            status not in _PLAIN
            or not context.access_decided
            or context._failure is not None
            or _NOTHING in own
        ):
            return None
        session = context._session
        if session is not None and session.fetched:
            if context.without_session or not session.settled():
                return None
            if session.accessed:
                own = _made_private(own)
        plan = self._headers.plan(own)
        if plan.judged or self._headers.unfit(own):
            return None
        if plan.length >= 0 and not is_length(own[plan.length][1]):
            return None
        context._left = True
        return self._finish(context, status, own, plan)

    def end(self, context: RequestContext) -> None:
        """Note what was written into the session once the response had left: it is lost."""
        session = context._session
        if session is not None and session.fetched and context._left and session.written_late:
            note(
                "response_dropped",
                reason="what was written into the session after the response had begun",
            )

    def _finish(self, context: RequestContext, status: int, own: Headers, plan: Plan) -> Headers:
        """Return the headers as they are sent."""
        route, session = context.route, context._session
        if (
            session is not None
            and session.cookie
            and plan.content_type >= 0
            and own[plan.content_type][1].startswith(EVENTS)
        ):
            context.events = EventStream(session, self.policy.websocket.session_check)
        if plan.frames >= 0 and own[plan.frames][1].upper() != b"DENY":
            note_frames(route)
        depends = plan.is_open or (plan.vary and _varies_by_cookie(own, plan))
        if depends and status not in _EMPTY and context.session.cookie:
            # What is still being made may ask for the session when its headers have left, and what
            # the application keeps was made for this cookie, without asking again (HDR-4).
            own = _made_private(own)
            plan = self._headers.plan(own)
        has_length = plan.length >= 0 and context.head.method != "HEAD"
        context.length = own[plan.length][1] if has_length else None
        headers, dropped = self._headers.finish(
            status,
            own,
            https=context.https,
            nonce=lambda: context.nonce,
            fact=route.number,
            plan=plan,
        )
        if dropped:
            _note_dropped(dropped)
        if route.origins:
            headers = cors.open_to(
                headers,
                route,
                context.reader,
                exposed=self._exposed,
                max_age=self.policy.cors.max_age,
            )
        return headers

    def _judged(
        self, context: RequestContext, response: Response
    ) -> tuple[int, Headers, bytes | None]:
        """Return what is sent of a response that has something to judge. Stores the session."""
        status, own, body = response.status, response.headers, response.body
        special = not _SPECIAL.isdisjoint([name for name, _ in own])
        ours = special and self._is_ours(own)
        refusal = None if ours else self._refusal(context, status)
        refusal = refusal or self._misled(context, response, special=special)
        if not ours:
            if status == _CRASH and context.handled is not None:
                # The handler's answer stands, but nobody else would say why.
                self.crash_log.error("sys_crash", exc_info=context.handled)
                context.handled = None
            refusal = refusal or self._replaced(context, response, special=special)
        if refusal:
            status, own, body, ours = refusal.status, refusal.headers, refusal.body, True
        if special:
            own = self._judge_cookies(context, own)
        if status < _CRASH and context._session is not None:
            try:
                own = self._commit(context, own)
            except Exception as error:  # noqa: BLE001 - also content that is not JSON
                refusal = self.crash(context, error)
                status, own, body, ours = refusal.status, refusal.headers, refusal.body, True
        context._left = status < _CRASH
        if ours:
            own = [pair for pair in own if pair[0] != MARK]
        if status >= _ERROR:
            own = _made_private(own)
        return status, own, body

    def _is_ours(self, own: Headers) -> bool:
        return any(name == MARK and value == self._mark for name, value in own)

    def _refusal(self, context: RequestContext, status: int) -> Response | None:
        """Return what is sent instead of a response to who may not see it, or to half a body."""
        if context._failure is not None:
            return self.crash(context, context._failure)
        told = context._absent and status >= _ERROR
        if not (context.access_decided or told) and context.path:
            try:
                self._undecided(context)
            except Problem as problem:
                return self.error_response(context, problem)
        return None

    def _misled(
        self, context: RequestContext, response: Response, *, special: bool
    ) -> Response | None:
        """Return what is sent instead of a response with a status or headers that must not leave.

        Also of an error page of ours: an exception may have brought them.
        """
        opens = context.is_socket and response.status == _SWITCHING
        if response.status not in _FINAL and not opens:
            # Servers send such a thing without a header of ours, wait for what follows, or die.
            reason = f"a view answers with status {response.status}; 200 to 599 end a request"
            return self.crash(context, ValueError(reason))
        own = response.headers
        unfit = self._headers.unfit(own)
        if not all(is_length(value) for name, value in own if name == b"content-length"):
            unfit.append("content-length")
        if unfit:
            reason = f"values that cannot be in the response's headers: {', '.join(unfit)}"
            return self.crash(context, ValueError(reason))
        if special:
            try:
                response.headers[:] = [
                    (name, self._location(context, name, value) if name in _TARGETS else value)
                    for name, value in response.headers
                ]
            except Problem as problem:
                return self.error_response(context, problem)
        return None

    def _replaced(
        self, context: RequestContext, response: Response, *, special: bool
    ) -> Response | None:
        """Return our page for what nobody wrote or only looks like an answer, or None."""
        target = response.header(b"location").decode() if special else ""
        if self._is_guess(context, response.status, target):
            return self.error_response(context, Problem(503, reason="store away"))
        # Also where the application has a page of its own for what fails.
        answered = response.status < _ERROR or response.status == _CRASH
        if answered and (half := self._after_half(context, response)):
            return half
        if response.status >= _ERROR and self._is_unwritten(response):
            # What its headers say stands.
            kept = [_kept(*pair) for pair in response.headers if not _is_of_body(pair[0])]
            return self.error_response(context, Problem(response.status, headers=kept))
        return None

    def _is_unwritten(self, response: Response) -> bool:
        """Tell whether nobody wrote an error: it has no body, or a stock one of the framework's."""
        return response.body == b"" or (response.status, response.body) in self.stock

    def _after_half(self, context: RequestContext, response: Response) -> Response | None:
        """Ask for the second factor in the place of what a view answers to half a login."""
        if context._session is None or not context._session.left_half:
            return None
        target = (response.header(b"location") or response.header(b"hx-redirect")).decode()
        if urlsplit(target).path in {LoginRequired.page, SecondFactorRequired.page}:
            return None
        kind = response.header(b"content-type").decode("latin-1")
        # Without one, as where a cookie remembers who opens a page, back to that page.
        return self.half_login(context, target or None, as_json=is_json(media_type(kind)))

    def _undecided(self, context: RequestContext) -> None:
        """Close what no check has seen: a mount, an extension's route, a raw application."""
        try:
            self.allow(context, public=False)
        except Problem:
            note(
                "request_refused",
                reason="nothing says who may see this: [[route]] access, or at the view",
            )
            raise

    def _location(self, context: RequestContext, name: bytes, value: bytes) -> bytes:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            # As frameworks write what an application has not escaped.
            text = value.decode("latin-1")
        before = ""
        if name == b"refresh":
            seconds, text = split_refresh(text)
            if not text:
                return value
            before = f"{seconds}; url="
        elif name == b"hx-location" and text.startswith("{"):
            # A JSON object with a path: a script of ours fetches it, and CSP's connect-src holds.
            return value
        return (before + self.judge_target(context, text, name.decode())).encode()

    def judge_target(self, context: RequestContext, target: str, header: str = "location") -> str:
        """Return the address of a redirect as it may be sent, or raise `Problem` 400 (RED-4)."""
        checked = self.redirects.safe_target(target, context.origin, context.path)
        if checked is None:
            emit("malicious_redirect")
            raise Problem(400, reason=f"{header} leads elsewhere: [service] redirect-hosts")
        return checked

    def store_session(self, context: RequestContext) -> Headers:
        """Store the session of a request that was made up; return its Set-Cookie headers."""
        return [pair for pair in self._commit(context, []) if pair[0] == b"set-cookie"]

    def _commit(self, context: RequestContext, own: Headers) -> Headers:
        """Store the session; return the headers with those that go with it.

        Raises `StoreError` and `CookieTooLarge` before anything is sent.
        """
        session = context.session
        if not session.fetched:
            return own
        if context.without_session:
            if session:
                note("response_dropped", reason='a session, where cross-site = "without-session"')
            return own
        device = self._device_line(context, session) if session.new_device else ""

        def write(value: str, age: int) -> str:
            beside = len(device) or (_DEVICE if self._device_cookie(context) else 0)
            return context.cookies.write(self._session_name, value, age, beside=beside)

        client = agents.kept(context.address, context.head.header("user-agent")[:_AGENT])
        lines = (device, session.commit(write, client))
        extra = [(b"set-cookie", line.encode()) for line in lines if line]
        if session.accessed:
            extra.append(_PRIVATE)
        if session.asks_for_passkey:
            extra.append((b"permissions-policy", self._passkey_features))
        if session.clears:
            # Not "cookies": that would clear those of sibling hosts too, and the device cookie that
            # lets the owner in while an attacker blocks the account.
            extra.append((b"clear-site-data", b'"cache", "storage"'))
        names = {key for key, _ in extra} - {b"set-cookie"}
        return [pair for pair in own if pair[0] not in names] + extra

    def _judge_cookies(self, context: RequestContext, own: Headers) -> Headers:
        """Harden the cookies of the application; nobody else sets the core's own two (SES-11)."""
        kept: Headers = []
        cookies = self.policy.cookies
        core = {
            f"{context.cookies.prefix}{name}".lower()
            for name in (cookies.session_name, cookies.device_name)
        }
        for header, value in own:
            if header != b"set-cookie":
                kept.append((header, value))
                continue
            line = value.decode("latin-1")
            name = cookie_name(line)
            reason = ""
            if not is_cookie_name(name):
                reason = "no name for a cookie: browsers and servers would take it for another"
            elif name.lower() in core or context.without_session:
                reason = "this cookie is the policy's alone"
            if reason:
                note("response_dropped", cookie=name[:_SHOWN], reason=reason)
                continue
            line, added = context.cookies.harden(line, self._script_cookies)
            if added:
                note("response_changed", cookie=name, added=", ".join(added))
            if breaks_prefix(line):
                note(
                    "response_changed",
                    cookie=name,
                    reason="browsers drop it: its prefix needs Secure, and __Host- also Path=/",
                )
            kept.append((header, line.encode("latin-1")))
        return kept


def content_length(head: RequestHead) -> int | None:
    """Return the announced length of the body, None where it comes in chunks; raise `Problem`."""
    length, coding = head.header("content-length"), head.header("transfer-encoding")
    if coding.lower() not in {"", "chunked"}:
        # Servers undo the last one alone: what is left would be taken for the body.
        raise Problem(400, reason=f"transfer coding {coding[:_SHOWN]!r}")
    if not length:
        return None if coding else 0
    if not is_length(length.encode()):
        raise Problem(400, reason="Content-Length is no number")
    return int(length)


def _made_private(own: Headers) -> Headers:
    """Return the headers of an answer that nobody may keep."""
    # Of two, the last is sent.
    return [*own, _PRIVATE]


def _varies_by_cookie(own: Headers, plan: Plan) -> bool:
    return any(b"cookie" in own[place][1].lower() for place in plan.vary)


def note_frames(route: RouteRules) -> None:
    """Say that a view which may be framed, may not, and what says so (BND-2)."""
    if "frame-ancestors" not in route.fact.csp:
        # Browsers that know both go by the policy's frame-ancestors.
        reason = "a view alone opens no page to frames: [[route]] csp frame-ancestors"
        note("response_changed", header="x-frame-options", reason=reason)


def _note_dropped(names: Iterable[str]) -> None:
    for name in names:
        setting = "[service] response-headers lists what may leave"
        if name.encode().startswith(cors.PREFIX):
            setting = "[[route]] origins says who may read"
        note("response_dropped", header=name, reason=setting)


def _lengths(values: Iterable[str | bytes]) -> int:
    return sum(map(len, values))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else str(value, "latin-1")


def _random_mark() -> bytes:
    return secrets.token_hex(16).encode()


def _is_of_body(name: bytes) -> bool:
    """Tell whether a header describes the body that another one replaces."""
    return name in _OF_BODY or (name.startswith(b"content-") and name != b"content-range")


def _kept(name: bytes, value: bytes) -> tuple[str, str]:
    """Return a header of a framework's error answer, the methods in our order instead of its."""
    text = value.decode("latin-1")
    return name.decode(), allow_header(text.split(",")) if name == b"allow" else text


def _login(head: RequestHead, asked: LoginRequired) -> str:
    """Return the address of the page that asks, and leads back to what was asked for."""
    target = asked.target
    if target is None and head.method in csrf.SAFE_METHODS:
        query = f"?{head.query.decode('ascii', 'ignore')}" if head.query else ""
        target = quote(head.path) + query
    return f"{asked.page}?next={quote(target)}" if target else asked.page
