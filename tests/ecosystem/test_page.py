"""The page that grades packages names a test for each row, and each test has a row."""

from __future__ import annotations

import ast
import re

import pytest

from tests.ecosystem.environment import HERE
from tests.projects import ROOT

PAGE = ROOT / "docs" / "ecosystem.md"


@pytest.mark.sample
def test_rows_and_tests_name_each_other() -> None:
    text = PAGE.read_text("utf-8")
    # What runs in a browser alone has another test, which the page names above its table.
    text = re.sub(r"\n## Scripts and styles.*?(?=\n## )", "", text, flags=re.S)
    rows = [line for line in text.splitlines() if re.match(r"\| (?!What|---)", line)]
    named = re.findall(r"`(test_\w+\.py::test_\w+)` \|$", text, re.M)
    assert len(rows) == len(named)
    assert sorted(set(named) - _names()) == []
    mine = {name for name in _names() if name.startswith(("test_flask.py", "test_django.py"))}
    assert sorted(mine - set(named)) == []


def _names() -> set[str]:
    """Return the names of all tests that run packages."""
    return {
        f"{file.name}::{item.name}"
        for file in HERE.glob("test_*.py")
        for item in ast.parse(file.read_text("utf-8")).body
        if isinstance(item, ast.FunctionDef) and item.name.startswith("test_")
    }
