"""What each change leaves to the weekly job, so that its own tests take minutes: the mark `weekly`.

`make test` runs the rest, and says how many it left; `make weekly` runs all, weekly and before a
release. Left is what another test stands for: the same on a second framework of the same interface
to the server, on another kind of project, on another Python, and further ways to break a line of
the contract. Who names a test on the command line gets it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

import pytest
from _pytest.mark.structures import ParameterSet

from tests.projects import CHOICES

MARK = "weekly"


def some(cases: Iterable[object], often: Collection[object]) -> list[ParameterSet]:
    """Return parameters of which each change runs those in `often`.

    Raises `ValueError` for one of `often` that is no case.
    """
    cases = list(cases)
    if unknown := [case for case in often if case not in cases]:
        raise ValueError(f"{unknown} are not among {cases}")
    mark = getattr(pytest.mark, MARK)
    return [pytest.param(case, marks=() if case in often else mark) for case in cases]


def frameworks(*often: str) -> list[ParameterSet]:
    """Return all frameworks; each change runs those in `often`, one of each interface."""
    return some(CHOICES["framework"], often)


def leave(config: pytest.Config, items: list[pytest.Item]) -> int:
    """Take out of `items` what waits for the weekly job, and return how many those are."""
    if os.environ.get("WEEKLY") == "all" or any("::" in word for word in config.args):
        return 0
    left = [item for item in items if item.get_closest_marker(MARK)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker(MARK)]
    return len(left)
