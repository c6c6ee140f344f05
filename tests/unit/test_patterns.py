"""No regular expression of the service costs a hostile text too much time (guide: safe-regex)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..patterns import CUBIC, EXPONENTIAL, TOO_LARGE, fault, in_source

CATASTROPHIC = [
    r"(a+)+$",
    r"(a|a)*b",
    r"(?:a*)*b",
    r"(x+x+)+y",
    r"^(\w+\s?)*$",
    r"(ab|a|b)*c",
    r"(?:[a-z]|\w)+!",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(?i)(?=(a+)+b)x",
    r"([\w.-]+)+@",
    r"(a{1,50}){1,50}b",
]
SLOW = [r"(.*a){20}", r"(.*a){3}", r".*.*.*x", r"\s*\s*\s*$", r"a*[ab]*[abc]*d"]
ORDINARY = [
    r"\A[a-z][a-z0-9-]*\Z",
    r"\d+\.\d+\.\d+",
    r"^\s+|\s+$",
    r"([a-z]+\.)+[a-z]{2,}$",
    r"[^@\s]+@[^@\s]+\.[a-z]+",
    r'name="session" value="([^"]+)"',
    r"\A(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\Z",
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    r"(?P<quote>['\"]).*?(?P=quote)",
    r"(?:a++)+$",
    r"(?>a+)+$",
    r"\s*,\s*",
    r"^(yes|no|maybe)$",
    r"<[^>]*>",
    r"",
]


@pytest.mark.contract("DEP-4")
@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_exponential_time_is_found(pattern: str) -> None:
    assert fault(pattern) == EXPONENTIAL


@pytest.mark.contract("DEP-4")
@pytest.mark.parametrize("pattern", SLOW)
def test_cubic_time_is_found(pattern: str) -> None:
    assert fault(pattern) == CUBIC


@pytest.mark.contract("DEP-4")
@pytest.mark.parametrize("pattern", ORDINARY)
def test_ordinary_ones_pass(pattern: str) -> None:
    assert not fault(pattern)


@pytest.mark.contract("DEP-4")
def test_what_cannot_be_judged_does_not_pass() -> None:
    assert fault("(a?b?c?d?e?f?g?h?i?j?){20}k") in {TOO_LARGE, EXPONENTIAL}


@pytest.mark.contract("DEP-4")
def test_expressions_are_found_in_source(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text(
        "import re\nre.compile('a')\nre.sub('b', '', x)\nField(pattern='c')\ntext.split('d')\n"
        "re.search(rb'e\\n', x)\n"
    )
    assert [each.pattern for each in in_source(tmp_path)] == ["a", "b", "c", r"e\n"]
