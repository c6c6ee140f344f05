"""What the checks of this suite see, and what they must not see."""

from __future__ import annotations

import pytest

from .. import expect

RANDOM = (
    "Request id: <code>{}</code>".format("4711" * 8),
    '"request_id": "{}"'.format("4711" * 8),
    '<script src="/static/app.js" nonce="jinja{}">'.format("A" * 17),
    "script-src 'nonce-flask{}'".format("-" * 17),
    '<input type="hidden" name="csrf_token" value="JSON{}">'.format("_" * 39),
)
SAID = (
    "ValueError: secret-4711",
    "<code>47114711</code>",
    '<meta name="generator" content="jinja">',
    "x-powered-by: flask",
    "value='JSON'",
)


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("text", RANDOM)
def test_words_that_are_there_by_chance_are_not_found(text: str) -> None:
    left = expect.lasting(text)
    assert not any(word in left for word in ("4711", "jinja", "flask", "JSON"))


@pytest.mark.contract("FPR-2")
@pytest.mark.parametrize("text", SAID)
def test_words_that_are_said_are_found(text: str) -> None:
    assert expect.lasting(text) == text
