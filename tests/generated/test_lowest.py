"""The lowest versions that a project allows of what it needs: `make lowest` tries them."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from tests import projects
from tests.projects import CHOICES


def test_the_gate_installs_the_lowest_versions(template: Path, tmp_path: Path) -> None:
    """With one test in the place of all, which looks what is there."""
    project = projects.render(template, tmp_path / "my-service", {"framework": "flask"})
    shown = "import flask, importlib.metadata as m\n\n\ndef test_it():\n"
    shown += "    assert m.version('flask').startswith('3.1.0'), m.version('flask')\n"
    for path in (project.path / "tests").rglob("test_*.py"):
        path.unlink()
    for path in (project.path / "tests").rglob("conftest.py"):
        path.unlink()
    (project.path / "tests" / "test_versions.py").write_text(shown, "utf-8")
    project.install()
    project.commit()
    lock = (project.path / "uv.lock").read_bytes()
    done = project.run("hooks/gate", "lowest", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    lowest" in done.stdout
    # What is deployed is as it was.
    assert (project.path / "uv.lock").read_bytes() == lock
    (project.path / "tests" / "test_versions.py").write_text(
        "def test_it():\n    assert 0\n", "utf-8"
    )
    done = project.run("hooks/gate", "lowest", check=False)
    assert done.returncode == 1
    assert "FAIL  lowest" in done.stdout


@pytest.mark.skipif(os.environ.get("LOWEST") != "all", reason="takes long: make lowest")
@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_lowest_versions_pass(template: Path, tmp_path: Path, framework: str) -> None:
    project = projects.render(template, tmp_path / "my-service", {"framework": framework})
    project.install()
    project.commit()
    done = project.run("hooks/gate", "lowest", check=False, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_requirement_has_a_lower_bound(template: Path, tmp_path: Path) -> None:
    """Else the lowest is a version of ten years ago."""
    for framework in CHOICES["framework"]:
        project = projects.render(template, tmp_path / framework, {"framework": framework})
        read = tomllib.loads((project.path / "pyproject.toml").read_text("utf-8"))
        for each in (*read["project"]["dependencies"], *read["dependency-groups"]["dev"]):
            assert ">=" in each or each.startswith("types-"), each
