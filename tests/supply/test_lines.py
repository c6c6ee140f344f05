"""Nothing is generated on a line of Python or a framework that is past its end of life."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.conftest import Render
from tests.projects import CHOICES, ROOT

DAYS = 60
"""A line that ends sooner is no start for a new project."""


@pytest.fixture(scope="module")
def lines(rendered: Render) -> dict[str, dict[str, date | str]]:
    """Return the lines of the baseline."""
    project = rendered()
    path = project.path / "src" / project.package / "security/baseline.toml"
    read: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))["supported"]["lines"]
    return read


def last_day(lines: dict[str, date | str], version: str) -> date | str:
    """Return the last day of a version's line; every version must have one."""
    ends = [
        end for name, end in lines.items() if f"{version}.".startswith(name.replace("-", ".") + ".")
    ]
    assert len(ends) == 1, version
    return ends[0]


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_frameworks_begin_at_supported_lines(
    rendered: Render, lines: dict[str, dict[str, date | str]], framework: str
) -> None:
    path = rendered(framework=framework).path / "pyproject.toml"
    wanted = tomllib.loads(path.read_text("utf-8"))["project"]["dependencies"]
    (requirement,) = [each for each in wanted if re.match(rf"{framework}[^a-z-]", each)]
    lowest = re.search(r">=([0-9.]+)", requirement)
    assert lowest, "the oldest line that may be installed is not named"
    end = last_day(lines[framework], lowest[1])
    soon = datetime.now(UTC).date() + timedelta(days=DAYS)
    assert end == "newest" or (isinstance(end, date) and end > soon)


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_python_of_the_project_and_its_ci_is_supported(
    rendered: Render, lines: dict[str, dict[str, date | str]], ci: str
) -> None:
    project = rendered(ci=ci)
    read = tomllib.loads((project.path / "pyproject.toml").read_text("utf-8"))
    name = ".github/workflows/verify.yml" if ci == "github" else ".gitlab-ci.yml"
    jobs = yaml.safe_load((project.path / name).read_text("utf-8"))
    tested = (
        jobs["jobs"]["verify"]["strategy"]["matrix"]["python"]
        if ci == "github"
        else jobs["verify"]["parallel"]["matrix"][0]["PYTHON"]
    )
    assert read["project"]["requires-python"] == f">={tested[0]}"
    for version in tested:
        end = last_day(lines["python"], version)
        assert isinstance(end, date)
        assert end > datetime.now(UTC).date() + timedelta(days=DAYS)


def test_each_framework_has_lines(lines: dict[str, dict[str, date | str]]) -> None:
    choices = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))["frameworks"]["default"]
    assert lines.keys() >= {"python", *choices}
