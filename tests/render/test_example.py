"""What the README says about deleting the example feature is the whole of it."""

from __future__ import annotations

import ast
import re

import pytest

from tests import example
from tests.conftest import Render
from tests.projects import CHOICES

CASES = [*((framework, "") for framework in CHOICES["framework"]), ("django", "office")]
KNOWS = re.compile(r"\bNote|/notes|\bimport\b.*\bnotes\b|\bnotes\.")


@pytest.mark.parametrize(("framework", "admin"), CASES)
def test_readme_names_each_file_that_changes(rendered: Render, framework: str, admin: str) -> None:
    project = rendered(framework=framework, admin_path=admin)
    app = project.path / "src" / project.package / "app"
    text = example.section(project)
    # There is no other that knows of notes; the style of messages has that name too.
    knows = {
        path.relative_to(app).as_posix()
        for path in app.rglob("*")
        if path.suffix in {".py", ".html"} and KNOWS.search(path.read_text("utf-8"))
    }
    assert f"src/{project.package}/app/notes " in text
    outside = {name for name in knows if not name.startswith("notes/")}
    # A history is not rewritten: what it made, the next migration drops.
    outside -= {name for name in outside if name.startswith("migrations/")}
    assert outside
    assert outside == {name for name in outside if f"`app/{name}` (changed)" in text}


def marks(node: ast.FunctionDef) -> list[str]:
    return [ast.unparse(each) for each in node.decorator_list]


def test_readme_names_the_lines_that_lose_their_tests(rendered: Render) -> None:
    lines: dict[str, list[bool]] = {}
    for framework in CHOICES["framework"]:
        for file in (rendered(framework=framework).path / "tests" / "contract").glob("test_*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    skipped = "pytest.mark.example" in marks(node)
                    for mark in marks(node):
                        if mark.startswith("pytest.mark.contract("):
                            line = ast.literal_eval(mark.partition("(")[2].rstrip(")"))
                            lines.setdefault(line, []).append(skipped)
    assert len(lines) > 40
    assert {line for line, skipped in lines.items() if all(skipped)} == {"INP-4"}
    for framework in CHOICES["framework"]:
        assert "INP-4" in example.section(rendered(framework=framework))
