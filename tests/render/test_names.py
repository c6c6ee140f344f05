"""The lists of names that a project cannot have are complete (includes/names.jinja)."""

import json
import keyword
import re
import sys
import tomllib

import pytest
from jinja2 import Environment, FileSystemLoader

from tests.conftest import Render
from tests.projects import CHOICES, ROOT

NAMES = vars(
    Environment(loader=FileSystemLoader(ROOT / "includes"), autoescape=True)
    .get_template("names.jinja")
    .module
)
PACKAGE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

LIST_INSTALLED = """
import importlib.metadata, json, pathlib, sys
modules = importlib.metadata.packages_distributions()
scripts = [path.stem for path in pathlib.Path(sys.executable).parent.iterdir()]
print(json.dumps([*modules, *scripts]))
"""


def as_packages(names: set[str]) -> set[str]:
    """Return the names that a package could have, in the form in which they would clash."""
    forms = {re.sub(r"[-.]", "_", name.lower()) for name in names}
    return {form for form in forms if PACKAGE.fullmatch(form)}


def test_keywords() -> None:
    assert as_packages({*keyword.kwlist, *keyword.softkwlist}) <= set(NAMES["keywords"])


def test_standard_library() -> None:
    assert as_packages(set(sys.stdlib_module_names)) <= set(NAMES["standard_library"])


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_dependencies(installed: Render, framework: str) -> None:
    project = installed(framework=framework)
    lock = tomllib.loads((project.path / "uv.lock").read_text())
    names = {package["name"] for package in lock["package"]}
    names |= set(json.loads(project.run(project.python, "-c", LIST_INSTALLED).stdout))
    missing = as_packages(names) - {project.package} - set(NAMES["dependencies"])
    assert missing == set()


def test_every_name_can_be_typed() -> None:
    """A name that the form of a package excludes anyway only makes the list longer."""
    for name in NAMES["modules"]:
        assert PACKAGE.fullmatch(name), name


@pytest.mark.parametrize(
    "kind", ["keywords", "standard_library", "dependencies", "layout", "system"]
)
def test_lists_are_sorted_and_without_doubles(kind: str) -> None:
    assert NAMES[kind] == sorted(set(NAMES[kind]))
