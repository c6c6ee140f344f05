"""Fixtures of the suite on dependencies and gates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit import osv


@pytest.fixture
def service() -> Iterator[osv.Service]:
    """Return a running OSV service that knows nothing yet."""
    with osv.running() as started:
        yield started
