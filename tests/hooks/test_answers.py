"""hooks/update --data: a fact is also in policy.toml, which is a person's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import _answers
import pytest


@pytest.mark.parametrize(
    "text",
    [
        '[service]\ndomain = "a.example"\n',
        '[service]\r\ndomain = "a.example"\r\nname = "tea"\r\n',
        "[service]\ndomain = 'a.example' # ours\n",
        '  [service] # ours\n\tdomain\t=\t"a.example"\n',
        '[service]\n# domain = "old.example"\ndomain="a.example"\n',
        '[service]\nx = [\n["y"],\n]\ndomain = "a.example"\n',
        '[service]\nx = """\ndomain = "no"\n"""\ndomain = "a.example"\n',
        '[other]\ndomain = "no"\n[service]\ndomain = "a.example"\n[last]\ndomain = "no"\n',
    ],
)
def test_the_line_of_a_fact_changes_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(_answers, "ROOT", tmp_path)
    path = tmp_path / "policy.toml"
    path.write_text(text, newline="")
    wanted = tomllib.loads(text)
    assert _answers.carried(["domain=b.example"]) == ['policy.toml: domain = "b.example"']
    wanted["service"]["domain"] = "b.example"
    new = path.read_bytes().decode()
    assert tomllib.loads(new) == wanted
    assert new.count("\r\n") == text.count("\r\n")
    assert [line for line in text.splitlines() if "a.example" not in line] == [
        line for line in new.splitlines() if "b.example" not in line
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[service]\ndomain = """a.example"""\n',
        'service.domain = "a.example"\n',
        '[service]\n"domain" = "a.example"\n',
        '[service]\nname = "tea"\n[other]\ndomain = "a.example"\n',
        "",
    ],
)
def test_a_fact_that_is_written_otherwise_is_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(_answers, "ROOT", tmp_path)
    path = tmp_path / "policy.toml"
    path.write_text(text)
    assert _answers.carried(["domain=b.example"]) == [
        'policy.toml has no line domain in [service]: write domain = "b.example" there'
    ]
    assert path.read_text() == text
