# Owned by the template: extend, do not edit.
"""Login and change of password: the order of steps that makes them safe (ASVS 6, 7.2.4, 7.4.3)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

from .errors import Problem
from .events import emit
from .passwords import Busy, Passwords
from .stores import Counter, Outcome, StoreError
from .throttle import Blocked, Throttle
from .validation import is_visible

MAX_NAME = 100
"""Characters of a user name."""
_MOST_FOLDED = 4096
"""Characters of a name that are looked at: folding takes minutes for a million of accents."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the core needs to know about a user."""

    id: str
    name: str
    password_hash: str
    epoch: int = 0
    """Set by the login: how often all sessions of the user had been ended when it began."""


@runtime_checkable
class Accounts(Protocol):
    """The application's users."""

    def find(self, name: str) -> Account | None:
        """Return the account of a normalised user name; None too if it may not log in."""

    def set_password(self, account_id: str, password_hash: str, *, expected: str) -> bool:
        """Store a new hash if the present one is `expected`, in one step; False if it is not."""

    def add(self, name: str, password_hash: str) -> None:
        """Store a new user. Raises `ValueError` if the name is taken."""

    def logged_in(self, account_id: str, at: int) -> None:
        """Remember when a user was here last, in seconds since the epoch."""


class Change(StrEnum):
    """What of an account users are told of by mail (ASVS 6.3.7), by the text's name."""

    PASSWORD = "password_changed"  # noqa: S105 - the name of a text
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    RECOVERY_CODES = "recovery_codes"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries a password: what the throttle counts by."""

    client: str
    """Address of the client."""
    device: str = ""
    """Name of a browser that has logged in to the account before, or ""."""


def normalise(name: str) -> str:
    """Return one form of all spellings of a user name (Unicode NFKC, case-folded).

    Until nothing changes any more: folding may leave what normalises again. A longer one than
    anybody has stays as it is.
    """
    if len(name) > _MOST_FOLDED:
        return name
    while True:
        folded = unicodedata.normalize("NFKC", name).strip().casefold()
        if folded == name:
            return name
        name = folded


class LoginService:
    """Checks passwords: throttled, at one cost, by a bounded number of threads."""

    def __init__(
        self,
        accounts: Accounts,
        passwords: Passwords,
        throttle: Throttle,
        epoch: Callable[[str], int],
        now: Callable[[], int],
    ) -> None:
        """Take the users, the rules, the counters, users' epochs and the time in seconds."""
        self.accounts = accounts
        self.passwords = passwords
        self._throttle = throttle
        self._epoch = epoch
        self._now = now
        self.asks_factor: Callable[[str], bool] = lambda _: False
        """Whether a right password is but the first of two proofs, by the user's id."""
        self.tell: Callable[[str, Change], None] = lambda _name, _change: None
        """Tells a user, by name, that the account has changed; does nothing without mail."""

    def authenticate(self, name: str, password: str, attempt: Attempt) -> Account | None:
        """Return the account if name and password are right, else None.

        Raises `Problem` 429 while blocked and 503 if the store or the hashing pool cannot serve.
        """
        account = self._checked(name, password, attempt, final=False)
        if account is None:
            emit("authn_login_fail", user=normalise(name))
        return account

    def confirm(self, name: str, password: str, attempt: Attempt) -> bool:
        """Tell whether the password of somebody who is signed in is right (PPL-5).

        Counts in the throttle like a login. Raises `Problem` as `authenticate` does.
        """
        account = self._checked(name, password, attempt)
        emit("authn_reauthenticated" if account else "authn_reauthenticate_fail", user=name)
        return account is not None

    @contextmanager
    def counted(self, name: str, attempt: Attempt) -> Iterator[Callable[[Outcome], None]]:
        """Count an attempt at another secret of the user by the same throttle (THR-10).

        Give what says how it has ended. Raises `Problem` 429 while blocked and 503.
        """
        counters = self._throttle.counters(normalise(name), attempt.client, attempt.device)
        with closed(), self._reserved(normalise(name), counters) as settle:
            yield settle

    def counted_elsewhere(self, name: str, client: str, check: Callable[[], bool]) -> bool:
        """Return what `check` says of a secret that the application keeps itself (THR-10).

        Raises `Problem` 429 while blocked, before it is asked, and 503.
        """
        name = normalise(name)
        counters = self._throttle.elsewhere(name, client)
        with closed(), self._reserved(name, counters) as settle:
            right = bool(check())
            settle(Outcome.PASSED if right else Outcome.FAILED)
        if not right:
            emit("authn_login_fail", user=name)
        return right

    def change_password(
        self, name: str, current: str, new: str, attempt: Attempt
    ) -> tuple[Account | None, dict[str, str]]:
        """Change the password of the user `name`; return the account, or objections by field.

        Counts in the throttle like a login. The caller ends the user's other sessions. Raises
        `Problem` as `authenticate` does.
        """
        account = self._checked(name, current, attempt)
        if account is None:
            emit("authn_password_change_fail", user=name)
            return None, {"current_password": "This is not your current password."}
        with closed(), self.passwords.place():
            # Judging takes as long as hashing: after the throttle, and in its turn.
            if objection := self.passwords.objection(new, name):
                return None, {"new_password": objection}
            hashed = self.passwords.hash(new)
            if not self.accounts.set_password(account.id, hashed, expected=account.password_hash):
                # Two changes at once: one wins, the other is told.
                emit("authn_password_change_fail", user=name)
                return None, {"current_password": "The password was changed a moment ago."}
        return account, {}

    def _checked(
        self, name: str, password: str, attempt: Attempt, *, final: bool = True
    ) -> Account | None:
        """Return the account if the password is right; not `final` where a factor may follow."""
        name = normalise(name)
        with self.counted(name, attempt) as settle, self.passwords.place():
            account = self._find(name)
            right = self.passwords.verify(account.password_hash if account else None, password)
            if account is None or not right:
                settle(Outcome.FAILED)
                return None
            # Else who knows the password could forget their wrong codes by logging in again.
            half = not final and self.asks_factor(account.id)
            settle(Outcome.WITHDRAWN if half else Outcome.PASSED)
            if self.passwords.outdated(account.password_hash):
                hashed = self.passwords.hash(password)
                if self.accounts.set_password(account.id, hashed, expected=account.password_hash):
                    account = replace(account, password_hash=hashed)
        return account

    @contextmanager
    def _reserved(
        self, name: str, counters: tuple[Counter, ...]
    ) -> Iterator[Callable[[Outcome], None]]:
        """Reserve an attempt; give what says how it has ended. Raises `Problem` 429."""
        now = self._now()
        try:
            # Who waits for other attempts is in the queue already, so that the rest is served.
            reserved = self._throttle.reserve(counters, now, self.passwords.patience)
        except Busy:
            # More wait than may: what they wait for are guesses, most likely.
            raise too_many(1) from None
        except Blocked as blocked:
            if not blocked.others:
                emit("authn_login_lock", user=name, seconds=blocked.seconds)
            raise too_many(blocked.seconds) from None
        settled = False

        def settle(outcome: Outcome) -> None:
            nonlocal settled
            settled = True
            self._throttle.settle(counters, reserved, outcome, now)

        try:
            yield settle
        except BaseException:
            if not settled:
                # Else who tries while the database is away is locked out once it is back.
                with suppress(StoreError):
                    settle(Outcome.WITHDRAWN)
            raise

    def _find(self, name: str) -> Account | None:
        """Return the account as it is after its epoch was read.

        The hash must not be older than the epoch: a login with the old password, begun before a
        change, would else be stored after it (SES-10).
        """
        account = self.accounts.find(name)
        if account is None:
            return None
        epoch = self._epoch(account.id)
        account = self.accounts.find(name)
        return replace(account, epoch=epoch) if account else None

    def accept(self, name: str, attempt: Attempt) -> None:
        """Give a failed attempt back: another backend of the framework let the user in."""
        now = self._now()
        counters = self._throttle.counters(normalise(name), attempt.client, attempt.device)
        with closed():
            self._throttle.forgive(counters, now)


