"""An update's report: what a change of the policy means, and who owns the files that changed."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import _terms as terms
import pytest

from tests.hooks.conftest import ROOT

SECURITY = ROOT / "template" / "src" / "{{ package }}" / "security"
SAME_SITE = ["Lax", "Strict"]


def facts(name: str) -> dict[str, Any]:
    return terms.flatten(tomllib.loads((SECURITY / name).read_text("utf-8")))


def test_each_setting_of_the_baseline_has_its_direction() -> None:
    baseline, directions = facts("baseline.toml"), facts("directions.toml")
    assert [name for name in baseline if terms.direction_of(name, directions) is None] == []


def test_each_direction_is_one_that_the_report_knows() -> None:
    words = ("higher", "lower", "more entries", "fewer entries", "either")
    for name, direction in facts("directions.toml").items():
        assert direction in words or (isinstance(direction, list) and direction), name


def test_each_direction_fits_the_value_of_the_baseline() -> None:
    """A direction that cannot judge its own value would let every change of it pass as review."""
    baseline, directions = facts("baseline.toml"), facts("directions.toml")
    for name, value in baseline.items():
        direction = terms.direction_of(name, directions)
        if isinstance(direction, list):
            assert value in direction, name
        elif direction in ("higher", "lower"):
            assert isinstance(value, int | float), name
        elif direction != "either":
            assert isinstance(value, list | str), name


@pytest.mark.parametrize(
    ("direction", "before", "after", "verdict"),
    [
        ("higher", 1, 2, "stricter"),
        ("higher", 2, 1, "weaker"),
        ("higher", False, True, "stricter"),
        ("lower", 1, 2, "weaker"),
        ("lower", 2.5, 2, "stricter"),
        ("lower", True, False, "stricter"),
        ("lower", 1, "1", "review"),
        ("more entries", ["a"], ["a", "b"], "stricter"),
        ("more entries", ["a", "b"], ["a", "c"], "weaker"),
        ("more entries", ["a", "b"], ["b", "a"], "review"),
        ("fewer entries", ["a", "b"], ["a"], "stricter"),
        ("fewer entries", ["a"], ["b"], "weaker"),
        ("fewer entries", "'none'", "'self'", "weaker"),
        ("fewer entries", "'self' https://a.example", "'self'", "stricter"),
        ("fewer entries", "'self'", "'none'", "stricter"),
        ("fewer entries", "", "example.com", "weaker"),
        (SAME_SITE, "Lax", "Strict", "stricter"),
        (SAME_SITE, "Strict", "Lax", "weaker"),
        (SAME_SITE, "Strict", "None", "review"),
        ("either", 1, 2, "review"),
    ],
)
def test_verdict(direction: object, before: object, after: object, verdict: str) -> None:
    (change,) = terms.compare({"a.b": before}, {"a.b": after}, {"a.b": direction})
    assert change.verdict == verdict


def test_a_direction_of_a_table_holds_for_all_below() -> None:
    (change,) = terms.compare({"a.b.c": 1}, {"a.b.c": 2}, {"a": "lower"})
    assert change.verdict == "weaker"


def test_a_setting_without_a_direction_is_reviewed() -> None:
    (change,) = terms.compare({"a.b": 1}, {"a.b": 2}, {})
    assert change.verdict == "review"


def test_an_entry_that_goes_from_a_table_of_protections_is_weaker() -> None:
    old = {"headers.values.x-frame-options": "DENY", "throttle.old": 1}
    changes = terms.compare(old, {}, facts("directions.toml"))
    assert [str(change) for change in changes] == [
        'headers.values.x-frame-options was "DENY", is gone (weaker)',
        "throttle.old was 1, is gone (removed)",
    ]


def test_a_list_shows_its_entries_that_changed() -> None:
    (change,) = terms.compare({"a": ["x", "y"]}, {"a": ["y", "z"]}, {"a": "more entries"})
    assert str(change) == 'a -"x" +"z" (weaker)'


def test_weaker_stands_first() -> None:
    old, new = {"a": 1, "b": 1, "c": 2}, {"a": 2, "b": 1, "c": 1, "d": 1}
    changes = terms.compare(old, new, {"a": "higher", "c": "higher"})
    assert [change.name for change in changes] == ["c", "a", "d"]


def test_an_exception_that_has_become_the_policy() -> None:
    changes = terms.compare({"a.b": 1}, {"a.b": 2}, {})
    lines = terms.overrides(changes, [{"setting": "a.b", "value": 2, "expires": "2030-01-01"}])
    assert lines == ['a.b = 2 here until "2030-01-01"; that is the policy now: remove it']


def test_questions_that_came_went_or_have_another_answer() -> None:
    old = "# Written by Copier.\n_commit: v1\nci: github\nteam: 'a b'\nsame: x\n"
    new = "_commit: v2\nci: gitlab\nabout: one\n  two\nempty: ''\nsame: x\n"
    assert terms.questions(old, new) == [
        "question: about = one two (new, default)",
        "question: ci github -> gitlab",
        "question: empty = '' (new, default)",
        "question: team is gone, the answer was 'a b'",
    ]


def item(**facts: str) -> str:
    return json.dumps([{"id": "PS001"}, {"id": "PS002", **facts}], indent=2)


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        (item(state="ok", evidence="a until b", remedy=""), ["ok: a until b"]),
        (item(state="fail", evidence="a, b", remedy="raise a"), ["fail: a, b", "raise a"]),
        ("a warning\n" + item(state="ok", evidence="a", remedy="") + "\nmore", ["ok: a"]),
        *((text, ["could not be judged: see `check`"]) for text in ("", "no", "[]", "[\n1]", "{}")),
    ],
)
def test_end_of_life_of_what_is_locked(printed: str, lines: list[str]) -> None:
    assert terms.lines_in_use(printed) == lines


@pytest.mark.parametrize(
    ("code", "printed", "outcome"),
    [
        (0, "audit: clean: 9 packages", "clean"),
        (0, "", "could not be asked"),
        (1, "CVE-1  a 1\naudit: findings: 1 in 9 packages", "findings"),
        (1, "Traceback\nImportError: a", "could not be asked"),
        (2, "audit: no such option", "could not be asked"),
        (3, "audit: not audited: offline", "could not be asked"),
        (4, "audit: expired", "an exception has expired"),
        (-9, "", "could not be asked"),
    ],
)
def test_outcome_of_the_audit(code: int, printed: str, outcome: str) -> None:
    first, *lines = terms.audited(code, printed)
    assert first.startswith(outcome)
    assert lines == printed.splitlines()


def test_files_by_owner() -> None:
    names = ["hooks/update", "pyproject.toml", "src/demo/app/x/y.py", "src/demo/app.py"]
    assert terms.by_owner(names) == [
        "yours: src/demo/app/x/y.py",
        "shared: pyproject.toml",
        "template: hooks/update",
        "template: src/demo/app.py",
    ]


def test_owners_are_those_of_the_list() -> None:
    owners = tomllib.loads((ROOT / "template/.template/owners.toml").read_text("utf-8"))
    yours = [f"{name}*" if name.endswith("/") else name for name in owners["yours"]]
    assert list(terms.YOURS) == yours
    assert list(terms.SHARED) == owners["shared"]


def test_markdown_holds_hostile_values_as_text() -> None:
    (change,) = terms.compare({"a": "1"}, {"a": "x\n# y `z` | <b>"}, {})
    text = terms.as_markdown("T", "O", [("P", [str(change)])])
    assert text == '# T\n\nO\n\n## P\n\n    a "1" -> "x\\n# y `z` | <b>" (review)\n'


def test_opened_names_facts_that_are_new_or_changed() -> None:
    before = tomllib.loads(
        '[service]\nresponse-headers = ["a"]\n'
        '[[route]]\npath = "/kept"\nmax-body = 1\n'
        '[[route]]\npath = "/more"\nmax-body = 1\naccess = "login"\n'
        '[[route]]\npath = "/gone"\n'
    )
    after = tomllib.loads(
        '[service]\nresponse-headers = ["a", "b"]\n[service.csp]\nimg-src = ["https://x.test"]\n'
        '[[route]]\npath = "/kept"\nmax-body = 1\n'
        '[[route]]\npath = "/more"\nmax-body = 2\naccess = "login"\n'
        '[[route]]\npath = "/new"\nmethods = ["PUT", "GET"]\naccess = "public"\n'
    )
    assert terms.opened(before, after) == [
        "[[route]] /more: max-body 2",
        '[[route]] GET PUT /new: access "public"',
        '[service] csp.img-src +"https://x.test"',
        '[service] response-headers +"b"',
    ]
    assert terms.opened(after, after) == []


@pytest.mark.parametrize(
    "policy",
    [
        {"route": {"path": "/x"}},
        {"route": "/x"},
        {"route": ["/x"]},
        {"service": "x"},
        {"service": ["x"]},
    ],
)
def test_facts_of_another_form_stop_no_report(policy: dict[str, Any]) -> None:
    """`check` refuses them; of an older policy nobody can mend them any more."""
    fact = {"route": [{"path": "/y", "methods": "GET"}]}
    assert terms.opened(policy, fact) == ["[[route]] /y: what holds without a fact"]
    assert not [line for line in terms.opened(fact, policy) if "[[route]]" in line]


HISTORY = """\
## Unreleased

