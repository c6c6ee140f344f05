"""What may answer beside the routes, as Litestar's documentation adds it."""

from __future__ import annotations

import pytest
from litestar import Litestar
from litestar.middleware import DefineMiddleware

from my_service.adapter import listing

from .views import middleware


@pytest.mark.contract("RTE-1")
def test_what_stands_before_the_routes_is_found() -> None:
    app = Litestar(middleware=[middleware, DefineMiddleware(middleware)])
    found = [each for each in listing.endpoints(lambda: app) if each.beside]
    assert [each.handler.rpartition(":")[2] for each in found] == ["middleware"]
