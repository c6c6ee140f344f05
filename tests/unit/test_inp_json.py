"""JSON that a service does not read, whoever asks for it (INP-1)."""

from __future__ import annotations

import pytest

from .. import expect
from ..driver import JSON, SAME, Inside


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize("shape", ["lists", "objects"])
def test_json_that_is_too_deep(stage: Inside, shape: str) -> None:
    left, right = ("[", "]") if shape == "lists" else ('{"a":', "}")
    for depth in (stage.policy.input.max_json_depth + 1, 100_000):
        middle = "" if shape == "lists" else "1"
        content = (left * depth + middle + right * depth).encode()
        expect.error(stage.visitor().api("POST", "/stage/json", content), 400)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    "content",
    [b"{", b"nonsense", b'{"title": NaN}', b'{"title":"a","title":"b"}', b"\xff\xfe", b"{}{}",
     b"{'title':'a'}", b'{"title":"a",}', b'{"title":"\xff"}', b'"\x01"',
     b'{"title": 1e999}', b'[-1E400]', b"9" * 400 + b".0",
     '{"title":"a"}'.encode("utf-16"), '{"title":"a"}'.encode("utf-8-sig"),
     b'{"title":"\\ud800"}', b'{"\\uDFFF":1}', b'["\\ude00\\ud83d"]'],
    ids=repr,
)  # fmt: skip
def test_json_that_is_none(stage: Inside, content: bytes) -> None:
    """Refused to whoever reads it, by every name that JSON has."""
    for kind in (JSON, ("Content-Type", "application/vnd.api+json; charset=utf-8")):
        answer = stage.visitor().send("POST", "/stage/json", (SAME, kind), content)
        expect.error(answer, 400)
        expect.no_words_about_bodies(answer)


@pytest.mark.contract("INP-1")
@pytest.mark.parametrize(
    ("content", "read"),
    [
        (rb'{"a":"\ud83d\uDE00"}', {"a": "\U0001f600"}),
        (rb'{"a":"\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":1e300}', {"a": 1e300}),
        (b'{"a":12345678901234567890123}', {"a": 12345678901234567890123}),
    ],
    ids=repr,
)
def test_json_that_looks_like_none(stage: Inside, content: bytes, read: object) -> None:
    answer = stage.visitor().api("POST", "/stage/json", content)
    assert answer.json() == {"got": read}
