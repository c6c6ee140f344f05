"""The framework is chosen once: an update to another would delete edited files without a word."""

from pathlib import Path

import pytest

from tests import projects
from tests.projects import Project, shared

MESSAGE = "fixed when the project was generated"


@pytest.fixture(scope="session")
def made(versioned: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a committed flask project from a template with git, where a newer version waits.

    Only copy it.
    """

    def make(folder: Path) -> None:
        template = versioned.again(folder / "template")
        projects.render(template.path, folder / "project", {"framework": "flask"}).commit()
        with (template.path / "template" / "SECURITY.md.jinja").open("a") as file:
            file.write("\nA new line.\n")
        template.commit()
        template.git("tag", "v2.0.0")

    return Project(shared(tmp_path_factory, "lock", make) / "project")


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Project:
    """Return that project, to change it."""
    return made.again(tmp_path / "project")


def test_another_framework_is_refused(project: Project) -> None:
    before = project.files()
    with pytest.raises(ValueError, match=f"'framework': {MESSAGE}"):
        projects.update(project, data={"framework": "fastapi"})
    assert project.files() == before


def test_the_same_framework_is_not_asked_again(project: Project) -> None:
    projects.update(project, data={"framework": "flask", "storage": "distributed"})
    assert project.answers["storage"] == "distributed"
    assert project.answers["framework"] == "flask"
    assert b"A new line." in project.files()["SECURITY.md"]


def test_an_edited_answers_file_is_refused(project: Project) -> None:
    answers = project.path / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("\nframework: flask", "\nframework: fastapi"))
    project.commit()
    before = project.files()
    with pytest.raises(ValueError, match=MESSAGE):
        projects.update(project)
    assert project.files() == before


def test_the_lock_cannot_be_opened_alone(project: Project) -> None:
    with pytest.raises(ValueError, match=MESSAGE):
        projects.update(project, data={"generated_framework": "fastapi"})


def test_a_computed_answer_cannot_be_given(template: Path, tmp_path: Path) -> None:
    for name in ("use", "frameworks"):
        with pytest.raises(ValueError, match="computed, not an answer"):
            projects.render(template, tmp_path / "project", {name: "{}"})
