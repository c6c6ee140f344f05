# Owned by the template: extend, do not edit.
"""A cache that clients cannot fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(dict[K, V]):
    """`cache[key]` is `find(key)`, called once for each key.

    A key of more than `longest`, as `size` counts it, is not kept, and at most `most` others are:
    else clients could fill the memory.
    """

    def __init__(
        self, find: Callable[[K], V], size: Callable[[K], int], *, longest: int, most: int = 1024
    ) -> None:
        """Take what finds a value; what it raises is raised and not kept."""
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
