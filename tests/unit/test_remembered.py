"""What is remembered from one request for the next cannot fill the memory."""

from __future__ import annotations

import pytest

from my_service.security.remembered import Remembered


def test_an_answer_is_found_out_once() -> None:
    asked: list[str] = []

    def find(key: str) -> str:
        asked.append(key)
        return key.upper()

    remembered = Remembered(find, len, longest=3)
    assert [remembered["abc"], remembered["abc"]] == ["ABC", "ABC"]
    assert asked == ["abc"]


def test_no_long_key_is_kept() -> None:
    remembered = Remembered(str.upper, len, longest=3)
    assert remembered["abcd"] == "ABCD"
    assert not remembered


def test_no_more_than_the_most_are_kept() -> None:
    remembered = Remembered(str.upper, len, longest=3, most=2)
    for key in ("a", "b", "c", "d", "e"):
        assert remembered[key] == key.upper()
        assert len(remembered) <= 2


def test_what_is_raised_is_not_kept() -> None:
    remembered = Remembered(int, len, longest=3)
    with pytest.raises(ValueError, match="invalid literal"):
        remembered["abc"]
    assert not remembered
