# Owned by the template: extend, do not edit.
"""Second factors (PPL-4; ASVS 6.5): authenticator apps, passkeys, and codes for when both are lost.

Whatever proves a factor is used once, by one atomic step of the database: a code that is sent twice
at once, or in two tabs, or to two machines, lets one in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from string import ascii_lowercase, digits
from typing import Any, Protocol, runtime_checkable

from . import passkeys, totp
from .accounts import Account, Attempt, LoginService
from .events import emit
from .keys import Keys
from .passkeys import Challenges, Site
from .policy import AccountsPolicy
from .sealing import Seal
from .stores import Outcome

MAX_FACTORS = 20
"""For one user: more than anybody has, and no way to fill the database."""
MAX_NAME = 60
"""Characters of a factor's name."""
CODES = 10
"""Recovery codes that a user gets at a time."""
_ALPHABET = "".join(sorted({*ascii_lowercase, *digits} - {*"01ilo"}))
"""Without what is read as something else."""
_CODE_LENGTH, _GROUP = 16, 4
_ID_LENGTH = 16
_NEVER = -1


class Kind(StrEnum):
    """What a second factor is."""

    TOTP = "authenticator app"
    PASSKEY = "passkey"
    CODE = "recovery code"


@dataclass(frozen=True, slots=True)
class Factor:
    """One second factor as the database keeps it. Times are in seconds since the epoch."""

    id: str
    user: str
    kind: str
    name: str
    secret: str
    """An authenticator app's, sealed with the service's keys."""
    counter: int
    """The last time step that was used, -1 for none; of a passkey its signature counter."""
    credential: str | None
    """A passkey's id, as base64url."""
    public_key: str
    transports: str
    """How browsers reach the passkey, with a space between."""
    created: int
    used: int | None


def read_row(row: Any) -> Factor:
    """Return the factor that a row of the table `user_factor` says, whichever library read it."""
    return Factor(
        id=row.id,
        user=str(row.user_id),
        kind=row.kind,
        name=row.name,
        secret=row.secret,
        counter=row.counter,
        credential=row.credential,
        public_key=row.public_key,
        transports=row.transports,
        created=row.created_at,
        used=row.used_at,
    )


@runtime_checkable
class FactorStore(Protocol):
    """Where second factors are kept, beside the users."""

    def account_of(self, user_id: str) -> Account | None:
        """Return the account with that id; None too if it may not log in."""

    def factors_of(self, user_id: str) -> Sequence[Factor]:
        """Return a user's factors, oldest first."""

    def passkey(self, credential: str) -> Factor | None:
        """Return the passkey with that id, whosever it is."""

    def add_factor(self, factor: Factor) -> bool:
        """Store a new one; False if there is one of its id, or its passkey."""

    def rename_factor(self, user_id: str, factor_id: str, name: str) -> bool:
        """Rename a user's factor; False if the user has none of that id."""

    def remove_factor(self, user_id: str, factor_id: str, *, last: bool) -> bool:
        """Delete a user's factor, with the last one the recovery codes, one such call at a time.

        False if the user has none of that id or, unless the `last` one may go, no other.
        """

    def use_factor(
        self, factor_id: str, *, before: int, counter: int, secret: str, at: int
    ) -> bool:
        """Store counter and secret if the counter is still `before`, in one step; else False."""

    def replace_codes(self, user_id: str, hashes: Sequence[str]) -> None:
        """Put new recovery codes in the place of the user's old ones, one such call at a time."""

    def use_code(self, user_id: str, code_hash: str) -> bool:
        """Delete one recovery code; False if the user has no such code (any more)."""

    def count_codes(self, user_id: str) -> int:
        """Return how many recovery codes the user has."""

    def remove_factors(self, user_id: str) -> int:
        """Delete a user's factors and recovery codes; return how many factors those were."""

    def factor_kinds(self) -> Mapping[str, Sequence[str]]:
        """Return the kinds of factors of each user that has any, by the user's id."""


