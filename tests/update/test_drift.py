"""What `drift` says after an update."""

from pathlib import Path

from scripts import manifest
from tests import projects
from tests.projects import Project
from tests.update.series import Template

drift = manifest.load_drift()


def make(series: Template, folder: Path, start: int) -> Project:
    project = projects.render(series.path, folder / "project", {}, vcs_ref=series.tags[start])
    project.commit()
    return project


def test_an_edit_that_an_update_merges_is_still_drift(series: Template, tmp_path: Path) -> None:
    project = make(series, tmp_path, 0)
    name = "src/my_service/security/baseline.toml"
    text = (project.path / name).read_text()
    (project.path / name).write_text(f"# Mine.\n{text}")
    (project.path / "ruff.toml").unlink()
    project.commit()
    projects.update(project)
    report = drift.compare(project.path)
    assert report.edited == [name]
    assert report.deleted == ["ruff.toml"]
    assert (project.path / name).read_text().startswith("# Mine.\n")
    assert "idle-timeout = 1800" not in (project.path / name).read_text()
