# Owned by the template: extend, do not edit.
"""From settings to a `Boundary`, and what a request carries of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ..config import ConfigError, Settings
from ..security import events
from ..security.accounts import Accounts
from ..security.auth import Auth
from ..security.boundary import Boundary
from ..security.context import RequestContext
from ..security.policy import PolicyError, load
from ..security.stores import StoreError, open_store
from . import versions

APP = Path(__file__).parent.parent / "app"
KEY = "security"
"""Where an ASGI scope and a WSGI environ hold the exchange."""
DEBUG_PROBLEM = "debug=True of the application; leave it out: it is on in development alone"
FRAMEWORK_CHECKS: list[Callable[[Settings], list[str]]] = []
"""What the adapter of a framework finds wrong besides, each with its remedy."""


def framework_problems(settings: Settings) -> list[str]:
    """Return what is wrong with the framework's own switches, debug mode above all (FPR-4)."""
    return [problem for check in FRAMEWORK_CHECKS for problem in check(settings)]


class Exchange(NamedTuple):
    """One request between the boundary and the framework."""

    boundary: Boundary
    context: RequestContext

    @property
    def auth(self) -> Auth:
        """What a view may do for the one who asks."""
        return self.boundary.auth(self.context)


def compose(
    settings: Settings,
    accounts: Accounts,
    *,
    ready: Iterable[Callable[[], object]] = (),
    libraries_static: Iterable[Path] = (),
    debug: bool = False,
    prepare: bool = True,
    clock: Callable[[], float],
) -> Boundary:
    """Read the policy, open the store, set up the log.

    `ready` is what `/readyz` calls besides the store; `libraries_static` are folders of files that
    are served beside app/static; `debug` is the application's own switch, refused in production
    (FPR-4). With `prepare` the tables are looked after: see `versions`. Raises `ConfigError` and
    `PolicyError`, each naming the place and the remedy.
    """
    problems = [*settings.problems(), *framework_problems(settings)]
    if settings.production and debug:
        problems.append(DEBUG_PROBLEM)
    if problems:
        raise ConfigError("\n".join(problems))
    if not isinstance(accounts, Accounts):
        raise ConfigError(
            f"secure(accounts=...): {type(accounts).__name__} lacks a method of `Accounts`: find,"
            " set_password, add, logged_in"
        )
    events.configure(production=settings.production)
    policy = load(settings.policy)
    # Not above: it knows this module.
    from .sockets import objection

    if problem := objection(policy):
        raise PolicyError(f"{settings.policy.name}: {problem}")
    for item in policy.expired(datetime.fromtimestamp(clock(), UTC).date()):
        events.emit("policy_exception_expired", setting=item.setting, owner=item.owner)
    boundary = Boundary(
        policy,
        open_store(settings.store_url),
        accounts,
        secrets=settings.secret_keys,
        hosts=settings.hosts,
        trusted_proxies=settings.trusted_proxies,
        static=APP / "static",
        libraries_static=libraries_static,
        production=settings.production,
        clock=clock,
    )
    url = settings.database_url
    boundary.ready += [*ready, lambda: versions.require_current(url)]
    if prepare:
        versions.prepare(settings)
    if boundary.store.local:
        # Made now and never later: forked workers find a file that has gone missing, and do not
        # begin with an empty one. What is wrong with it, requests will be told.
        with suppress(StoreError):
            boundary.store.ping()
        boundary.store.close()
    return boundary
