# Owned by the template: extend, do not edit.
"""What a view may do about second factors for the one who asks (PPL-4).

Like `auth`, it knows a session and a client, and nothing of requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import passkeys, totp
from .accounts import Account, Change
from .clock import is_within
from .errors import LoginRequired, Problem
from .factors import MAX_FACTORS, MAX_NAME, Factor, Factors, Kind
from .passkeys import Site
from .sessions import Pending, Session
from .validation import is_plain_text

if TYPE_CHECKING:
    from .auth import Auth

_LOGIN, _CONFIRM, _ENROL = "log in", "confirm", "enrol"


@dataclass(frozen=True, slots=True)
class FactorInfo:
    """A second factor as the account page shows it."""

    id: str
    """Names it in forms."""
    kind: str
    name: str
    created: datetime
    used: datetime | None


@dataclass(frozen=True, slots=True)
class FactorPrompt:
    """What the page after the password asks for."""

    codes: bool
    """Whether there is an app, or a recovery code, whose code may be typed."""
    passkey: str
    """What a script asks the browser for, as JSON; "" where there is no passkey."""
    enrol: bool
    """Whether the service requires a factor and the user has yet to add one."""


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """A new secret for an authenticator app."""

    secret: str
    address: str
    """The same for a QR code."""
    qr_code: str
    """An SVG element."""
    token: str
    """Brings the secret back with the form; good for this session and a few minutes."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """How an enrolment has ended."""

    errors: dict[str, str]
    """Objections by field; empty: the factor is there."""
    codes: Sequence[str] = ()
    """Recovery codes that were made with the first factor; nobody can show them again."""


class SecondFactor:
    """Second factors of one request."""

    def __init__(self, auth: Auth, factors: Factors, session: Session, site: Site) -> None:
        """Take the login of the request, the service's factors, the session, and where it is."""
        self._auth = auth
        self._factors = factors
        self._session = session
        self._site = site

    # Login --------------------------------------------------------------------------------------

    @property
    def is_awaited(self) -> bool:
        """Tell whether half a login waits for its second proof."""
        pending = self._pending()
        return pending is not None and not (pending.user and self._account(pending.user) is None)

    def prompt(self) -> FactorPrompt | None:
        """Return what the one whose password was right is asked for; None if nobody waits."""
        pending = self._pending()
        if pending is None or not self.is_awaited:
            return None
        if not pending.user:
            return FactorPrompt(codes=False, passkey=self._ask(_LOGIN, ()), enrol=False)
        self._session.asks_second = pending.user
        found = self._factors.store.factors_of(pending.user)
        return FactorPrompt(
            codes=bool(found),
            passkey=self._ask(_LOGIN, keys) if (keys := _passkeys(found)) else "",
            enrol=not found,
        )

    def begin_passkey(self) -> None:
        """Begin a login by a passkey alone: it says whose it is."""
        self._session.hold()

    def log_in(self, *, code: str = "", credential: str = "") -> bool:
        """Finish a login by a code or by what a passkey answered; False if that is wrong.

        Counts in the throttle like a password. Raises `LoginRequired` if no login waits for it, and
        `Problem` 429 and 503.
        """
        pending = self._pending()
        if pending is None:
            raise LoginRequired
        epoch, user_id = pending.epoch, pending.user
        if not user_id and (owner := self._owner(credential)):
            # Before the account is read: what ends sessions meanwhile ends this login (SES-10).
            epoch, user_id = self._auth.epoch(owner), owner
        account = self._account(user_id) if user_id else None
        kind = ""
        if account and credential:
            kind = self._prove_passkey(account, _LOGIN, credential)
        elif account and code and pending.user:
            kind = self._factors.prove_code(account, code, self._auth.attempt(account.name))
        if account is None or not kind:
            if credential:
                # Its challenge is used up.
                self._session.rotate()
            return False
        self._session.expect(account.id, epoch, kind)
        self._auth.start(account)
        return True

    # Proof again --------------------------------------------------------------------------------

    def confirmation(self) -> str:
        """Return what a passkey of the signed-in user is asked for, as JSON; "" without one."""
        user = self._auth.require_user()
        keys = _passkeys(self._factors.store.factors_of(user.id))
        return self._ask(_CONFIRM, keys) if keys else ""

    def confirm(self, credential: str) -> bool:
        """Tell whether a passkey of the signed-in user says that it is them (PPL-5)."""
        account = self._account(self._auth.require_user().id)
        return account is not None and bool(self._prove_passkey(account, _CONFIRM, credential))

    # Account page -------------------------------------------------------------------------------

    def all(self) -> list[FactorInfo]:
        """Return the signed-in user's factors, oldest first."""
        user = self._auth.require_user()
        return [
            FactorInfo(
                each.id,
                each.kind,
                each.name,
                datetime.fromtimestamp(each.created, UTC),
                datetime.fromtimestamp(each.used, UTC) if each.used else None,
            )
            for each in self._factors.store.factors_of(user.id)
        ]

    def codes_left(self) -> int:
        """Return how many recovery codes the signed-in user has."""
        return self._factors.store.count_codes(self._auth.require_user().id)

    def begin_totp(self) -> TotpEnrolment:
        """Return a secret for an authenticator app; it counts once a code of it has come back."""
        account = self._enrolling()
        place = f"{account.id} {self._session.next_hash}"
        return self._enrolment(account, *self._factors.begin_totp(place))

    def again(self, token: str) -> TotpEnrolment:
        """Return the enrolment that a form brought back; a new one if it was not of this place."""
        account = self._enrolling()
        secret = self._factors.secret_of(token, self._place(account))
        if not secret:
            return self.begin_totp()
        return self._enrolment(account, secret, token)

    def add_totp(self, name: str, code: str, token: str) -> Enrolled:
        """Add an authenticator app."""
        account = self._enrolling()
        secret = self._factors.secret_of(token, self._place(account))
        if not secret:
            return Enrolled({"code": "This page is too old: begin again with the new secret."})
        if error := self._objection(account, name):
            return Enrolled({"name": error})
        if not self._factors.add_totp(account, name.strip(), secret, code):
            return Enrolled({"code": "This is not the code that the app shows now."})
        return self._enrolled(account, Kind.TOTP)

    def begin_new_passkey(self) -> str:
        """Return what the browser is asked to make a passkey of, as JSON."""
        account = self._enrolling()
        found = self._factors.store.factors_of(account.id)
        return passkeys.creation_options(
            self._challenge(_ENROL),
            self._site,
            self._auth.service_name,
            (account.id, account.name),
            [name for name, _ in _passkeys(found)],
        )

    def add_passkey(self, name: str, credential: str) -> Enrolled:
        """Add a passkey."""
        account = self._enrolling()
        if error := self._objection(account, name):
            return Enrolled({"name": error})
        challenge = self._accepted(_ENROL, credential)
        # Right or wrong, its challenge is used up.
        self._session.rotate()
        if challenge is None or not self._factors.add_passkey(
            account, name.strip(), credential, challenge, self._site
        ):
            return Enrolled({"credential": "The browser made no passkey that can be used here."})
        return self._enrolled(account, Kind.PASSKEY)

    def rename(self, factor_id: str, name: str) -> None:
        """Give a factor of the signed-in user another name, or raise `Problem` 404 or 422."""
        user = self._auth.require_recent_proof()
        if not _is_name(name):
            raise Problem(422, fields=["name"])
        if not self._factors.store.rename_factor(user.id, factor_id, name.strip()):
            raise Problem(404)

    def remove(self, factor_id: str) -> str:
        """Remove a factor of the signed-in user; return an objection, or raise `Problem` 404."""
        user = self._auth.require_recent_proof()
        if self._factors.remove(self._signed_in(user.id), factor_id):
            self._session.rotate()
            self._auth.service.tell(user.name, Change.FACTOR_REMOVED)
            return ""
        if any(each.id == factor_id for each in self._factors.store.factors_of(user.id)):
            return "This service requires a second factor: add another one before you remove this."
        raise Problem(404)

    def new_codes(self) -> list[str]:
        """Return new recovery codes for the signed-in user; the old ones are dead at once."""
        user = self._auth.require_recent_proof()
        if not self._factors.store.factors_of(user.id):
            raise Problem(409, detail="Add a second factor first.")
        codes = self._factors.new_codes(self._signed_in(user.id))
        self._auth.service.tell(user.name, Change.RECOVERY_CODES)
        return codes

    # --------------------------------------------------------------------------------------------

    def _pending(self) -> Pending | None:
        pending = self._session.pending
        if pending and is_within(pending.since, self._factors.lifetime, self._auth.now()):
            return pending
        return None

    def _account(self, user_id: str) -> Account | None:
        return self._factors.store.account_of(user_id)

    def _signed_in(self, user_id: str) -> Account:
        account = self._account(user_id)
        if account is None:
            raise LoginRequired
        return account

    def _enrolling(self) -> Account:
        """Return who may add a factor: who has just proved it, or who must before getting in."""
        pending = self._pending()
        if pending is None:
            return self._signed_in(self._auth.require_recent_proof().id)
        if not pending.user or self._factors.store.factors_of(pending.user):
            raise LoginRequired
        if pending.epoch != self._auth.epoch(pending.user):
            # Else the one with the old password leaves a factor of theirs behind.
            raise LoginRequired
        self._session.asks_second = pending.user
        return self._signed_in(pending.user)

    def _enrolment(self, account: Account, secret: str, token: str) -> TotpEnrolment:
        address = totp.address(secret, account.name, self._auth.service_name)
        return TotpEnrolment(secret, address, totp.qr_code(address), token)

    def _objection(self, account: Account, name: str) -> str:
        if not _is_name(name):
            return f"Use 1 to {MAX_NAME} characters, and no control characters."
        if len(self._factors.store.factors_of(account.id)) >= MAX_FACTORS:
            return f"There are {MAX_FACTORS} already: remove one first."
        return ""

    def _enrolled(self, account: Account, kind: Kind) -> Enrolled:
        codes: Sequence[str] = ()
        if not self._factors.store.count_codes(account.id):
            codes = self._factors.new_codes(account)
        self._auth.service.tell(account.name, Change.FACTOR_ADDED)
        if pending := self._pending():
            self._session.expect(account.id, pending.epoch, kind)
            self._auth.start(account)
        else:
            # What began this enrolment does not begin another.
            self._session.rotate()
        return Enrolled({}, codes)

    def _place(self, account: Account) -> str:
        return f"{account.id} {self._session.id_hash}"

    def _challenge(self, purpose: str) -> bytes:
        now = self._auth.now()
        return self._factors.challenges.issue(purpose, self._session.next_hash, now)

    def _ask(self, purpose: str, keys: Sequence[tuple[str, tuple[str, ...]]]) -> str:
        self._session.asks_for_passkey = True
        return passkeys.request_options(self._challenge(purpose), self._site, keys)

    def _accepted(self, purpose: str, credential: str) -> bytes | None:
        """Return the challenge that a browser answers, if it is of this session and purpose."""
        parsed = passkeys.parse(credential)
        session, now = self._session.id_hash, self._auth.now()
        fits = parsed and self._factors.challenges.accepts(parsed[1], purpose, session, now)
        return parsed[1] if parsed and fits else None

    def _owner(self, credential: str) -> str:
        parsed = passkeys.parse(credential)
        factor = self._factors.store.passkey(parsed[0]) if parsed else None
        return factor.user if factor else ""

    def _prove_passkey(self, account: Account, purpose: str, credential: str) -> str:
        challenge = self._accepted(purpose, credential)
        if challenge is None:
            return ""
        attempt = self._auth.attempt(account.name)
        return self._factors.prove_passkey(account, credential, challenge, self._site, attempt)


def _passkeys(factors: Sequence[Factor]) -> list[tuple[str, tuple[str, ...]]]:
    """Return id and transports of those that are passkeys."""
    return [
        (each.credential, tuple(each.transports.split()))
        for each in factors
        if each.kind == Kind.PASSKEY and each.credential
    ]


def _is_name(name: str) -> bool:
    return 1 <= len(name.strip()) <= MAX_NAME and is_plain_text(name)
