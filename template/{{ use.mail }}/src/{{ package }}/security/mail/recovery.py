# Owned by the template: extend, do not edit.
"""The ways back in, and a change of address, each by a link in a mail (PPL-2, PPL-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..accounts import Account, Change, closed, too_many
from ..auth import Auth
from ..errors import duration
from ..events import emit
from ..passwords import Passwords
from ..people import Person
from ..sessions import Session
from ..stores import Counter, Outcome, Store
from ..throttle import Blocked, Throttle
from . import Correspondents
from .addresses import normalise_address
from .letters import Letter
from .links import Link, Links, digest_of, mark_of
from .outbox import Message, Outbox
from .sender import WAKE, Desk

RESET, ADDRESS, CHANGED = "reset", "address", "address_changed"
_KEPT = "mail_link"
"""The session's key for the hash of the link that the visitor came by."""
_TAKEN = "address_taken"
TEXTS = (RESET, ADDRESS, CHANGED, _TAKEN)
"""The texts of these mails in app/mails/."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What a service has for its mails."""

    users: Correspondents
    passwords: Passwords
    throttle: Throttle
    store: Store
    outbox: Outbox
    links: Links


class Recovery:
    """What a visitor may do by mail."""

    def __init__(self, mail: Mail, auth: Auth, session: Session, client: str) -> None:
        """Take the service's part, and who asks."""
        self.mail = mail
        self._auth = auth
        self._session = session
        self.client = client

    # A forgotten password ----------------------------------------------------------------------

    def forgot(self, address: str) -> dict[str, str]:
        """Have a link mailed to who has the address, if anybody; return objections to what it is.

        Nobody can tell whether there was anybody. Raises `Problem` 503.
        """
        return self.request(RESET, address)

    def open(self, token: str, *kinds: str) -> bool:
        """Keep in the session by which link somebody came, so that no address has it any more.

        False if it is none of these kinds, was used, or is too old. Guesses count like wrong
        passwords: raises `Problem` 429 and 503.
        """
        digest = digest_of(token)
        self._session.pop(_KEPT, None)
        with self._counted(self.mail.throttle.guesses("link", self.client)) as settle:
            link = self.mail.links.find(digest)
            # A right one clears nothing: else an attacker with a link of his own would begin anew.
            settle(Outcome.WITHDRAWN if link else Outcome.FAILED)
        if link is None:
            emit("authn_token_fail")
        if link is None or link.kind not in kinds or not self.mail.links.is_good(link):
            return False
        self._session[_KEPT] = digest
        return True

    def opened(self, *kinds: str) -> Link | None:
        """Return the link that the visitor came by, if it is still good."""
        digest = self._session.get(_KEPT)
        with closed():
            link = self.mail.links.find(digest) if isinstance(digest, str) else None
        if link is None or link.kind not in kinds or not self.mail.links.is_good(link):
            return None
        return link

    def reset(self, password: str) -> dict[str, str] | None:
        """Give a new password to whom the link was sent; return objections by field.

        None if the link is good no more. It ends all sessions and all other links of the user.
        Raises `Problem` 503.
        """
        link = self.opened(RESET)
        if link is None:
            return None
        with self.choosing():
            account = self.mail.users.find(link.data["name"])
            person = self.mail.users.get(link.data["name"])
            if account is None or person is None or _mark(account, person.email) != link.mark:
                return None
            if objection := self.mail.passwords.objection(password, account.name):
                return {"new_password": objection}
            hashed = self.mail.passwords.hash(password)
            # While the store is away no session could be ended, and the link stays good.
            self.mail.store.ping()
            if not self.mail.links.take(link.digest):
                return None
            if not self.mail.users.set_password(account.id, hashed, expected=account.password_hash):
                return None
            self._over(account)
        emit("authn_password_change", user=account.name, reason="link by mail")
        self._auth.service.tell(account.name, Change.PASSWORD)
        return {}

    def _over(self, account: Account) -> None:
        """End all that the old password, or an older link, let in."""
        self.mail.links.end_of_user(account.id)
        self.mail.store.delete_of_user(account.id)
        del self._session[_KEPT]
        if self._session.user == account.id:
            self._session.end()
        # Who forgot the password has tried some: whoever has the mailbox is not the guesser.
        attempt = self._auth.attempt(account.name)
        counters = self.mail.throttle.counters(account.name, attempt.client, attempt.device)
        self.mail.throttle.settle(counters, "", Outcome.PASSED, self.mail.outbox.now())
        # Nor does whoever guesses from everywhere lock them out of this browser (THR-3).
        self._session.new_device = account.name

    # A change of address ------------------------------------------------------------------------

    def address(self) -> str:
        """Return the signed-in user's address, or ""."""
        person = self.mail.users.get(self._auth.require_user().name)
        return (person.email if person else "") or ""

    def change_address(self, password: str, address: str) -> dict[str, str]:
        """Have a link mailed to a new address, by which it becomes the user's; return objections.

        Counts like a login: raises `Problem` 429 and 503.
        """
        user = self._auth.require_user()
        try:
            address = normalise_address(address)
        except ValueError as error:
            return {"email": str(error)}
        account = self._auth.service.authenticate(
            user.name, password, self._auth.attempt(user.name)
        )
        if account is None:
            return {"current_password": "This is not your current password."}
        # Marked now, not when the mail is written: a new password ends what the old one has begun.
        mark = _mark(account, self.address() or None)
        return self.request(ADDRESS, address, name=user.name, mark=mark)

    def confirm_address(self) -> bool | None:
        """Make the address that the link was sent to the user's; None if the link is good no more.

        False if somebody else has it meanwhile. The old address is told. Raises `Problem` 503.
        """
        link = self.opened(ADDRESS)
        if link is None:
            return None
        users = self.mail.users
        with closed():
            if not self.mail.links.take(link.digest):
                return None
            account, person = users.find(link.data["name"]), users.get(link.data["name"])
            if account is None or person is None or _mark(account, person.email) != link.mark:
                return None
            del self._session[_KEPT]
            try:
                if not users.set_email(person.id, link.address, expected=person.email):
                    return None
            except ValueError:
                return False
            # A link to change the password was sent where the user no longer is.
            self.mail.links.end_of_user(person.id)
            if person.email:
                self.put(CHANGED, person.email, name=person.name)
        emit("user_email_changed", user=person.name)
        return True

    # For all ------------------------------------------------------------------------------------

    def request(self, kind: str, address: str, **data: str) -> dict[str, str]:
        """Queue a mail on behalf of who asks, unless there were too many; nobody is told of that.

        Return objections to the address by field. Raises `Problem` 503.
        """
        try:
            address = normalise_address(address)
        except ValueError as error:
            return {"email": str(error)}
        now = self.mail.outbox.now()
        counters = self.mail.throttle.mails(address, self.client)
        with closed():
            try:
                attempt = self.mail.throttle.reserve(counters, now)
            except Blocked:
                emit("excess_mails", kind=kind)
                return {}
            self.mail.throttle.settle(counters, attempt, Outcome.FAILED, now)
            self.put(kind, address, **data)
        return {}

    def put(self, kind: str, address: str, **data: str) -> None:
        """Queue a mail, and wake what sends."""
        self.mail.outbox.put(kind, address, **data)
        WAKE.set()

    def use(self, link: Link) -> bool:
        """Use a link up; False if it was used meanwhile."""
        with closed():
            taken = self.mail.links.take(link.digest)
        if taken:
            del self._session[_KEPT]
        return taken

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """Hold a place for the work on a password that a visitor chooses, who may be anybody.

        All of it counts: without an end it would keep those who log in from theirs (THR-8). Raises
        `Problem` 429 and 503.
        """
        counters = self.mail.throttle.choices(self.client)
        with self._counted(counters) as settle, self.mail.passwords.place():
            settle(Outcome.FAILED)
            yield

    @contextmanager
    def _counted(self, counters: tuple[Counter, ...]) -> Iterator[Callable[[Outcome], None]]:
        """Count what is tried (THR-10); give what says how it has ended."""
        now = self.mail.outbox.now()
        ended = [Outcome.WITHDRAWN]
        with closed():
            try:
                attempt = self.mail.throttle.reserve(counters, now)
            except Blocked as blocked:
                raise too_many(blocked.seconds) from None
            try:
                yield ended.append
            finally:
                self.mail.throttle.settle(counters, attempt, ended[-1], now)


