"""docs/guide-coverage.md and `check` speak of what is there."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from ..conftest import ROOT
from ..driver import Files, run_cli

SUITE = ROOT / "tests" / "contract"
PAGE = (ROOT / "docs" / "guide-coverage.md").read_text("utf-8")
SOURCE = ROOT / "src" / "my_service"
PATHS = sorted(set(re.findall(r"`((?:[a-z_.-]+/)*[a-z_.-]+(?:/|\.[a-z]+))`", PAGE)))
TESTS = sorted(set(re.findall(r"`((?:unit/)?test_\w+\.py)::(\w+)`", PAGE)))


@cache
def names_in(name: str) -> set[str]:
    tree = ast.parse((SUITE / name).read_text("utf-8"))
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


def proved() -> set[str]:
    """Return each line of the contract that a test carries."""
    texts = [path.read_text("utf-8") for path in SUITE.rglob("test_*.py")]
    return {name for text in texts for name in re.findall(r'contract\("([A-Z]+-[0-9]+)"\)', text)}


@pytest.mark.contract("CFG-3")
def test_page_names_files_that_are_there() -> None:
    assert len(PATHS) > 15
    missing = [path for path in PATHS if not ((SOURCE / path).exists() or (ROOT / path).exists())]
    assert not missing


@pytest.mark.contract("CFG-3")
def test_page_names_tests_that_are_there() -> None:
    assert len(TESTS) > 30
    assert not [(name, test) for name, test in TESTS if test not in names_in(name)]


@pytest.mark.contract("CFG-3")
def test_page_and_check_have_the_same_items(tmp_path: Path) -> None:
    files = Files(tmp_path, exceptions={})
    items = json.loads(run_cli("check", "--json", environment=files.environment()).stdout)
    named = set(re.findall(r"PS[0-9]{3}", PAGE))
    assert {item["id"] for item in items} == named - {"PS100", "PS101"}


@pytest.mark.contract("CFG-3")
def test_evidence_of_check_is_carried_by_tests(tmp_path: Path) -> None:
    files = Files(tmp_path, exceptions={})
    items = json.loads(run_cli("check", "--json", environment=files.environment()).stdout)
    there = proved()
    for item in items:
        named = set(re.findall(r"\b([A-Z]{3}-[0-9]+)\b", item["evidence"]))
        for kind, first, last in re.findall(r"([A-Z]{3})-(\d+) to \1-(\d+)", item["evidence"]):
            named |= {f"{kind}-{number}" for number in range(int(first), int(last) + 1)}
        assert named, item
        assert named <= there, item
