"""Which package of a project imports which: `operate` uses all, app adapter, adapter security."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import PurePath

import pytest

from tests.conftest import Render
from tests.projects import CHOICES, Project

MAY_IMPORT = {
    "__init__": set(),
    "__main__": {"operate"},
    "operate": {"app", "adapter", "security", "config"},
    "app": {"adapter"},
    "adapter": {"security", "config"},
    "config": {"security"},
    "security": set(),
}
"""Each module or folder below the package, and what it may import of the others."""
WEB = {*CHOICES["framework"], "asgiref", "granian", "starlette", "werkzeug"}


@cache
def import_statements(content: bytes) -> list[ast.Import | ast.ImportFrom]:
    """Return all of a file, wherever in it: most files are the same in all projects."""
    nodes = ast.walk(ast.parse(content))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(project: Project) -> Iterator[tuple[str, str]]:
    """Return each file below the package with each module that it imports, by its whole name."""
    root = f"src/{project.package}/"
    for name, content in project.files().items():
        if not (name.startswith(root) and name.endswith(".py")):
            continue
        # The package of a file: that of an `__init__.py` is its folder, too.
        folder = PurePath(name.removeprefix("src/")).parent.parts
        for node in import_statements(content):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            else:
                up = folder[: len(folder) + 1 - node.level] if node.level else ()
                start = [*up, *([node.module] if node.module else [])]
                # What comes from a package may be a module of it.
                found = [".".join([*start, alias.name]) for alias in node.names]
            for module in found:
                yield name.removeprefix(root), module


def part(name: str) -> str:
    """Return the first folder of a file's name, or the module that it is."""
    return name.partition("/")[0].removesuffix(".py")


@pytest.mark.parametrize("framework", CHOICES["framework"])
@pytest.mark.parametrize("sessions", CHOICES["sessions"])
def test_no_package_imports_backwards(rendered: Render, framework: str, sessions: str) -> None:
    project = rendered(framework=framework, sessions=sessions)
    used = {name: set[str]() for name in MAY_IMPORT}
    for name, module in imports(project):
        package, _, inside = module.partition(".")
        if package == project.package:
            target = inside.partition(".")[0]
            assert target in {part(name)} | MAY_IMPORT[part(name)], f"{name} imports {module}"
            used[part(name)].add(target)
    # Otherwise the test would pass over imports that it cannot read.
    assert used["__main__"] == {"operate"}
    assert used["operate"] >= {"app", "adapter", "security", "config"}


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_security_knows_no_web_framework(rendered: Render, framework: str) -> None:
    for name, module in imports(rendered(framework=framework)):
        if part(name) == "security":
            assert module.partition(".")[0] not in WEB, f"{name} imports {module}"
