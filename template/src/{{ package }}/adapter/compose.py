# Owned by the template: extend, do not edit.
"""From settings to a `Guard`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from ..config import ConfigError, Settings
from ..security import events
from ..security.guard import Guard
from ..security.policy import load
from ..security.stores import open_store
from .pages import STATIC


def compose(settings: Settings, clock: Callable[[], float], *, blank_server: bool) -> Guard:
    """Read the policy, open the store, set up the log.

    Raises `ConfigError` and `PolicyError`, each naming the place and the remedy.
    """
    if problems := settings.problems():
        raise ConfigError("\n".join(problems))
    events.configure(production=settings.production)
    policy = load(settings.policy)
    for each in policy.expired(datetime.fromtimestamp(clock(), UTC).date()):
        events.emit("policy_exception_expired", setting=each.setting, owner=each.owner)
    return Guard(
        policy,
        open_store(settings.store_url),
        secrets=settings.secret_keys,
        hosts=settings.hosts,
        trusted_proxies=settings.trusted_proxies,
        static=STATIC,
        production=settings.production,
        blank_server=blank_server,
        clock=clock,
    )
