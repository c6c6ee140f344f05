# Owned by the template: extend, do not edit.
"""What sends the queue, in a thread of each worker."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from ..events import emit
from ..policy import AccountsPolicy
from ..stores import StoreError
from . import Correspondents
from .letters import Letter, Letters
from .links import Links
from .outbox import APART_SECONDS, Message, Outbox
from .smtp import RefusedError, Server, TemporaryError, UncertainError, deliver

_POLL_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 30, 3600
"""Seconds until a mail is tried again, doubled each time."""
WAKE = threading.Event()
"""Set when this process has put something into the queue."""
_log = logging.getLogger(__name__)


class Delivery(Protocol):
    """Takes a mail to where it goes. Raises what `smtp.deliver` raises."""

    def __call__(self, mail: EmailMessage, letter: Letter, last: Callable[[], bool]) -> None: ...


class SmtpDelivery:
    """To a mail server."""

    def __init__(self, server: Server, sender: Address) -> None:
        """Take the server and the address that bounces go to."""
        self._server = server
        self._sender = sender.addr_spec

    def __call__(self, mail: EmailMessage, letter: Letter, last: Callable[[], bool]) -> None:
        deliver(self._server, mail, self._sender, letter.to, last)


class FolderDelivery:
    """In development: into a folder, and the link into the log."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which may not exist."""
        self._folder = folder

    def __call__(self, mail: EmailMessage, letter: Letter, last: Callable[[], bool]) -> None:
        if not last():
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{mail['Message-ID'][1:17]}-{letter.template}.eml"
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(mail.as_bytes())
        emit("mail_written", file=str(path), to=letter.to, link=letter.link or None)


class Prepare(Protocol):
    """Makes the letter of a queued mail when it is sent; None if there is nobody to write to."""

    def __call__(self, desk: Desk, message: Message) -> Letter | None: ...


class Desk:
    """What it takes to make letters."""

    def __init__(
        self, users: Correspondents, links: Links, policy: AccountsPolicy, origin: str
    ) -> None:
        """Take the users, the links, the policy, and the service's origin (`https://host`)."""
        self.users = users
        self.links = links
        self.policy = policy
        self._origin = origin

    def address(self, path: str, token: str) -> str:
        """Return the link with a token, on the service's own host: no request has a say in it."""
        return self.page(f"{path}/{token}")

    def page(self, path: str) -> str:
        """Return the address of a page of the service."""
        return f"{self._origin}{path}"


class Sender:
    """Sends what is in the queue, one mail after the other."""

    def __init__(
        self,
        outbox: Outbox,
        desk: Desk,
        letters: Letters,
        delivery: Delivery,
        kinds: Mapping[str, Prepare],
    ) -> None:
        """Take the queue, what makes letters of each kind, and what takes them away."""
        self._outbox = outbox
        self._desk = desk
        self._letters = letters
        self._delivery = delivery
        self._kinds = kinds

    def run_forever(self) -> None:
        """Send, and wait for more; a database that is away is waited for."""
        while True:
            try:
                while self.run_once():
                    pass
            except StoreError as error:
                emit("sys_store_unavailable", error=str(error))
            except Exception as error:  # noqa: BLE001 - nobody else would send
                _log.error("sys_crash", exc_info=error)
            woken = WAKE.wait(_POLL_SECONDS)
            WAKE.clear()
            if woken:
                time.sleep(APART_SECONDS)

    def run_once(self) -> bool:
        """Try one mail; False if none is due. Raises `StoreError`."""
        for lost in self._outbox.take_lost():
            self._say("mail_uncertain", lost, "it ended within the last byte; not sent again")
        message = self._outbox.claim()
        if message is None:
            return False
        try:
            self._send(message)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a text that cannot be filled in, for one
            # The others must not wait for it.
            self._later(message, type(error).__name__)
            _log.error("sys_crash", exc_info=error)
        return True

    def _send(self, message: Message) -> None:
        prepare = self._kinds.get(message.kind)
        if prepare is None:
            # A newer version, which runs somewhere, has queued it.
            self._later(message, f"kind {message.kind}")
            return
        letter = prepare(self._desk, message)
        if letter is None:
            self._outbox.remove(message)
            self._say("mail_dropped", message, "nobody to write to")
            return
        mail = self._letters.write(letter, message.id, self._outbox.now())
        try:
            self._delivery(mail, letter, lambda: self._outbox.begin_end(message))
        except TemporaryError as error:
            self._later(message, str(error))
            return
        except RefusedError as error:
            self._outbox.remove(message)
            self._say("mail_given_up", message, str(error))
            return
        except UncertainError as error:
            self._outbox.remove(message)
            self._say("mail_uncertain", message, f"{error}; not sent again")
            return
        self._outbox.remove(message)
        self._say("mail_sent", message, "")

    def _later(self, message: Message, reason: str) -> None:
        now = self._outbox.now()
        pause = min(_FIRST_PAUSE << min(message.tries - 1, 16), _LONGEST_PAUSE)
        if now + pause - message.created > self._desk.policy.mail_give_up_after:
            self._outbox.remove(message)
            self._say("mail_given_up", message, reason)
            return
        self._outbox.try_again(message, now + pause)
        self._say("mail_delayed", message, reason)

    @staticmethod
    def _say(event: str, message: Message, reason: str) -> None:
        """Log what became of a mail, by the name that the mail server's log has."""
        emit(
            event,
            message_id=message.id,
            kind=message.kind,
            tries=message.tries,
            reason=reason or None,
        )
