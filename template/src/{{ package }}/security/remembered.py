# Owned by the template: extend, do not edit.
"""What was found out for one request, for the next with the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """Answers by what was asked: `remembered[key]` is `find(key)`, found out once.

    A key of more than `longest`, as `size` counts it, is answered each time and not kept, and of
    the others at most `most` are: else clients could fill the memory.
    """

    def __init__(
        self, find: Callable[[K], V], size: Callable[[K], int], *, longest: int, most: int = 1024
    ) -> None:
        """Take what finds an answer; what it raises is raised and not kept."""
        super().__init__()
        self._find = find
        self._size = size
        self._longest = longest
        self._most = most

    def __missing__(self, key: K) -> V:
        value = self._find(key)
        if self._size(key) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[key] = value
        return value
