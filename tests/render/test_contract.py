"""docs/contract.md, here and in a project, says what `docs/contract.toml` says."""

import re
from pathlib import Path

import pytest

from scripts import contract
from tests import projects
from tests.conftest import Render
from tests.projects import ROOT

SUITE = [
    path
    for path in sorted((ROOT / "template").rglob("*"))
    if "tests" in path.parts and path.name.startswith("test_") and path.is_file()
]
CARRIED = {
    name
    for path in SUITE
    for text in re.findall(r"\.contract\(([^)]*)\)", path.read_text("utf-8"))
    for name in re.findall(r'"([^"]*)"', text)
}
"""The ids in the suites that projects get."""


@pytest.mark.parametrize("name", contract.PAGES)
def test_pages_are_current(name: str) -> None:
    """Write them by `make manifest`."""
    assert (ROOT / name).read_text("utf-8") == contract.pages()[name]


def test_each_id_of_a_test_is_a_line() -> None:
    assert len(CARRIED) > 40
    assert contract.load()["line"].keys() >= CARRIED


def test_lines_of_a_family_are_counted_and_stand_together() -> None:
    data = contract.load()
    families = [name.partition("-")[0] for name in data["line"]]
    assert list(dict.fromkeys(families)) == list(data["family"])
    for family in data["family"]:
        own = [name for name in data["line"] if name.startswith(f"{family}-")]
        assert own == [f"{family}-{number}" for number in range(1, len(own) + 1)]
        assert families[families.index(family) :][: len(own)] == [family] * len(own)


def test_pages_leave_out_what_is_planned() -> None:
    data = contract.load()
    planned = {name for name, line in data["line"].items() if "status" in line}
    for text in contract.pages().values():
        named = set(re.findall(r"^- \*\*([A-Z]+-\d+)\*\*", text, re.MULTILINE))
        assert named == data["line"].keys() - planned
        assert not re.search(r"\n\n\n|[^\n]\Z", text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[line.HDR-1]", "[line.HDX-1]", r"HDX-1 has no \[family.HDX\]"),
        ("[line.SES-4]\nsays", "[line.SES-4]\nsay", "SES-4 needs a text"),
        ("[line.SES-4]\n", '[line.SES-4]\nstatus = "later"\n', 'status = "planned" or none'),
    ],
    ids=["family", "text", "status"],
)
def test_contradictions_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / contract.SOURCE).read_text("utf-8")
    assert old in text
    path = tmp_path / contract.SOURCE
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=message):
        contract.pages(tmp_path)


def test_unknown_line_in_a_marker_is_an_error(
    template: Path, installed: Render, tmp_path: Path
) -> None:
    project = projects.render(template, tmp_path / "project", {})
    [conftest] = [path for path in project.path.rglob("conftest.py") if "HERE" in path.read_text()]
    test = conftest.parent / "test_marked.py"
    text = 'import pytest\n\n\n@pytest.mark.contract("THR-4{}")\ndef test_it() -> None:\n    pass\n'
    for digit, code in (("", 0), ("4", 2)):
        test.write_text(text.format(digit))
        done = project.run(installed().python, "-m", "pytest", "-q", str(test), check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert ("contract.md has no line THR-44" in done.stdout) == bool(code)
