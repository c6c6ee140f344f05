"""Copying and updating needs no trust, because the template runs nothing (see copier.yml)."""

from pathlib import Path

import pytest
import yaml
from copier.errors import UnsafeTemplateError

from tests import projects
from tests.projects import BIN, ROOT, Project, clean_environment

RUNS_CODE = {"_tasks", "_migrations", "_jinja_extensions"}


def test_copier_yml_runs_nothing() -> None:
    template = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    assert RUNS_CODE.isdisjoint(template)
    assert not [name for name in template if "include" in name], "settings hidden in another file"


def test_the_bare_command_works(template: Path, tmp_path: Path) -> None:
    done = Project(tmp_path).run(str(BIN / "copier"), "copy", "--defaults", str(template), "my app")
    assert "hooks/verify" in done.stderr
    assert "'my app/hooks/verify'" in done.stderr, "the next command can be pasted"
    made = Project(tmp_path / "my app").files()
    assert "pyproject.toml" in made
    # What tests/quicker.py leaves out changes nothing.
    assert projects.render(template, tmp_path / "quicker", {}).files() == made


def test_the_proof_can_fail(template: Path, tmp_path: Path) -> None:
    """A template with one task is refused by the same call."""
    copy = projects.copy_template(tmp_path / "template")
    with (copy / "copier.yml").open("a") as file:
        file.write("\n_tasks: ['true']\n")
    with pytest.raises(UnsafeTemplateError):
        projects.render(copy, tmp_path / "project", {})
    assert not (tmp_path / "project").exists()


def test_the_environment_of_tests_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("GIT_DIR", "elsewhere")
    assert {"APP_ENV", "GIT_DIR"}.isdisjoint(clean_environment())