def _mark(account: Account, address: str | None) -> str:
    """Return what dies with a change of the password, or of the address."""
    return mark_of(account.password_hash, address)


def _find(desk: Desk, person: Person | None) -> Account | None:
    return desk.users.find(person.name) if person and not person.disabled else None


def prepare_reset(desk: Desk, message: Message) -> Letter | None:
    """Write to who has the address, at the address as it is stored: not as it was typed."""
    person = desk.users.by_email(message.recipient)
    account = _find(desk, person)
    if person is None or account is None or not person.email:
        return None
    token = desk.links.make(
        RESET,
        desk.policy.reset_link_lifetime,
        message=message.id,
        user=account.id,
        address=person.email,
        mark=_mark(account, person.email),
        data={"name": account.name},
    )
    link = desk.address("/reset", token)
    lasts = duration(desk.policy.reset_link_lifetime)
    return Letter(RESET, person.email, {"name": account.name, "link": link, "lasts": lasts})


def prepare_address(desk: Desk, message: Message) -> Letter | None:
    """Write to the new address."""
    name, mark = message.data["name"], message.data.get("mark", "")
    person = desk.users.get(name)
    account = _find(desk, person)
    if person is None or account is None or _mark(account, person.email) != mark:
        return None
    owner = desk.users.by_email(message.recipient)
    if owner is not None:
        # Also where it is the user's own already.
        return Letter(_TAKEN, owner.email or message.recipient, {"name": owner.name})
    token = desk.links.make(
        ADDRESS,
        desk.policy.confirm_link_lifetime,
        message=message.id,
        user=person.id,
        address=message.recipient,
        mark=mark,
        data={"name": name},
    )
    link = desk.address("/confirm", token)
    lasts = duration(desk.policy.confirm_link_lifetime)
    return Letter(ADDRESS, message.recipient, {"name": name, "link": link, "lasts": lasts})


def prepare_changed(desk: Desk, message: Message) -> Letter:  # noqa: ARG001 - nothing is looked up
    """Tell the old address that there is a new one."""
    return Letter(CHANGED, message.recipient, {"name": message.data["name"]})


KINDS = {RESET: prepare_reset, ADDRESS: prepare_address, CHANGED: prepare_changed}
"""What makes each of these mails."""
