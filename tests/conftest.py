"""Fixtures of all suites: projects rendered once for each set of answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests import projects
from tests.projects import Project

collect_ignore = ["unit"]
"""Part of a generated project, and run there: see tests/generated/test_unit.py."""

Render = Callable[..., Project]
"""Called with answers by name; defaults stand for the rest."""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the template, as a plain folder without git."""
    return projects.copy_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Return a function that renders a project once for each set of answers: only read it."""

    @cache
    def once(answers: frozenset[tuple[str, str]]) -> Project:
        target = tmp_path_factory.mktemp("rendered") / "project"
        return projects.render(template, target, dict(answers))

    return lambda **answers: once(frozenset(answers.items()))


@pytest.fixture(scope="session")
def installed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Return a function that renders and installs a project once for each set of answers.

    Tests may run its commands, but not change its files.
    """

    @cache
    def once(answers: frozenset[tuple[str, str]]) -> Project:
        target = tmp_path_factory.mktemp("installed") / "project"
        project = projects.render(template, target, dict(answers))
        project.install()
        return project

    return lambda **answers: once(frozenset(answers.items()))
