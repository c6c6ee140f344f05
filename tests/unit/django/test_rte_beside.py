"""What may answer beside the routes, of Django's settings."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import override_settings

from my_service.adapter import listing

from .views import early


@pytest.mark.contract("RTE-1")
@pytest.mark.usefixtures("inside")
def test_what_stands_before_the_routes_is_found() -> None:
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{early.__module__}.early"]):
        found = [each for each in listing.endpoints(lambda: None) if each.beside]
    names = [each.handler.rpartition(":")[2] for each in found]
    assert names == ["early"]
