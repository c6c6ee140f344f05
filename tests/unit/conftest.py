"""Fixtures of the tests that only the template runs; the conformance suite's are there too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from ..driver import CHEAP, Files, Inside
from .stage import FACTS, Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """The service with the views of `stage`; a body may pause for a second."""
    exceptions = {**CHEAP, "input.body-pause": 1}
    files = Files(tmp_path_factory.mktemp("stage"), exceptions, facts=FACTS)
    with closing(Stage(files)) as service:
        yield service