class Factors:
    """Checks and enrols second factors, for all users of a service."""

    def __init__(
        self,
        store: FactorStore,
        keys: Keys,
        policy: AccountsPolicy,
        login: LoginService,
        now: Callable[[], int],
    ) -> None:
        """Take where factors are kept, the keys, the rules, the throttle and the time."""
        self.store = store
        self.required = policy.second_factor == "required"
        self.lifetime = policy.factor_timeout
        """Seconds that a half login, and what a page asks for, is good for."""
        self.challenges = Challenges(keys, policy.factor_timeout)
        self._secrets = Seal(keys, "second factor")
        self._enrolments = Seal(keys, "second factor on its way")
        self._login = login
        self._now = now

    def asked_of(self, user_id: str) -> bool:
        """Tell whether a password alone does not let the user in."""
        return self.required or bool(self.store.factors_of(user_id))

    # Proofs -------------------------------------------------------------------------------------

    def prove_code(self, account: Account, code: str, attempt: Attempt) -> str:
        """Return what kind of factor `code` proves, "" for none.

        Counts in the throttle as a password does (THR-10). Raises `Problem` 429 and 503.
        """
        typed = "".join(code.split()).replace("-", "").lower()
        with self._login.counted(account.name, attempt) as settle:
            kind = self._use_totp(account.id, typed) or self._use_code(account.id, typed)
            settle(Outcome.PASSED if kind else Outcome.FAILED)
        _tell(account, kind, "code")
        return kind

    def prove_passkey(
        self,
        account: Account,
        credential: str,
        challenge: bytes,
        site: Site,
        attempt: Attempt,
    ) -> str:
        """Return the kind if `credential` is the answer of a passkey of the account, else ""."""
        with self._login.counted(account.name, attempt) as settle:
            kind = self._use_passkey(account.id, credential, challenge, site)
            settle(Outcome.PASSED if kind else Outcome.FAILED)
        _tell(account, kind, Kind.PASSKEY)
        return kind

    def _use_totp(self, user_id: str, code: str) -> str:
        for factor in self.store.factors_of(user_id):
            if factor.kind != Kind.TOTP:
                continue
            bound_to = f"{user_id} {factor.id}"
            secret = self._secrets.open(factor.secret, bound_to)
            if secret is None:
                # Its key is gone from APP_SECRET_KEYS.
                emit("authn_factor_unreadable", factor=factor.id)
                continue
            now = self._now()
            step = totp.matching_step(secret, code, now, after=factor.counter)
            if step is None:
                continue
            sealed = factor.secret
            if not self._secrets.is_current(sealed, bound_to):
                sealed = self._secrets.seal(secret, bound_to)
            if self.store.use_factor(
                factor.id, before=factor.counter, counter=step, secret=sealed, at=now
            ):
                return Kind.TOTP
        return ""

    def _use_code(self, user_id: str, code: str) -> str:
        fits = len(code) == _CODE_LENGTH
        return Kind.CODE if fits and self.store.use_code(user_id, _hashed(user_id, code)) else ""

    def _use_passkey(self, user_id: str, credential: str, challenge: bytes, site: Site) -> str:
        parsed = passkeys.parse(credential)
        factor = self.store.passkey(parsed[0]) if parsed else None
        if factor is None or factor.user != user_id or (parsed and parsed[2] not in {"", user_id}):
            return ""
        counter = passkeys.verify_use(
            credential, challenge, site, factor.public_key, factor.counter
        )
        if counter is None:
            return ""
        used = self.store.use_factor(
            factor.id, before=factor.counter, counter=counter, secret="", at=self._now()
        )
        return Kind.PASSKEY if used else ""

    # Enrolment ----------------------------------------------------------------------------------

    def begin_totp(self, place: str) -> tuple[str, str]:
        """Return a new secret, and the same as a form brings it back, good in one place alone."""
        secret = totp.new_secret()
        return secret, self._enrolments.seal(f"{self._now()} {secret}", place)

    def secret_of(self, token: str, place: str) -> str:
        """Return the secret of an enrolment on its way, "" if it is not of this place or late."""
        text = self._enrolments.open(token, place)
        begun, _, secret = (text or "0").partition(" ")
        return secret if 0 <= self._now() - int(begun) < self.lifetime else ""

    def add_totp(self, account: Account, name: str, secret: str, code: str) -> bool:
        """Enrol an authenticator app if `code` is of its secret; that code cannot be used again."""
        now = self._now()
        step = totp.matching_step(secret, "".join(code.split()), now, after=_NEVER)
        if step is None:
            return False
        # Known by its secret, so that what is sent twice at once makes one: of two, each would take
        # the code that the other has taken.
        made = replace(
            _factor(account, Kind.TOTP, name, now), id=_hashed(account.id, secret)[:_ID_LENGTH]
        )
        sealed = self._secrets.seal(secret, f"{made.user} {made.id}")
        return self._add(account, replace(made, secret=sealed, counter=step))

    def add_passkey(
        self, account: Account, name: str, credential: str, challenge: bytes, site: Site
    ) -> bool:
        """Enrol a passkey if a browser has made it for that challenge."""
        made = passkeys.verify_new(credential, challenge, site)
        if made is None:
            return False
        factor = replace(
            _factor(account, Kind.PASSKEY, name, self._now()),
            counter=made.sign_count,
            credential=made.id,
            public_key=made.public_key,
            transports=" ".join(made.transports),
        )
        return self._add(account, factor)

    def _add(self, account: Account, factor: Factor) -> bool:
        if not self.store.add_factor(factor):
            return False
        emit("authn_factor_enrolled", user=account.name, factor=factor.kind)
        return True

    def new_codes(self, account: Account) -> list[str]:
        """Give a user new recovery codes in the place of the old ones; they are shown once."""
        codes = [
            "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)) for _ in range(CODES)
        ]
        self.store.replace_codes(account.id, [_hashed(account.id, code) for code in codes])
        emit("authn_recovery_codes_created", user=account.name)
        return [
            "-".join(code[at : at + _GROUP] for at in range(0, _CODE_LENGTH, _GROUP))
            for code in codes
        ]

    def remove(self, account: Account, factor_id: str) -> bool:
        """Remove a factor, and with the last one the recovery codes.

        False if there is none, or it is the last one and the service requires one.
        """
        if not self.store.remove_factor(account.id, factor_id, last=not self.required):
            return False
        emit("authn_factor_removed", user=account.name)
        return True


def _factor(account: Account, kind: Kind, name: str, now: int) -> Factor:
    return Factor(
        id=secrets.token_hex(_ID_LENGTH // 2),
        user=account.id,
        kind=kind,
        name=name,
        secret="",
        counter=_NEVER,
        credential=None,
        public_key="",
        transports="",
        created=now,
        used=None,
    )


def _tell(account: Account, kind: str, tried: str) -> None:
    if kind:
        emit("authn_factor_used", user=account.name, factor=kind)
    else:
        emit("authn_factor_fail", user=account.name, factor=tried)


def _hashed(user_id: str, code: str) -> str:
    """Return what is known of a recovery code, of 79 random bits, so that a fast hash will do."""
    return hashlib.sha256(f"{user_id}\0{code}".encode()).hexdigest()
