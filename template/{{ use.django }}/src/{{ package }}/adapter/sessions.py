# Owned by the template: extend, do not edit.
"""`request.session`, on our sessions. The policy writes the cookie when the response leaves."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.middleware.csrf import CSRF_SESSION_KEY

from ..security.clock import is_within
from ..security.events import emit
from ..security.sessions import Session
from .compose import Exchange
from .current import CURRENT, own_boundary

_LIMIT = "_session_limit"
"""The key for when a limit was set and for how many seconds."""
_PLACEHOLDER = "_session_empty"


class DjangoSession(Session):
    """The core's session; the key by which Django knows its user signs in and out."""

    identity_key = SESSION_KEY


class SessionStore(SessionBase):
    """One session; Django's names for what `Session` does.

    Its times are the policy's: `set_expiry` shortens them, and never makes them longer.
    """

    def __init__(self, session_key: str | None = None, exchange: Exchange | None = None) -> None:
        """Take the request's exchange, or, outside of one, the value of a session's cookie."""
        super().__init__(session_key)
        self._exchange = exchange
        self._ours: Session = (
            exchange.context.session
            if exchange
            else DjangoSession(own_boundary().sessions, session_key or "")
        )
        # At once, as the core, which decides who may see a page, does not come by here.
        begun, seconds = self._peek(_LIMIT) or (None, 0)
        if begun is not None and not is_within(begun, seconds, self._now()):
            self._ours.end()

    @property
    def session_key(self) -> str | None:
        """The value that the cookie has when the response has left, as far as it is known."""
        return self._ours.next_cookie or None

    def _get_session(self, no_load: bool = False) -> Session:  # noqa: ARG002 - loads itself
        return self._ours

    _session = property(_get_session)

    def _now(self) -> int:
        boundary = self._exchange.boundary if self._exchange else own_boundary()
        return boundary.sessions.now()

    def is_of(self, user: str) -> bool:
        """Tell whether somebody is signed in, or half of it, by what was written here."""
        return self._ours.user == user or self._ours.left_half

    def sign_in(self, user: str, name: str) -> bool:
        """Note who has just logged in; False while their second proof is missing."""
        return self._ours.log_in(user, name)

    def get(self, key: str, default: Any = None) -> Any:
        if key == CSRF_SESSION_KEY:
            # CsrfViewMiddleware asks at every request; that alone makes no answer private.
            return self._peek(key, default)
        return super().get(key, default)

    def _peek(self, key: str, default: Any = None) -> Any:
        if not (self._ours.cookie or self._ours.fetched):
            return default
        accessed = self._ours.accessed
        value = self._ours.get(key, default)
        self._ours.accessed = accessed
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        if key == CSRF_SESSION_KEY and not self:
            # A visitor without a session has nothing that could be forged, and gets no cookie.
            return
        super().__setitem__(key, value)
        if not self._exchange:
            self._ours.pop(_PLACEHOLDER, None)
        if key != _LIMIT and self.get("_session_expiry"):
            self._limit()

    def __bool__(self) -> bool:
        return bool(self._session.user or len(self._session))

    def set_expiry(self, value: Any) -> None:
        super().set_expiry(value)
        self._limit()

    def _limit(self) -> None:
        self._ours.pop(_LIMIT, None)
        if self.get("_session_expiry"):
            self._ours[_LIMIT] = [self._now(), int(self.get_expiry_age())]

    def clear(self) -> None:
        self._session.clear()
        self.accessed = self.modified = True

    def cycle_key(self) -> None:
        self._session.rotate()

    def flush(self) -> None:
        user = self._ours.user
        self._ours.end()
        if user:
            emit("session_revoked", user=user)
        if not self._exchange:
            self.save()

    # What async views call. Django's own would keep what they write in a dictionary of its own.

    async def _aget_session(self, no_load: bool = False) -> Session:  # noqa: ARG002 - loads itself
        return self._ours

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        # In a thread: of who logs in the database is asked.
        await sync_to_async(self.__setitem__)(key, value)

    async def aset_expiry(self, value: Any) -> None:
        await sync_to_async(self.set_expiry)(value)

    async def acycle_key(self) -> None:
        self.cycle_key()

    async def aflush(self) -> None:
        self.flush()

    def is_empty(self) -> bool:
        return not self

    def exists(self, session_key: str) -> bool:
        exchange = CURRENT.get()
        here = exchange.context._session if exchange else None
        if here is not None and here.fetched and here.next_cookie == session_key:
            # It has that key from now on, and is stored when the response leaves.
            return True
        return bool(SessionStore(session_key))

    def create(self) -> None:
        self.cycle_key()
        if not self:
            # Also an empty one has a key, by which others keep what belongs to it.
            self._ours[_PLACEHOLDER] = True
        self.save()

    def save(self, must_create: bool = False) -> None:  # noqa: ARG002 - ids are never reused
        """Store it now, outside of a request; in one, that happens when the response leaves."""
        if not (self or self._ours.ended):
            self.create()
        elif not self._exchange:
            self._ours.commit(lambda value, _: value)

    def delete(self, session_key: str | None = None) -> None:
        if session_key is None:
            self.flush()
        else:
            SessionStore(session_key).flush()

    def load(self) -> dict[str, Any]:
        return dict(self._session)

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing: the store sweeps by itself."""
