# Owned by the template: extend, do not edit.
"""Sessions (guide: Use cookies securely; ASVS 7).

Every session has a row in the store, so both kinds of cookie end, expire and are listed alike. An
id that the service did not issue is never adopted, and the id changes whenever rights do.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import Any, NamedTuple

from . import events
from .clock import is_within
from .policy import SessionPolicy
from .session_codec import SessionCodec
from .stores import SessionRow, Store, StoreError

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode
"""For what `_encode` has written: it skips no white space."""
_SHA256 = hashlib.sha256()
"""Empty, to be copied: finding the algorithm takes longer than hashing an id."""
_NAME = ""
"""The key under which the name of the signed-in user is stored with the content."""
_FACTS = " "
"""The key of what is known of how the user has proved who they are; in the store in any case."""
HANDLE = 16
"""Length of a session's public name: the start of its id's hash, useless for taking it over."""


class Pending(NamedTuple):
    """A login that lacks its second proof."""

    user: str
    """Id of the user whose password was right; "" where a passkey will tell who it is."""
    epoch: int
    since: int


class Proof(NamedTuple):
    """That somebody has proved who they are, and may be logged in."""

    user: str
    epoch: int
    factor: str
    """The kind of the second factor, "" for none."""


class Sessions:
    """Opens, lists and ends sessions."""

    def __init__(
        self, policy: SessionPolicy, codec: SessionCodec, store: Store, clock: Callable[[], float]
    ) -> None:
        """Take the policy's times, the kind of cookie, the store and the time in seconds."""
        self.policy = policy
        self.codec = codec
        self.store = store
        self.clock = clock
        self.asks_factor: Callable[[str], bool] = lambda _: False
        """Whether a user is logged in by a second factor alone; asked at each login."""

    def now(self) -> int:
        """Return the time in whole seconds."""
        return int(self.clock())

    def alive(self, row: SessionRow, now: int) -> bool:
        """Tell whether a row is within both timeouts (ASVS 7.3.1, 7.3.2)."""
        return is_within(row.seen, self.policy.idle_timeout, now) and is_within(
            row.created, self.policy.absolute_timeout, now
        )

    def is_due(self, row: SessionRow) -> bool:
        """Tell whether a use of the session is to be written down: not each one is."""
        return self.now() - row.seen >= self.policy.touch_interval

    def of_user(self, user: str) -> list[SessionRow]:
        """Return a user's living sessions, last used first."""
        now = self.now()
        return [row for row in self.store.of_user(user) if self.alive(row, now)]

    def factor(self, row: SessionRow) -> str:
        """Return the kind of second factor that began a session, "" for none."""
        facts = json.loads(row.data).get(_FACTS) or {}
        return str(facts.get("factor", ""))

    def end(self, user: str, handle: str) -> bool:
        """End the user's session with that handle; False if the user has none."""
        return any(
            self.store.delete(row.id_hash)
            for row in self.store.of_user(user)
            if secrets.compare_digest(row.id_hash[:HANDLE].encode(), handle.encode())
        )


