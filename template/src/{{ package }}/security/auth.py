# Owned by the template: extend, do not edit.
"""What a view may do for the one who asks: log in and out, change the password, end sessions.

It knows a session and a client, and nothing of requests: the framework's side of it is the door in
`adapter/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from . import agents
from .accounts import Account, Attempt, Change, LoginService, closed, normalise
from .clock import is_within
from .errors import LoginRequired, Problem, ReauthenticationRequired
from .events import emit
from .factors import Factors
from .passkeys import Site
from .policy import Policy
from .second_factor import SecondFactor
from .sessions import HANDLE, Session, Sessions
from .stores import SessionRow
from .throttle import Devices


@dataclass(frozen=True, slots=True)
class User:
    """Who is signed in, as the session knows it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as the account page shows it."""

    handle: str
    """Names it in forms; useless for taking it over."""
    client: str
    """What people call it: "Chrome on Linux"."""
    created: datetime
    seen: datetime
    current: bool
    address: str = ""
    """Where it was begun, "" if nobody knows."""
    factor: str = ""
    """Kind of the second factor that began it, "" for none."""


class Auth:
    """Login, logout and sessions of one request."""

    def __init__(
        self,
        service: LoginService,
        sessions: Sessions,
        devices: Devices,
        session: Session,
        *,
        client: str,
        device_cookie: str,
        origin: str,
        policy: Policy,
        factors: Factors | None,
    ) -> None:
        """Take the services, the session of the request, who is asking, and where."""
        self.service = service
        self._sessions = sessions
        self._devices = devices
        self._session = session
        self._client = client
        self._device_cookie = device_cookie
        self._origin = origin
        self._policy = policy
        self._factors = factors
        self.starter: Callable[[Account], None] | None = None
        """How the framework logs somebody in, where it has a way of its own."""

    @property
    def service_name(self) -> str:
        """What users know the service by."""
        return self._policy.service.name

    @property
    def second_factor(self) -> SecondFactor:
        """Second factors of the one who asks. Raises `Problem` 404 where users keep none."""
        if self._factors is None:
            raise Problem(404, reason="Accounts lacks a method of FactorStore")
        return SecondFactor(self, self._factors, self._session, Site(self._origin))

    @property
    def awaits_second_factor(self) -> bool:
        """Tell whether a login waits for its second proof: /login/factor asks for it."""
        return self._factors is not None and self.second_factor.is_awaited

    def now(self) -> int:
        """Return the time in whole seconds."""
        return self._sessions.now()

    def epoch(self, user_id: str) -> int:
        """Return how often all sessions of a user were ended."""
        return self._sessions.store.epoch(user_id)

    @property
    def user(self) -> User | None:
        """The signed-in user. Raises `Problem` 503 if nobody can know: the store is away."""
        user = self.shown_user
        if user is None and self._session.unavailable:
            raise Problem(503, reason="store away")
        return user

    @property
    def shown_user(self) -> User | None:
        """The signed-in user, for a page that greets: nobody while the store is away.

        What decides who may see or do something asks `user`.
        """
        session = self._session
        return User(session.user, session.user_name) if session.user else None

    def require_user(self) -> User:
        """Return the signed-in user, or raise `Problem` 401."""
        user = self.user
        if user is None:
            raise LoginRequired
        return user

    def require_recent_proof(self) -> User:
        """Return the signed-in user if the last proof is recent (PPL-5; ASVS 7.5.1).

        Else raise `ReauthenticationRequired`, which leads a browser to /account/confirm.
        """
        user = self.require_user()
        lifetime = self._policy.accounts.proof_lifetime
        if not is_within(self._session.proved_at, lifetime, self.now()):
            raise ReauthenticationRequired
        return user

    def confirm(self, *, password: str = "", credential: str = "") -> bool:
        """Tell whether password, or what a passkey answered, is right; then the proof is recent.

        Counts in the throttle like a login. Raises `Problem` as `log_in` does.
        """
        user = self.require_user()
        if credential:
            right = self.second_factor.confirm(credential)
            if not right:
                self._session.rotate()
        else:
            right = self.service.confirm(user.name, password, self.attempt(user.name))
        if right:
            self._session.prove_again()
        return right

    def attempt(self, name: str) -> Attempt:
        """Return what an attempt to log in as `name` is counted by."""
        device = self._devices.read(self._device_cookie, normalise(name), self._sessions.now())
        return Attempt(self._client, device)

    def counted(self, name: str, check: Callable[[], bool]) -> bool:
        """Return what `check` says of a password or code that you keep yourself (THR-10).

        Counts by `name` and client like a login, but apart from the service's own users. Raises
        `Problem` 429 while blocked, without a look at it, and 503.
        """
        return self.service.counted_elsewhere(name, self._client, check)

    def log_in(self, name: str, password: str) -> Account | None:
        """Check a password and start a session; None if name or password is wrong.

        For a user with a second factor it is half a login: see `awaits_second_factor`. Raises
        `Problem` 429 while blocked and 503 if the store or the hashing pool cannot serve.
        """
        account = self.service.authenticate(name, password, self.attempt(name))
        if account:
            self._session.expect(account.id, account.epoch)
            self.start(account)
        return account

    def start(self, account: Account) -> None:
        """Start a session of somebody who has proved who they are (ASVS 7.2.4)."""
        if self.starter:
            self.starter(account)
            return
        if not self._session.log_in(account.id, account.name):
            return
        self.service.accounts.logged_in(account.id, self._sessions.now())
        emit("authn_login_success", user=account.name)

    def log_out(self) -> None:
        """End the session in the store."""
        user = self._session.user
        self._session.end()
        emit("session_revoked", user=user)

    def change_password(self, current: str, new: str) -> dict[str, str]:
        """Change the password of the signed-in user; return objections by field.

        Counts in the throttle like a login, changes the session's id and ends all others of the
        user. Raises `Problem` as `log_in` does.
        """
        user = self.require_user()
        account, errors = self.service.change_password(
            user.name, current, new, self.attempt(user.name)
        )
        if account:
            with closed():
                self._session.prove_again()
                self._session.renew()
                self._sessions.store.delete_of_user(account.id, keep=self._session.id_hash)
            emit("authn_password_change", user=account.name)
            self.service.tell(account.name, Change.PASSWORD)
        return errors

    def list_sessions(self) -> list[SessionInfo]:
        """Return the signed-in user's sessions, last used first (ASVS 7.5.2)."""
        return [self._info(row) for row in self._sessions.of_user(self.require_user().id)]

    def _info(self, row: SessionRow) -> SessionInfo:
        address, agent = agents.read(row.client)
        return SessionInfo(
            handle=row.id_hash[:HANDLE],
            client=agents.name(agent),
            created=datetime.fromtimestamp(row.created, UTC),
            seen=datetime.fromtimestamp(row.seen, UTC),
            current=row.id_hash == self._session.id_hash,
            address=address,
            factor=self._sessions.factor(row),
        )

    def end_session(self, handle: str) -> None:
        """End one session of the signed-in user, or raise `Problem` 404."""
        user = self.require_recent_proof()
        if not self._sessions.end(user.id, handle):
            raise Problem(404)
        emit("session_revoked", user=user.id)

    def end_sessions_of(self, user_id: str) -> None:
        """End all sessions of a user whom you have disabled or deleted, also of logins in flight.

        Whether who asks may do that is yours to know. Raises `Problem` 503.
        """
        with closed():
            self._sessions.store.delete_of_user(user_id)
        emit("session_revoked", user=user_id, scope="all")

    def end_other_sessions(self) -> None:
        """End all sessions of the signed-in user but this one."""
        user = self.require_recent_proof()
        self._sessions.store.delete_of_user(user.id, keep=self._session.id_hash)
        emit("session_revoked", user=user.id, scope="others")
