# Owned by the template: extend, do not edit.
"""The policy that Django's hooks ask, since Django makes them without arguments."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http.request import split_domain_port, validate_host
from django.utils.functional import SimpleLazyObject

from ..config import load
from ..security.boundary import Boundary
from ..security.hosts import AllowedHosts
from .compose import KEY, Exchange

if TYPE_CHECKING:
    from django.http import HttpRequest

CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""The request that is being answered."""
_own: list[Boundary] = []
_before_test: list[AllowedHosts] = []


def exchange_of(request: HttpRequest) -> Exchange:
    """Return a request's exchange. Raises `RuntimeError` for one that did not come by Django."""
    exchange: Exchange | None = request.META.get(KEY)
    if exchange is None:
        raise RuntimeError(
            "this request was not answered by Django's middlewares: in tests use"
            " django.test.Client instead of RequestFactory"
        )
    return exchange


def give_nonce(request: HttpRequest, exchange: Exchange) -> None:
    """Let who asks the request for a nonce get the policy's: by django-csp's name, or Django's."""
    nonce = SimpleLazyObject(lambda: exchange.context.nonce)
    request.csp_nonce = request._csp_nonce = nonce  # type: ignore[attr-defined] # not in its types


def adopt(boundary: Boundary) -> None:
    """Take the policy of this process, for what happens outside of requests."""
    _own[:] = [boundary]


def forget() -> None:
    """Let the policy outside of requests be that of the environment again, for tests."""
    _own.clear()


def own_boundary() -> Boundary:
    """Return the policy of this process, made of the environment if nobody has made it."""
    if not _own:
        from .django import open_boundary

        adopt(open_boundary(load(), time.time))
    return _own[0]


def current_boundary() -> Boundary:
    """Return the policy at work in this request; outside of one, that of this process."""
    exchange = CURRENT.get()
    return exchange.boundary if exchange else own_boundary()


class _HostsOfTest(AllowedHosts):
    """What `override_settings(ALLOWED_HOSTS=...)` says, as Django reads it."""

    def allows(self, host: str) -> bool:
        return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


@receiver(setting_changed)
def _follow_test(*, setting: str, value: Any, enter: bool, **_: Any) -> None:
    """Answer for the hosts that a test wants, and no longer: nothing else sends that signal."""
    if setting == "ALLOWED_HOSTS" and enter:
        _before_test.append(own_boundary().answer_for(_HostsOfTest(value)))
    elif setting == "ALLOWED_HOSTS" and _before_test:
        own_boundary().answer_for(_before_test.pop())