- Not yet. Who: all. Do: wait.

## 1.3.0 - 2026-03-01

- Three. Who: all. Do: three.

## 1.2.0 - 2026-02-01

- Two. Who: all. Do: two.
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("v1.1.0", "v1.3.0", ["Three", "Two"]),
        ("v1.2.0", "v1.3.0", ["Three"]),
        # What came into the release after somebody had tried it.
        ("v1.3.0rc1", "v1.3.0", ["Three"]),
        ("v1.2.0-beta.2", "v1.2.0", ["Two"]),
        ("v1.3.0", "v1.3.0", []),
        # A fork's tags of two numbers.
        ("v1.2", "v1.3", ["Three"]),
        ("v1.2.0", "v1.3.0rc1", ["Not yet", "Three"]),
        ("v1.3.0-2-gabcdef0", "v1.3.0-5-gabcdef1", ["Not yet"]),
        ("v1.2.0-3-gabcdef0", "v1.3.0", ["Three"]),
    ],
)
def test_news_are_of_the_versions_in_between(old: str, new: str, said: list[str]) -> None:
    lines = terms.news(HISTORY, old, new).duties
    assert [line.partition(": ")[2].partition(".")[0] for line in lines] == said


@pytest.mark.parametrize(
    ("entry", "duty"),
    [
        ("A. Who: services with a form. Do: add it.", True),
        ("A. Who: everybody. Do: nothing.", False),
        ("A. Who: nobody; these files are yours. Do: nothing, or take them over.", False),
        ("A. Who: nobody; these files are yours. Do: take them over.", True),
        ("**Breaking:** A. Who: all. Do: nothing.", True),
    ],
)
def test_who_must_do_nothing_has_no_duty(entry: str, *, duty: bool) -> None:
    found = terms.news(f"## 1.1.0\n\n- {entry}\n", "v1.0.0", "v1.1.0")
    assert found == (([f"1.1.0: {entry}"], []) if duty else ([], [f"1.1.0: {entry}"]))
