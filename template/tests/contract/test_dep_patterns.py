# Owned by the template: extend, do not edit.
"""What the project's own source may not depend on: time that a hostile text decides (ReDoS)."""

from __future__ import annotations

import pytest

from . import patterns
from .conftest import ROOT
from .patterns import fault


@pytest.mark.contract("DEP-4")
def test_expressions_of_the_service_are_sound() -> None:
    found = list(patterns.in_source(ROOT / "src"))
    assert found, "none found: this test has lost its subject"
    bad = [
        f"{each.path.relative_to(ROOT)}:{each.line}: {each.pattern!r}: {wrong}"
        for each in found
        if (wrong := fault(each.pattern))
    ]
    assert not bad, "\n".join(bad)
