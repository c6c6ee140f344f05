"""The table of mutations is read strictly, and fits the code as it is rendered now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Render
from tests.mutation import stale
from tests.mutation.table import PROJECTS, TableError, load, project_name

GOOD = {
    "line": '"CSR-1"',
    "file": '"security/csrf.py"',
    "old": "'return has_session'",
    "new": "''",
    "attack": '"any site acts in the user\'s name"',
}
"""The keys of a good entry, each with its value as TOML."""


def write(folder: Path, *entries: dict[str, str], name: str = "csr.toml") -> Path:
    """Write entries to a file and return it."""
    rows = []
    for entry in entries:
        rows += ["[[mutation]]", *(f"{key} = {value}" for key, value in entry.items()), ""]
    path = folder / name
    path.write_text("\n".join(rows), "utf-8")
    return path


def test_no_entry_is_stale(rendered: Render, template: Path) -> None:
    """In seconds, before the suites run for as many minutes."""
    projects = (rendered(**dict(answers)) for answers in PROJECTS)
    reports = [*stale.in_projects(projects), *stale.in_template(template)]
    assert not reports, "\n\n".join(["", *reports])


def test_a_good_entry_is_read(tmp_path: Path) -> None:
    wider = GOOD | {"answers": '{ framework = "django", admin_path = "office" }'}
    first, second = load([write(tmp_path, GOOD, wider)])
    assert (first.name, second.name) == ("CSR-1.1", "CSR-1.2")
    assert (first.place, second.place) == ("csr.toml:1", "csr.toml:8")
    assert first.answers == {("framework", "flask")}
    assert second.answers == {("framework", "django"), ("admin_path", "office")}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"atack": '""'}, "unknown key 'atack'"),
        ({"line": '"CSR-99"'}, "unknown line 'CSR-99'"),
        ({"line": '"HDR-1"'}, "HDR-1 belongs in hdr.toml"),
        ({"old": "''"}, "old is empty"),
        ({"attack": '""'}, "attack is empty"),
        ({"judge": '""'}, "judge is empty"),
        ({"new": "1"}, "new is 1; write it as text"),
        ({"new": GOOD["old"]}, "old and new are equal"),
        ({"answers": '"django"'}, "answers are 'django'"),
        ({"answers": "{ framework = 1 }"}, "answers are {'framework': 1}"),
        ({"answers": '{ framwork = "django" }'}, "copier.yml has no question 'framwork'"),
        ({"answers": '{ framework = "djang" }'}, "framework is 'djang', not of"),
        ({"answers": '{ framework = "django" }', "judge": '"a"'}, "leave the answers out"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bad_entry_is_refused(changes: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        load([write(tmp_path, GOOD | {"new": "'pass'"}, GOOD | changes)])
    assert str(caught.value).startswith("csr.toml:8: ")
    assert says in str(caught.value)


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    entry = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(TableError, match=rf"csr\.toml:1: {key} missing"):
        load([write(tmp_path, entry)])


def test_a_change_stands_once(tmp_path: Path) -> None:
    again = GOOD | {"line": '"CSR-2"', "attack": '"another reason"'}
    with pytest.raises(TableError, match=r"csr\.toml:8: the same change as in csr\.toml:1"):
        load([write(tmp_path, GOOD, again)])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[mutation]]\nold = 'a\n", "csr.toml: Expected"),
        ("[mutations]\n", "csr.toml: only entries"),
        ("mutation = 1\n", "csr.toml: only entries"),
        ("[[ mutation ]]\n", "csr.toml: each entry begins"),
    ],
)
def test_a_bad_file_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "csr.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(TableError) as caught:
        load([path])
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("file", "code", "says"),
    [
        ("security/csrf.py", "return has_session\n" * 2, "2 times, in lines 1, 2"),
        ("security/origin.py", "\nreturn has_session\n", "it is in security/origin.py:2"),
        (
            "security/csrf.py",
            "if site:\n    return head.has_session\n",
            "closest, security/csrf.py:2 |     return head.has_session",
        ),
        ("security/csrf.py", "pass\n", "security/csrf.py does not have it"),
        ("security/csrf.py", "if site:\nreturn has_session\n", "leaves security/csrf.py:2 invalid"),
    ],
    ids=["twice", "moved", "reworded", "gone", "no Python"],
)
def test_a_stale_entry_is_told_what_is_there(
    file: str, code: str, says: str, tmp_path: Path
) -> None:
    (mutation,) = load([write(tmp_path, GOOD)])
    package = tmp_path / "project" / "src" / "app"
    (package / file).parent.mkdir(parents=True)
    (package / file).write_text(code, "utf-8")
    (report,) = stale.Tree(tmp_path / "project", package).stale([mutation])
    assert report.startswith("csr.toml:1: CSR-1.1, any site acts")
    assert says in report


def test_names_of_projects_are_the_same_in_all_processes() -> None:
    pairs = [("signup", "open"), ("ci", "none"), ("mail", "smtp"), ("framework", "flask")]
    assert project_name(frozenset(pairs)) == "flask-none-smtp-open"
