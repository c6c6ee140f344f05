"""The texts of a new project's mails."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Render
from tests.projects import BY_MAIL, CHOICES

TO_ANYBODY = ("signup", "signup_taken", "address")
"""Sent to an address that somebody has typed, who need not be the one who reads it."""
TO_ITS_OWNER = (
    *("signup_known", "reset", "address_changed", "address_taken"),
    *("password_changed", "factor_added", "factor_removed", "recovery_codes"),
)
FIELD = re.compile(r"\$(\w+)")
OURS = {"service", "link", "lasts"}


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_no_mail_to_anybody_says_what_a_stranger_wrote(rendered: Render, framework: str) -> None:
    project = rendered(framework=framework, **BY_MAIL)
    app = project.path / "src" / project.package / "app"
    texts = {path.stem: path.read_text("utf-8") for path in (app / "mails").glob("*.txt")}
    assert texts.keys() == {*TO_ANYBODY, *TO_ITS_OWNER}
    for name in TO_ANYBODY:
        assert {*FIELD.findall(texts[name])} <= OURS, name
    # So that whoever confirms sees whose account it is.
    page = (app / "templates" / "confirm_address.html").read_text("utf-8")
    assert {"{{ email }}", "{{ name }}"} <= {*re.findall(r"{{ \w+ }}", page)}
