"""What reports crashes hears nothing of a login that lacks its second factor (PPL-4)."""

from __future__ import annotations

import pytest
from django.core.signals import got_request_exception

from .. import expect
from ..driver import Inside
from ..test_ppl_factors import owner
from .test_ppl_half import WAYS, entered


@pytest.mark.contract("PPL-4")
@pytest.mark.parametrize("way", WAYS)
def test_package_that_insists_on_a_user_is_no_crash(stage: Inside, way: str) -> None:
    heard: list[object] = []

    def hear(**given: object) -> None:
        heard.append(given)

    got_request_exception.connect(hear)
    try:
        answer = entered(way, owner(stage).user.name, stage.visitor(), "crash")
    finally:
        got_request_exception.disconnect(hear)
    assert expect.place(answer) == f"{stage.origin}/login/factor"
    assert not heard
