"""What an update changes, and what it never touches (see OWNERSHIP in copier.yml)."""

from pathlib import Path

import copier
import pytest
import yaml

from scripts import manifest
from tests import projects
from tests.projects import Project, shared
from tests.update.series import replace

APP = "src/my_service/app"
DEPENDENCIES = "template/pyproject.toml.jinja"
YOURS = ("README.md", "CHANGELOG.md", "policy.toml", f"{APP}/", "tests/app/")


def yours(name: str) -> bool:
    return name.startswith(YOURS)


class Versions:
    """A template under git, and a project of its first version."""

    def __init__(self, folder: Path) -> None:
        """Take the folder into which `write_all` has written, or a copy of it."""
        self.folder = folder
        self.template = Project(folder / "template")
        self.project = Project(folder / "project")

    @classmethod
    def write_all(cls, folder: Path) -> None:
        """Write both, and a second version of the template."""
        made = cls(folder)
        projects.copy_template(made.template.path)
        # An example of each kind that a later version can drop or change.
        made.source("src/{{ package }}/app/dropped.py", "OLD = 1\n")
        made.source("src/{{ package }}/security/dropped.py", "OLD = 1\n")
        made.source("tests/app/test_example.py", "OLD = 1\n")
        made.release("v1.0.0")
        projects.render(made.template.path, made.project.path, {}).commit()
        package = "src/{{ package }}"
        made.append("README.md.jinja", "\nNew.\n")
        made.append("CHANGELOG.md", "\nNew.\n")
        made.append("policy.toml.jinja", "\n# New.\n")
        made.append(f"{package}/app/static/app.css", "\n/* New. */\n")
        made.append(f"{package}/security/baseline.toml", "\n# New.\n")
        made.append("SECURITY.md.jinja", "\nNew.\n")
        replace(made.template.path / DEPENDENCIES, '"zxcvbn>=4.5,<5"', '"zxcvbn>=4.6,<5"')
        made.source(f"{package}/app/dropped.py", None)
        made.source(f"{package}/security/dropped.py", None)
        made.source("tests/app/test_example.py", None)
        made.source(f"{package}/app/added.py", "NEW = 1\n")
        made.source(f"{package}/security/added.py", "NEW = 1\n")
        made.release("v2.0.0")

    def source(self, name: str, text: str | None) -> None:
        """Write, or with None delete, a file of the template."""
        path = self.template.path / "template" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)

    def append(self, name: str, text: str) -> None:
        """Append to a file of the template."""
        with (self.template.path / "template" / name).open("a") as file:
            file.write(text)

    def release(self, tag: str) -> None:
        """Commit and tag the template."""
        self.template.commit()
        self.template.git("tag", tag)

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
    pyproject = project.path / "pyproject.toml"
    marker = "  # Yours: `uv add NAME` appends below.\n"
    assert marker in pyproject.read_text()
    pyproject.write_text(pyproject.read_text().replace(marker, marker + '  "rich",\n'))
    project.commit()


def test_update_leaves_alone_what_is_yours(versions: Versions) -> None:
    project = versions.project
    edit(project)
    before = project.files()
    projects.update(project)
    after = project.files()
    mine = {name: text for name, text in before.items() if yours(name)}
    assert {name: text for name, text in after.items() if yours(name)} == mine


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
    updated, fresh = versions.project.files(), versions.fresh().files()
    assert {name: text for name, text in updated.items() if not yours(name)} == {
        name: text for name, text in fresh.items() if not yours(name)
    }


def test_recopy_leaves_alone_what_is_yours(versions: Versions) -> None:
    project = versions.project
    edit(project)
    before = project.files()
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
        if yours(name):
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
