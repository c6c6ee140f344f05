"""Fixtures of the suite on updates."""

from __future__ import annotations

import pytest

from tests.projects import shared
from tests.update.series import Template


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Return the template in all its versions; only read it."""
    return Template(shared(tmp_path_factory, "series", Template.write_all))
