"""docs/add-a-framework.md is true: what it says makes a fifth framework of one that is not ours."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests import projects
from tests.projects import CHOICES, ROOT, SAME, Project

OVERLAY = Path(__file__).parent / "starlette" / "template"
UNIT = Path(__file__).parent / "starlette" / "unit"
GUIDE = ROOT / "docs" / "add-a-framework.md"
LAYER = "template/{{{{ use.{} }}}}"
ADAPTER = "src/{{ package }}/adapter"
LONGEST_ADAPTER = 2100
ALL_OF_ITS_OWN = {"django"}
"""Frameworks with users, sessions, data and settings of their own, each of which is connected."""


def line_of_guide() -> str:
    """Return the line for copier.yml that the guide shows."""
    (line,) = re.findall(r"^    starlette: \{.*\}$", GUIDE.read_text("utf-8"), re.MULTILINE)
    return f"{line}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return an installed project of a template to which Starlette was added."""
    template = projects.copy_template(tmp_path_factory.mktemp("fifth") / "template")
    shutil.copytree(OVERLAY, template / LAYER.format("starlette"))
    config = template / "copier.yml"
    text, count = re.subn(
        r"^    litestar: .*\n",
        lambda found: found[0] + line_of_guide(),
        config.read_text("utf-8"),
        flags=re.MULTILINE,
    )
    assert count == 1
    config.write_text(text, "utf-8")
    made = projects.render(template, template.parent / "project", {"framework": "starlette"})
    made.install()
    return made


@pytest.fixture(scope="module")
def copied(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy of it with the unit tests, and with its views for them."""
    copy = project.copy(tmp_path_factory.mktemp("copied") / "project")
    shutil.copytree(UNIT, copy.path / "tests" / "contract" / "unit", dirs_exist_ok=True)
    return copy


@pytest.mark.weekly
def test_new_framework_passes_the_suite(copied: Project, project: Project) -> None:
    done = copied.run(
        *(project.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract"),
        *(f"--ignore=tests/contract/unit/{name}" for name in SAME),
        timeout=900,
        PYTHONPATH=str(copied.path / "src"),
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 1200
    assert "failed" not in done.stdout


def test_new_framework_passes_the_checks(
    project: Project, copied: Project, mypy: tuple[str, ...]
) -> None:
    ruff = str(projects.BIN / "ruff")
    for made in (project, copied):
        made.run(ruff, "format", "--check", "--diff", "--no-cache", ".")
        made.run(ruff, "check", "--no-cache", ".")
    project.run(project.python, *mypy)
    copied.run(project.python, *mypy, "tests")


def adapter(framework: str) -> int:
    """Return the lines of the adapter of a framework, with the layer of its interface."""
    config = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))["frameworks"]["default"]
    layers = config[framework]["layers"] if framework in config else ["asgi", "jinja"]
    # Data is the same for all frameworks that have none of their own.
    layers = [layer for layer in layers if layer != "sqlalchemy"]
    folders = [ROOT / LAYER.format(layer) / ADAPTER for layer in layers]
    if framework not in config:
        folders.append(OVERLAY / ADAPTER)
    return sum(
        len(file.read_text("utf-8").splitlines())
        for folder in folders
        for file in folder.rglob("*.py*")
        if file.suffix in {".py", ".jinja"}
    )


@pytest.mark.parametrize("framework", [*CHOICES["framework"], "starlette"])
def test_adapter_is_small(framework: str) -> None:
    """What a framework adds to the shared layer, and both together as the guide says."""
    stated = re.search(rf"^\| {framework} \|.*\| (\d+) \|$", GUIDE.read_text(), re.MULTILINE)
    assert stated
    # A few lines more or less are no reason to write the guide anew.
    assert abs(adapter(framework) - int(stated[1])) <= int(stated[1]) / 20, adapter(framework)
    assert adapter(framework) <= LONGEST_ADAPTER or framework in ALL_OF_ITS_OWN
