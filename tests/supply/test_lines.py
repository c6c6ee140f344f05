"""Nothing is generated on a line of Python or a framework that is past its end of life."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import projects
from tests.conftest import Render
from tests.projects import BIN, CHOICES, ROOT, Project

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


Ending = Callable[..., Project]
BASELINE = "template/src/{{ package }}/security/baseline.toml"


@pytest.fixture
def ending(tmp_path: Path) -> Ending:
    """Return a function that copies the template with other last days of some lines."""

    def copy(**ends: date) -> Project:
        template = projects.copy_template(tmp_path / "template")
        baseline = template / BASELINE
        head, *tables = re.split(r"(?m)^(?=\[supported\.lines\.)", baseline.read_text("utf-8"))
        for number, table in enumerate(tables):
            for name, end in ends.items():
                table_name, _, line = name.partition("_")
                if table.startswith(f"[supported.lines.{table_name}]"):
                    wanted = rf"(?m)^({line.replace('_', '-') or '[0-9-]+'}) = .*"
                    tables[number], count = re.subn(wanted, rf"\1 = {end}", table)
                    assert count
        baseline.write_text(head + "".join(tables), "utf-8")
        return Project(template)

    return copy


def today() -> date:
    """Return the day, waiting for the next one where it is about to end."""
    now = datetime.now(UTC).astimezone()
    if (now.hour, now.minute) == (23, 59):
        time.sleep(61 - now.second)
        return today()
    return now.date()


def generate(template: Project, *options: str) -> tuple[int, str]:
    """Run Copier's command beside the template; insist that a refusal leaves nothing."""
    target = template.path.parent / "made"
    command = (str(BIN / "copier"), "copy", "--quiet", *options, str(template.path), str(target))
    done = template.run(*command, check=False)
    assert target.exists() == (done.returncode == 0)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("ended", "answers", "named"),
    [
        ("django", ["framework=django"], "django 6.1"),
        ("fastapi", ["framework=fastapi"], "fastapi 0"),
        ("fastapi", [], "fastapi 0"),
        ("python_3_11", [], "python 3.11"),
        ("python_3_11", ["framework=flask"], "python 3.11"),
    ],
)
def test_ended_line_is_refused(ending: Ending, ended: str, answers: list[str], named: str) -> None:
    yesterday = today() - timedelta(days=1)
    data = [word for each in answers for word in ("--data", each)]
    code, printed = generate(ending(**{ended: yesterday}), "--defaults", *data)
    assert code != 0
    assert f"{named} ended {yesterday}, take a newer template" in printed


@pytest.mark.parametrize(
    ("ended", "days"),
    [("django", 0), ("django_5_2", -1000), ("flask", -1000), ("python_3_12", -1000)],
)
def test_line_on_its_last_day_and_other_lines_are_not(
    ending: Ending, ended: str, days: int
) -> None:
    template = ending(**{ended: today() + timedelta(days=days)})
    code, printed = generate(template, "--defaults", "--data", "framework=django")
    assert code == 0, printed


def test_project_on_an_ended_line_is_updated_all_the_same(ending: Ending, tmp_path: Path) -> None:
    """Its `check` says so; the update may be the cure."""
    template = ending()
    template.commit()
    template.git("tag", "v1.0.0")
    project = projects.render(template.path, tmp_path / "made", {"framework": "django"})
    project.commit()
    baseline = template.path / BASELINE
    text = baseline.read_text("utf-8").replace("2027", "2020").replace("2028", "2020")
    baseline.write_text(text, "utf-8")
    template.commit()
    template.git("tag", "v2.0.0")
    projects.update(project)
    kept = project.path / "src" / project.package / "security/baseline.toml"
    assert kept.read_text("utf-8") == text
