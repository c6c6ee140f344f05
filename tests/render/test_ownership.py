"""What an update changes, and what it never touches (see OWNERSHIP in copier.yml)."""

from pathlib import Path

import copier
import pytest
import yaml

from scripts import manifest
from tests import projects
from tests.projects import Project, shared
from tests.update.series import (
    APP,
    BASELINE,
    PACKAGE,
    Template,
    change_yours,
    others,
    replace,
    yours,
)


class Versions:
    """A template under git, and a project of its first version."""

    def __init__(self, folder: Path) -> None:
        """Take the folder into which `write_all` has written, or a copy of it."""
        self.folder = folder
        self.template = Template(folder / "template")
        self.project = Project(folder / "project")

    @classmethod
    def write_all(cls, folder: Path) -> None:
        """Write both, and a second version of the template."""
        made = cls(folder)
        template = made.template
        projects.copy_template(template.path)
        # An example of each kind that a later version can drop or change.
        examples = (f"{PACKAGE}/app/", f"{PACKAGE}/security/", "tests/app/test_")
        for example in examples:
            template.write(f"{example}dropped.py", "OLD = 1\n")
        template.release("v1.0.0")
        projects.render(template.path, made.project.path, {}).commit()
        change_yours(template)
        template.append(BASELINE, "\n# New.\n")
        template.append("SECURITY.md.jinja", "\nNew.\n")
        template.change("pyproject.toml.jinja", '"zxcvbn>=4.5,<5"', '"zxcvbn>=4.6,<5"')
        for example in examples:
            template.file(f"{example}dropped.py").unlink()
        for example in examples[:2]:
            template.write(f"{example}added.py", "NEW = 1\n")
        template.release("v2.0.0")

    def fresh(self) -> Project:
        """Render the newest version anew, with the project's answers."""
        return projects.render(self.template.path, self.folder / "fresh", self.project.answers)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Return a project of a first version, and a template that has moved on: only read both."""
    return Versions(shared(tmp_path_factory, "ownership", Versions.write_all))


@pytest.fixture
def versions(made: Versions, tmp_path: Path) -> Versions:
    """Return them with a copy of the project to change."""
    made.project.again(tmp_path / "project")
    copied = Versions(tmp_path)
    copied.template = made.template
    return copied


def edit(project: Project) -> None:
    """Edit, add and delete files as their owner may."""
    (project.path / "README.md").write_text("# Mine\n")
    (project.path / APP / "dropped.py").write_text("MINE = 1\n")
    (project.path / APP / "mine.py").write_text("MINE = 1\n")
    (project.path / APP / "static" / "app.js").unlink()
    marker = "  # Yours: `uv add NAME` appends below.\n"
    replace(project.path / "pyproject.toml", marker, marker + '  "rich",\n')
    project.commit()


def test_update_leaves_alone_what_is_yours(versions: Versions) -> None:
    project = versions.project
    edit(project)
    before = yours(project.files())
    projects.update(project)
    assert yours(project.files()) == before


def test_update_brings_what_is_the_templates(versions: Versions) -> None:
    project = versions.project
    edit(project)
    projects.update(project)
    after = project.files()
    assert after["SECURITY.md"].endswith(b"\nNew.\n")
    assert after["src/my_service/security/baseline.toml"].endswith(b"\n# New.\n")
    assert "src/my_service/security/added.py" in after
    assert "src/my_service/security/dropped.py" not in after


def test_shared_files_merge(versions: Versions) -> None:
    """The template changes its last dependency, the user added one: the closest two can come."""
    project = versions.project
    edit(project)
    projects.update(project)
    text = (project.path / "pyproject.toml").read_text()
    assert '"zxcvbn>=4.6,<5"' in text
    assert '"rich"' in text
    assert "<<<<<<<" not in text


def test_update_of_an_unedited_project_equals_a_fresh_one(versions: Versions) -> None:
    projects.update(versions.project)
    assert others(versions.project.files()) == others(versions.fresh().files())


def test_recopy_leaves_alone_what_is_yours(versions: Versions) -> None:
    project = versions.project
    edit(project)
    before = yours(project.files())
    copier.run_recopy(
        project.path,
        defaults=True,
        quiet=True,
        overwrite=True,
        unsafe=False,
        settings=copier.Settings(),
    )
    after = project.files()
    for name, text in before.items():
        assert after[name] == text, name


def test_copier_yml_and_the_list_of_owners_name_the_same_paths() -> None:
    """One list without the other deletes, or overwrites, what belongs to the user."""
    template = yaml.safe_load((projects.ROOT / "copier.yml").read_text())
    excluded = [
        line
        for entry in template["_exclude"]
        for line in entry.splitlines()
        if line.startswith("/")
    ]
    assert excluded == template["_skip_if_exists"]
    assert excluded == [f"/{path}" for path in manifest.load_owners()["yours"]]
    comment = next(
        line
        for line in (projects.ROOT / "copier.yml").read_text().splitlines()
        if line.startswith("#   README.md")
    )
    named = ["/" + name.replace("<package>", "*") for name in comment.strip("# ").split()]
    assert named == excluded