def is_name(name: str) -> bool:
    """Tell whether a new user may have that name; it is normalised."""
    return 1 <= len(name) <= MAX_NAME and is_visible(name)


def add_account(
    accounts: Accounts, passwords: Passwords, name: str, password: str, *, by: str = ""
) -> str:
    """Create a user and return the normalised name (ASVS 6.2); `by` is the operator, for the log.

    Raises `ValueError` for a name or password that will not do.
    """
    name = normalise(name)
    if not is_name(name):
        raise ValueError(f"a user name has 1 to {MAX_NAME} visible characters and single spaces")
    if objection := passwords.objection(password, name):
        raise ValueError(objection)
    accounts.add(name, passwords.hash(password))
    emit("user_created", user=name, operator=by)
    return name


def too_many(seconds: int) -> Problem:
    """Return the refusal of an attempt, which may be made again after so many seconds."""
    return Problem(429, headers=[("retry-after", str(seconds))], reason="throttle")


@contextmanager
def closed() -> Iterator[None]:
    """Without counters or hashes nobody is let in."""
    try:
        yield
    except StoreError as error:
        emit("sys_store_unavailable", error=str(error))
        raise Problem(503, headers=[("retry-after", "30")], reason="store away") from error
    except Busy as error:
        emit("excess_logins")
        raise Problem(503, headers=[("retry-after", "1")], reason="too many logins") from error
