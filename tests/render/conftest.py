"""The template as pytest-copier renders it; test_trust.py proves that it needs no trust.

The plugin trusts every template, and renders one version. Updates are rendered by Copier itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_copier.plugin import CopierFixture

from tests import projects
from tests.projects import Project

Context = Callable[..., dict[str, Any]]
"""Called with answers by name; returns what the template's files are rendered with."""


@pytest.fixture(scope="session")
def copier_template(template: Path) -> Path:
    """Let the plugin render what is in the working tree, without a repository of its own."""
    return template


@pytest.fixture(scope="session")
def renderer(copier_template: Path) -> Iterator[CopierFixture]:
    """Return the plugin's fixture for a whole session."""
    with pytest.MonkeyPatch.context() as patch:
        yield CopierFixture(template=copier_template, defaults={}, monkeypatch=patch)


@pytest.fixture(scope="session")
def rendered(
    renderer: CopierFixture, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Project]:
    """Return a function that renders a project once for each set of answers: only read it."""

    def make(folder: Path, answers: dict[str, str]) -> None:
        renderer.copy(folder, **answers)

    return projects.once_for_each(tmp_path_factory, "rendered-by-plugin", make)
