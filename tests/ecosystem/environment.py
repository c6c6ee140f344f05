"""A project into which a user has installed other people's packages and written code for them.

For each framework: `NAME.in` lists the packages, `NAME.all.in` those that the sample does without.
The folder `NAME/` has the files of the user, and `EDITS` the changes of files that the template
wrote. Only files that belong to the user may change.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import projects
from tests.projects import Project

HERE = Path(__file__).parent
WHOLE = os.environ.get("ECOSYSTEM") == "all"
"""Whether all is asked for, or the sample."""
YOURS = ("policy.toml", "tests/app/", "{src}/app/")
"""What belongs to the user; `pyproject.toml` is changed by `uv add` alone."""


@dataclass(frozen=True)
class Edit:
    """One change of a file that the template wrote."""

    file: str
    """Below the project; `app/` is that of its package."""
    old: str
    new: str
    unless: str = ""
    """Text that makes it needless."""


def build(
    framework: str, template: Path, target: Path, edits: Sequence[Edit] = (), **answers: str
) -> Project:
    """Render a project, install what its framework's list names, and write the user's files."""
    project = projects.render(template, target, {"framework": framework, **answers})
    own = HERE / framework
    left_out = shutil.ignore_patterns("__pycache__")
    if own.is_dir():
        for entry in own.iterdir():
            place = path(project, f"{entry.name}/" if entry.is_dir() else entry.name)
            if entry.is_dir():
                shutil.copytree(entry, place, ignore=left_out, dirs_exist_ok=True)
            else:
                shutil.copy(entry, place)
    for edit in edits:
        place = path(project, edit.file)
        text = place.read_text("utf-8")
        if edit.unless and edit.unless in text:
            continue
        if text.count(edit.old) != 1:
            raise ValueError(f"{edit.file}: {text.count(edit.old)} places for {edit.old!r}")
        place.write_text(text.replace(edit.old, edit.new), "utf-8")
    project.install()
    # Not `uv add`: it would hold the lists back by the days that a project waits for a release.
    lists = [HERE / f"{framework}.in", *([HERE / f"{framework}.all.in"] if WHOLE else [])]
    given = [part for each in lists if each.exists() for part in ("--requirements", str(each))]
    project.run("uv", "pip", "install", "--quiet", *given)
    return project


def path(project: Project, file: str) -> Path:
    """Return where a file of the user is. Raises `ValueError` for one that is the template's."""
    src = f"src/{project.package}"
    place = f"{src}/{file}" if file.startswith("app/") else file
    if not any(place.startswith(own.format(src=src)) for own in YOURS):
        raise ValueError(f"{place} is not the user's")
    return project.path / place
