"""What a Litestar developer expects of Litestar, with the policy around it."""

from __future__ import annotations

from functools import partial

import pytest
from litestar import Litestar

from my_service.app import main

from ..conftest import Make


@pytest.mark.contract("FPR-4")
@pytest.mark.parametrize("switch", ["debug", "pdb_on_exception"])
def test_debug_mode_is_refused_in_production(
    make: Make, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    monkeypatch.setattr(main, "Litestar", partial(Litestar, **{switch: True}))
    with pytest.raises(ValueError, match="debug=True of the application"):
        make()
