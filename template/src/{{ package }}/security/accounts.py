# Owned by the template: extend, do not edit.
"""Login and change of password: the order of steps that makes them safe (ASVS 6, 7.2.4, 7.4.3)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .errors import Problem
from .events import emit
from .passwords import Busy
from .stores import StoreError

if TYPE_CHECKING:
    from .visit import Visit


@dataclass(frozen=True, slots=True)
class Account:
    """What the core needs to know about a user."""

    id: str
    name: str
    password_hash: str


class Accounts(Protocol):
    """The application's users."""

    def find(self, name: str) -> Account | None:
        """Return the account of a normalised user name."""

    def set_password(self, account_id: str, password_hash: str) -> None:
        """Store a new hash."""


def normalise(name: str) -> str:
    """Return one form of all spellings of a user name (Unicode NFKC, case-folded)."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def login(visit: Visit, accounts: Accounts, name: str, password: str) -> Account | None:
    """Check a password and start a session; None if name or password is wrong.

    Raises `Problem` 429 while blocked and 503 if the store or the hashing pool cannot serve.
    """
    account = check(visit, accounts, name, password)
    if account:
        visit.session.sign_in(account.id)
        visit.know_device(account.name)
        emit("authn_login_success", user=account.name)
    return account


def check(visit: Visit, accounts: Accounts, name: str, password: str) -> Account | None:
    """Check a password as `login` does, for a framework that starts the session by itself."""
    account = _checked(visit, accounts, name, password)
    if account is None:
        emit("authn_login_fail", user=normalise(name))
    return account


def change_password(
    visit: Visit, accounts: Accounts, name: str, current: str, new: str
) -> dict[str, str]:
    """Change the password of the signed-in user `name`; return objections by field.

    Counts in the throttle like a login, and ends all other sessions of the user. Raises `Problem`
    as `login` does.
    """
    if objection := visit.guard.passwords.objection(new, name):
        return {"new_password": objection}
    account = _checked(visit, accounts, name, current)
    if account is None:
        emit("authn_password_change_fail", user=name)
        return {"current_password": "This is not your current password."}
    with _closed():
        accounts.set_password(account.id, visit.guard.passwords.hash(new))
        visit.session.rotate()
        visit.guard.store.delete_of_user(account.id, keep=visit.session.id_hash)
    emit("authn_password_change", user=name)
    return {}


def _checked(visit: Visit, accounts: Accounts, name: str, password: str) -> Account | None:
    guard = visit.guard
    name = normalise(name)
    now = guard.sessions.now()
    counters = guard.throttle.counters(name, visit.client, visit.device(name))
    with _closed():
        if wait := guard.throttle.reserve(counters, now):
            emit("authn_login_lock", user=name, seconds=wait)
            raise Problem(429, headers=[("retry-after", str(wait))])
        try:
            account = accounts.find(name)
            right = guard.passwords.verify(account.password_hash if account else None, password)
        except (Busy, StoreError):
            # Else who tries while the database is away is locked out once it is back.
            guard.throttle.withdraw(counters, now)
            raise
        if account is None or not right:
            return None
        guard.throttle.succeed(counters, now)
        if guard.passwords.outdated(account.password_hash):
            accounts.set_password(account.id, guard.passwords.hash(password))
    return account


@contextmanager
def _closed() -> Iterator[None]:
    """Without counters or hashes nobody is let in."""
    try:
        yield
    except StoreError as error:
        emit("sys_store_unavailable", error=str(error))
        raise Problem(503, headers=[("retry-after", "30")]) from error
    except Busy as error:
        emit("excess_logins")
        raise Problem(503, headers=[("retry-after", "1")]) from error
