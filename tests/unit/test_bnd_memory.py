"""What a request leaves behind: nothing that waits for the collector, so that memory stays warm."""

from __future__ import annotations

import gc
import time
from importlib.util import find_spec

import pytest

from my_service.security.context import RequestContext
from my_service.security.sessions import Session

from ..driver import Inside

ASGI = find_spec("my_service.adapter.asgi")
"""None for Flask and Django, whose requests are cycles of their own."""


def left() -> list[type]:
    """Return what there is of requests, each of which is over."""
    return [type(each) for each in gc.get_objects() if isinstance(each, RequestContext | Session)]


@pytest.mark.contract("BND-1")
@pytest.mark.skipif(ASGI is None, reason="WSGI's frameworks leave cycles of their own")
@pytest.mark.parametrize("path", ["/", "/healthz", "/login"])
@pytest.mark.parametrize("signed_in", [False, True], ids=["anonymous", "signed in"])
def test_request_leaves_no_cycle(inside: Inside, path: str, *, signed_in: bool) -> None:
    who = inside.member() if signed_in else inside.visitor()
    who.get(path)
    gc.collect()
    before = len(left())
    gc.disable()
    try:
        for _ in range(5):
            who.get(path)
        # Tasks may not have ended yet; a cycle stays for as long as nobody collects it.
        deadline = time.monotonic() + 60
        while len(found := left()) > before + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(found) <= before + 2
    finally:
        gc.enable()
