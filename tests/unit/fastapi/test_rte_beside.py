"""What may answer beside the routes, as the stage has it."""

from __future__ import annotations

import pytest

from my_service.adapter import listing

from .stage import Stage


@pytest.mark.contract("RTE-1")
def test_what_stands_before_the_routes_is_found(stage: Stage) -> None:
    found = [each for each in listing.endpoints(lambda: stage.application) if each.beside]
    names = [each.handler.rpartition(":")[2] for each in found]
    assert names == ["middleware"]
