"""A project's tests pass in any order: people add pytest-randomly, and xdist deals them out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.weekly import frameworks

SHUFFLED = """\
import random


def pytest_collection_modifyitems(items):
    random.Random(1).shuffle(items)
"""


@pytest.mark.parametrize("framework", frameworks("flask"))
def test_passes_in_any_order(installed: Render, tmp_path: Path, framework: str) -> None:
    project = installed(framework=framework)
    copy = project.copy(tmp_path / "copy")
    (tmp_path / "shuffled.py").write_text(SHUFFLED, "utf-8")
    done = copy.run(
        *(project.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "shuffled"),
        check=False,
        timeout=900,
        PYTHONPATH=f"{copy.path / 'src'}:{tmp_path}",
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"^\d{4} passed", done.stdout, re.MULTILINE)
