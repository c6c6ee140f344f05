"""Packages of others in a generated service: `make ecosystem` runs all, `make test` a sample."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ecosystem.environment import WHOLE
from tests.ecosystem.service import Client, Service, member
from tests.live.service import User

collect_ignore = ["fastapi", "flask", "django", "litestar"]
"""The files of users, which run in their projects."""


@pytest.fixture
def visitor(opened: Service) -> Iterator[Client]:
    """Open a browser without a session."""
    with opened.client() as client:
        yield client


@pytest.fixture
def client(opened: Service, user: User) -> Iterator[Client]:
    """Open a browser in which the user has logged in."""
    with member(opened, user) as client:
        yield client


@pytest.fixture
def stranger(closed: Service) -> Iterator[Client]:
    """Open a browser without a session, where no fact opens anything."""
    with closed.client() as client:
        yield client


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of what `make test` runs."""
    config.addinivalue_line("markers", "sample: runs in `make test` too, which has little time")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the sample, unless all was asked for."""
    here = [item for item in items if "tests/ecosystem/" in item.path.as_posix()]
    left_out = [item for item in here if not (WHOLE or item.get_closest_marker("sample"))]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
