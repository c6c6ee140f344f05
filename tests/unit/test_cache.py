"""What is kept from one request for the next cannot fill the memory."""

from __future__ import annotations

import pytest

from my_service.security.cache import BoundedCache


def test_an_answer_is_found_out_once() -> None:
    asked: list[str] = []

    def find(key: str) -> str:
        asked.append(key)
        return key.upper()

    cache = BoundedCache(find, len, longest=3)
    assert [cache["abc"], cache["abc"]] == ["ABC", "ABC"]
    assert asked == ["abc"]


def test_no_long_key_is_kept() -> None:
    cache = BoundedCache(str.upper, len, longest=3)
    assert cache["abcd"] == "ABCD"
    assert not cache


def test_no_more_than_the_most_are_kept() -> None:
    cache = BoundedCache(str.upper, len, longest=3, most=2)
    for key in ("a", "b", "c", "d", "e"):
        assert cache[key] == key.upper()
        assert len(cache) <= 2


def test_what_is_raised_is_not_kept() -> None:
    cache = BoundedCache(int, len, longest=3)
    with pytest.raises(ValueError, match="invalid literal"):
        cache["abc"]
    assert not cache