class Session(MutableMapping[str, Any]):
    """The session of one request: a dictionary of JSON values that fetches itself at first use.

    Nothing is stored and no cookie is sent for a visitor without content.
    """

    identity_key = ""
    """The key under which the framework's own login keeps the user's id, "" if it has none.

    Writing it signs in and deleting it signs out, so that the framework's usual ways to log in
    change the id and are listed like ours.
    """
    modified = False
    """Some frameworks set it; what has changed is found out by comparing."""

    # Defaults of the class: most sessions are never opened.
    fetched = False
    """True once the session was read; before that there is nothing to store."""
    _row: SessionRow | None = None
    _id = ""
    _next_id = ""
    _user = ""
    _name = ""
    _before = "{}"
    _facts: dict[str, Any] | None = None
    _proved: Proof | None = None
    """The proof of a login that is on its way."""
    asks_for_passkey = False
    """True where the page of the response asks the browser for a passkey."""
    asks_second = ""
    """Id of the user whom the page of the response asks for the second factor.

    What remembers them and logs them in while that page is made, begins nothing anew.
    """
    new_device = ""
    """Name of the account that this browser is known to from now on (OWASP device cookies)."""
    _left_half = False
    _touched = False
    """True once the content may differ from what was read."""
    _rotate = False
    _restart = False
    _encoding = ("", "", "", "")
    """Id and content, and what the cookie and the store have of them."""
    accessed = False
    """True once the response may depend on the session."""
    ended = False
    clears = False
    """True once it was ended, also where what is written since begins another one."""
    unavailable = False
    """True if the store did not answer, so nobody knows who is asking."""

    def __init__(self, sessions: Sessions, cookie: str) -> None:
        """Take the presented cookie value, "" for none."""
        self._sessions = sessions
        self.cookie = cookie
        """The cookie value that the request brought, "" for none."""
        self._content: dict[str, Any] = {}

    @property
    def user(self) -> str:
        """Id of the signed-in user, or ""."""
        self._open()
        return self._user

    @property
    def user_name(self) -> str:
        """Name of the signed-in user as far as the login told it, or ""."""
        self._open()
        return self._name

    @property
    def known_user(self) -> str:
        """The user's id without reading the session, for the log."""
        return self._user

    @property
    def pending(self) -> Pending | None:
        """The login that lacks its second proof; whoever asks judges its age."""
        self._left_half = False
        found = self._known().get("pending")
        return Pending(*found) if found else None

    @property
    def left_half(self) -> bool:
        """True after a `log_in` that was half of one, and of which nobody has taken note.

        What called it believes that somebody is signed in.
        """
        return self._left_half and bool(self._facts and "pending" in self._facts)

    @property
    def proved_at(self) -> int:
        """When the user proved last who they are; 0 where nobody is signed in."""
        if not (self.user and self._row):
            return 0
        return int(self._known().get("proved", self._row.created))

    @property
    def id_hash(self) -> str:
        """Name of this session in the store, or ""."""
        return self._row.id_hash if self._row else ""

    @property
    def next_hash(self) -> str:
        """Name that this session has in the store once the response has left, or ""."""
        return _hash(self._made_id()) if self._rotate else self.id_hash

    @property
    def next_cookie(self) -> str:
        """Value of the cookie once the response has left, as things stand; "" for none."""
        self._open()
        if self.ended or not (self._content or self._user or self._facts):
            return ""
        text = self._text() if self._touched else self._before
        if self._row is None or self._rotate:
            return self._encoded(self._made_id(), text)[0]
        return self.cookie if text == self._before else self._encoded(self._id, text)[0]

    def _made_id(self) -> str:
        """Return the id that the session has from now on, also where somebody has asked before."""
        self._next_id = self._next_id or secrets.token_urlsafe(32)
        return self._next_id

    def needs_store(self) -> bool:
        """Tell whether `commit` has to write to the store, or will raise."""
        row = self._row
        if row is None or self.ended or self._rotate or not (self._content or self._user):
            return row is not None or bool(self._content or self._user or self._facts)
        if self._sessions.is_due(row):
            return True
        try:
            return self._touched and self._text() != self._before
        except TypeError:
            return True

    def settled(self) -> bool:
        """Tell whether `commit` would store nothing and send no cookie."""
        return not (self.needs_store() or self.new_device or self.asks_for_passkey or self.ended)

    @property
    def unsaved(self) -> bool:
        """True if something was written that `commit` has not stored."""
        return self.ended or self.written_late

    @property
    def written_late(self) -> bool:
        """True if something was written after the response had left, which nobody stores."""
        try:
            return self._rotate or (self._touched and self._text() != self._before)
        except TypeError:
            return True

    def lives(self, *, used: bool) -> bool:
        """Tell whether the session that was read is still there; `used` counts as a use.

        For what outlives its request. Raises `StoreError`.
        """
        if self._row is None:
            return not self._user
        sessions, now = self._sessions, self._sessions.now()
        row = sessions.store.get(self._row.id_hash)
        if row is None or not sessions.alive(row, now):
            return False
        if used and sessions.is_due(row):
            return sessions.store.update(row.id_hash, seen=now, data=None)
        return True

    def pack(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the content as JSON has it, for frameworks whose sessions keep more than that."""
        return content

    def unpack(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return what `pack` was given."""
        return content

    def _text(self) -> str:
        packed = self.pack(self._content)
        if _NAME in packed or _FACTS in packed:
            # A view may take its keys from a form: such a one could say which proof was given.
            raise TypeError(f"session[{_NAME!r}] and session[{_FACTS!r}] are the policy's own keys")
        content = {_NAME: self._name, **packed} if self._name else packed
        if self._facts and not self._sessions.codec.carries_content:
            content = {_FACTS: self._facts, **content}
        try:
            return _encode(content)
        except (TypeError, ValueError):
            for key, value in packed.items():
                try:
                    json.dumps(value)
                except (TypeError, ValueError) as error:
                    raise TypeError(
                        f"session[{key!r}] cannot be stored: {error}; keep what JSON has: texts,"
                        " numbers, lists, dictionaries"
                    ) from None
            raise TypeError("a key of the session is no text: JSON has no others") from None

    def fetch(self) -> None:
        """Read the session from the store, once. Does not count as a use."""
        if self.fetched:
            return
        self.fetched = True
        opened = self._sessions.codec.decode(self.cookie) if self.cookie else None
        if opened is None:
            return
        self._id, content = opened
        try:
            row = self._sessions.store.get(_hash(self._id))
            if row is None:
                events.emit("session_use_after_expire")
                return
            if not self._sessions.alive(row, self._sessions.now()):
                self._sessions.store.delete(row.id_hash)
                events.emit("session_expired", user=row.user)
                return
        except StoreError as error:
            self.unavailable = True
            events.emit("sys_store_unavailable", error=str(error))
            return
        self._row = row
        self._user = row.user
        self._before = content or row.data
        self._content, _ = _decode(self._before)
        self._name = self._content.pop(_NAME, "")
        # Never of the cookie: a browser may send an older one.
        source = json.loads(row.data) if content and row.data != "{}" else self._content
        self._facts = source.pop(_FACTS, None)
        self._content = self.unpack(self._content)

    def _known(self) -> dict[str, Any]:
        self._open()
        if self._facts is None:
            self._facts = {}
        return self._facts

    def expect(self, user: str, epoch: int, factor: str = "") -> None:
        """Take note of a proof of who the user is, and of their epoch when it was begun."""
        self._proved = Proof(user, epoch, factor)

    def prove_again(self) -> None:
        """Note that the signed-in user has just proved it again; under a new id (PPL-5)."""
        self._known()["proved"] = self._sessions.now()
        self._touched = True
        self.rotate()

    def hold(self, user: str = "", epoch: int = 0) -> None:
        """Note that a login lacks its second proof: nobody is signed in until it comes."""
        self._open()
        if self._user:
            # What the one before left behind is not for the next.
            self._content.clear()
        self._content.pop(self.identity_key, None)
        self._user = self._name = ""
        self._facts = {"pending": Pending(user, epoch, self._sessions.now())}
        self._touched = True
        self.ended = self.clears = False
        self._rotate = self._restart = True

    def log_in(self, user: str, name: str = "") -> bool:
        """Start a session of `user` under a new id (session fixation; ASVS 7.2.4).

        It is stored only if the user's epoch is still the one of `expect`, or else of now. False,
        and nobody is signed in, while the user's second proof is missing, whoever logs them in.
        """
        self._open()
        if self._proved is None or self._proved.user != user:
            # The framework's own login; who is signed in already has proved what it takes.
            factor = str(self._known().get("factor", "")) if self._user == user else ""
            self._proved = Proof(user, self._sessions.store.epoch(user), factor)
        if not self._proved.factor and self._sessions.asks_factor(user):
            if user == self.asks_second:
                return False
            self.hold(user, self._proved.epoch)
            self._left_half = True
            return False
        if self._user not in {"", user}:
            # What the one before left behind is not for the next.
            self._content.clear()
        self._user, self._name = user, name
        self._facts = {"factor": self._proved.factor} if self._proved.factor else {}
        self.new_device = name
        self._touched = True
        if self.identity_key:
            self._content[self.identity_key] = user
        self.ended = self.clears = False
        self._rotate = self._restart = True
        return True

    def rotate(self) -> None:
        """Change the id; the old one is dead at once."""
        self._open()
        self._rotate = True

    def renew(self) -> None:
        """Change the id as `rotate` does, and in the store at once.

        Else another request with the same cookie could be the one that gets the new id: after a
        change of the password that would be the thief's. Raises `StoreError`.
        """
        self.rotate()
        if self._row is None:
            return
        # Nobody is ever given this id: the response brings the next one.
        row = replace(self._row, id_hash=_hash(secrets.token_urlsafe(32)))
        expires = row.created + self._sessions.policy.absolute_timeout
        if self._sessions.store.put(row, expires, self._row.id_hash):
            self._row = row

    def end(self) -> None:
        """End the session in the store and forget its content."""
        self._open()
        self._content.clear()
        self._user = self._name = ""
        self._facts = {}
        self._touched = self.ended = self.clears = True

    def clear(self) -> None:
        """Forget everything: as with the frameworks' own sessions, the user is logged out too."""
        if self.cookie or self._open():
            self.end()

    def replace(self, content: Mapping[str, Any]) -> None:
        """Put other content in the place of what is there; who is signed in stays so."""
        self._open().clear()
        self._touched = True
        self.update(content)

    def commit(self, write: Callable[[str, int], str], client: str = "") -> str:
        """Store what changed; return the Set-Cookie line to send, or "".

        `write` makes the line from cookie value and lifetime in seconds. It runs before the store
        is touched, so a session that is too large for its cookie leaves no trace. `client` is how a
        session that begins is shown to its user.
        """
        if not self.fetched or self.unavailable:
            if self._content or self._user or self._facts or self.ended:
                raise StoreError("the session cannot be stored now")
            return ""
        now = self._sessions.now()
        row = self._row
        if self.ended or not (self._content or self._user or self._facts):
            if row is None:
                return ""
            self._sessions.store.delete(row.id_hash)
            self._before, self._rotate = self._text(), False
            return write("", 0)
        text = self._text() if self._touched else self._before
        if row is None or self._rotate:
            return self._begin(text, now, write, client)
        changed = text != self._before
        if not (changed or self._sessions.is_due(row)):
            return ""
        line = ""
        data = None
        if changed:
            value, data = self._encoded(self._id, text)
            if value != self.cookie:
                line = write(value, row.created + self._sessions.policy.absolute_timeout - now)
        self._sessions.store.update(row.id_hash, seen=now, data=data)
        self._before = text
        return line

    def _begin(self, text: str, now: int, write: Callable[[str, int], str], client: str) -> str:
        old = self._row
        self._id = self._made_id()
        value, data = self._encoded(self._id, text)
        self._next_id = ""
        created = old.created if old and not self._restart else now
        policy = self._sessions.policy
        # Anybody may begin half a login, so the store keeps nothing of it for long.
        known = self._user or self._content
        expires = created + (policy.absolute_timeout if known else policy.idle_timeout)
        line = write(value, expires - now)
        self._row = SessionRow(_hash(self._id), self._user, created, now, client, data)
        replaces = old.id_hash if old else ""
        epoch = self._proved.epoch if self._proved and self._proved.user == self._user else None
        if not self._sessions.store.put(self._row, expires, replaces, epoch):
            # Ended stays ended, also for what was on its way (SES-10).
            events.emit("session_use_after_expire", user=self._user)
            self._row, self._user, self._name, self.new_device = None, "", "", ""
            self._content.clear()
            self._facts = {}
            self._before, self._rotate = self._text(), False
            return write("", 0)
        self._before, self.cookie, self._rotate = text, value, False
        return line

    def _encoded(self, session_id: str, text: str) -> tuple[str, str]:
        """Return the cookie's value and what the store keeps: the facts at least."""
        if self._encoding[:2] != (session_id, text):
            # Once: what was told of a cookie before is what is sent.
            self._encoding = (session_id, text, *self._sessions.codec.encode(session_id, text))
        *_, value, data = self._encoding
        if self._facts and self._sessions.codec.carries_content:
            data = json.dumps({_FACTS: self._facts}, separators=(",", ":"))
        return value, data

    def _open(self) -> dict[str, Any]:
        self.accessed = True
        if not self.fetched:
            self.fetch()
        return self._content

    def __getitem__(self, key: str) -> Any:
        value = self._open()[key]
        if isinstance(value, list | dict):
            # Whoever has it may change it.
            self._touched = True
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        content = self._open()
        self._touched = True
        if key == self.identity_key and key and str(value) != self._user:
            if not self.log_in(str(value)):
                return
        elif self.ended:
            # What is written after the end begins another session.
            self.ended, self._rotate, self._restart = False, True, True
        content[key] = value

    def __delitem__(self, key: str) -> None:
        del self._open()[key]
        self._touched = True
        if key == self.identity_key and key:
            # The extension that logs out goes on deleting its other keys.
            self._user = self._name = ""
            self._facts = {}
            self._rotate = True

    def __iter__(self) -> Iterator[str]:
        return iter(self._open())

    def __len__(self) -> int:
        return len(self._open())


def _hash(session_id: str) -> str:
    hashed = _SHA256.copy()
    hashed.update(session_id.encode())
    return hashed.hexdigest()
