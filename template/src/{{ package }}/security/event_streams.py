# Owned by the template: extend, do not edit.
"""Streams of events (`text/event-stream`) end with the session that they began in (SES-10)."""

from __future__ import annotations

import time

from .events import note
from .sessions import Session
from .stores import StoreError

KIND = b"text/event-stream"


class EventStream:
    """One stream, of somebody who has a session.

    Browsers open it again by themselves, and are then judged like everybody.
    """

    ended = False

    def __init__(self, session: Session, interval: int) -> None:
        """Take the session, and after how many seconds it is looked for again."""
        self._session = session
        self._interval = interval
        self._looked = time.monotonic()

    @property
    def is_due(self) -> bool:
        """True once it is time to look for the session."""
        return time.monotonic() - self._looked >= self._interval

    def goes_on(self) -> bool:
        """Look for the session; False where it is gone, or nobody can know."""
        self._looked = time.monotonic()
        reason = "the session of a stream of events has ended"
        try:
            self.ended = not self._session.lives(used=False)
        except StoreError:
            self.ended, reason = True, "store away"
        if self.ended:
            note("request_refused", reason=reason)
        return not self.ended
