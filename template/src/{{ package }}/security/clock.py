# Owned by the template: extend, do not edit.
"""Comparing times of a clock that may be set, and of machines that do not quite agree."""

from __future__ import annotations

SKEW_SECONDS = 60
"""How far the clocks of two machines may be apart."""


def is_within(start: int, seconds: int, now: int) -> bool:
    """Tell whether less than `seconds` have gone by since `start`.

    False too for a start in the future: a clock was wrong then, nobody knows how long ago that is,
    and what should be over by now would live as much longer as the clock was ahead.
    """
    return -SKEW_SECONDS <= now - start < seconds
