# Owned by the template: extend, do not edit.
"""The policy that Django's hooks ask, since Django makes them without arguments."""

from __future__ import annotations

import time

from ..config import load
from ..security.events import REQUEST
from ..security.guard import Guard
from ..security.visit import Visit
from .compose import compose

_own: list[Guard] = []


def adopt(guard: Guard) -> None:
    """Take the policy of this process, for what happens outside of requests."""
    _own[:] = [guard]


def current_guard() -> Guard:
    """Return the policy at work in this request; outside of one, that of this process."""
    visit = REQUEST.get()
    if isinstance(visit, Visit):
        return visit.guard
    if not _own:
        adopt(compose(load(), time.time, blank_server=False))
    return _own[0]
