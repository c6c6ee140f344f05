"""A project's tests pass in any order: people add pytest-randomly, and xdist deals them out.

So they pass, the unit tests too, and these need no other run on such a project: see test_unit.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.live.backends import for_suites
from tests.weekly import frameworks

SHUFFLED = """\
import random


def pytest_collection_modifyitems(items):
    random.Random(1).shuffle(items)
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """Run servers for all tests: in this order each would start its own."""
    with for_suites() as where:
        yield where


@pytest.mark.parametrize("framework", frameworks("flask"))
def test_passes_in_any_order(
    installed: Render, servers: dict[str, str], tmp_path: Path, framework: str
) -> None:
    project = installed(framework=framework, sessions="cookie")
    copy = project.copy(tmp_path / "copy")
    (tmp_path / "shuffled.py").write_text(SHUFFLED, "utf-8")
    done = copy.run(
        *(project.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "shuffled"),
        check=False,
        timeout=900,
        PYTHONPATH=f"{copy.path / 'src'}:{tmp_path}",
        **servers,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"^\d{4} passed", done.stdout, re.MULTILINE)
