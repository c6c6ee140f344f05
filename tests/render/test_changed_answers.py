"""Each answer has a rule for its change: refused, or carried through (docs/updating.md)."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import projects
from tests.projects import Project, shared
from tests.weekly import some

FIXED = {"project_name": "other-name", "package": "other_name"}
"""And the framework: test_lock.py."""
CARRIED = {
    "description": 'Sells "tea" & more',
    "domain": "tea.example.org",
    "contact": "ada@example.org",
}
FREE = {
    "sessions": "cookie",
    "storage": "distributed",
    "tls_profile": "modern",
    "mail": "smtp",
    "ci": "gitlab",
    "cooldown_days": "3",
    "admin_path": "office",
}
RULE = {
    "project_name": "fixed",
    "package": "fixed",
    "framework": "fixed",
    **dict.fromkeys(CARRIED, "carried"),
    **dict.fromkeys(FREE, "free"),
    "signup": "free",
}


@pytest.fixture(scope="session")
def made(versioned: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a committed Django project from a template with git: only copy it."""

    def make(folder: Path) -> None:
        projects.render(versioned.path, folder, {"framework": "django"}).commit()

    return Project(shared(tmp_path_factory, "changed-answers", make))


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Project:
    """Return that project, to change it."""
    return made.again(tmp_path / "project")


@pytest.fixture
def variables(loaded_copier: Path) -> dict[str, Any]:
    """Return the environment in which the hook's Copier is one that is loaded already."""
    return {"PATH": f"{loaded_copier}{os.pathsep}{projects.clean_environment()['PATH']}"}


def test_each_answer_has_a_rule() -> None:
    questions = yaml.safe_load((projects.ROOT / "copier.yml").read_text())
    answers = {
        name
        for name, question in questions.items()
        if not name.startswith(("_", "generated_"))
        and not (isinstance(question, dict) and question.get("when") is False)
    }
    assert answers == set(RULE)
    page = (projects.ROOT / "docs" / "updating.md").read_text()
    for name in RULE:
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("name", [*FIXED, *CARRIED])
def test_copier_alone_changes_neither_names_nor_facts(project: Project, name: str) -> None:
    """It would delete the package's files, or leave policy.toml and SECURITY.md in disagreement."""
    before = project.files()
    message = "fixed when it was generated" if name in FIXED else "use hooks/update --data"
    with pytest.raises(ValueError, match=message):
        projects.update(project, data={name: {**FIXED, **CARRIED}[name]})
    assert project.files() == before
    # Nor does an edit of the file of answers.
    path = project.path / ".copier-answers.yml"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join(f"{name}: other" if line.startswith(f"{name}:") else line for line in lines)
    )
    project.commit()
    with pytest.raises(ValueError, match=message):
        projects.update(project)


@pytest.mark.parametrize("name", some(FREE, ["mail"]))
def test_what_is_the_templates_alone_follows(
    versioned: Project, project: Project, tmp_path: Path, name: str
) -> None:
    projects.update(project, data={name: FREE[name]})
    assert project.answers[name] == FREE[name]
    fresh = projects.render(versioned.path, tmp_path / "fresh", project.answers).files()
    mine = ("README.md", "src/my_service/app/")
    assert {key: text for key, text in project.files().items() if not key.startswith(mine)} == {
        key: text for key, text in fresh.items() if not key.startswith(mine)
    }


def test_the_hook_carries_facts_to_both_places(project: Project, variables: dict[str, Any]) -> None:
    path = project.path / "policy.toml"
    path.write_text(path.read_text() + '\n[[exception]]\nsetting = "input.max-body"\nvalue = 1\n')
    project.commit()
    data = [word for pair in CARRIED.items() for word in ("--data", "=".join(pair))]
    # The checks have tests of their own.
    done = project.run("hooks/update", *data, check=False, UV="false", **variables)
    assert "policy.toml: domain = " in done.stdout, done.stdout + done.stderr
    policy = tomllib.loads(path.read_text("utf-8"))
    for name, value in CARRIED.items():
        assert project.answers[name] == policy["service"][name] == value
    assert "ada@example.org" in (project.path / "SECURITY.md").read_text()
    assert policy["exception"] == [{"setting": "input.max-body", "value": 1}]


@pytest.mark.parametrize("word", ["package=x", "framework=flask", "generated_domain=x", "domain"])
def test_the_hook_refuses_the_rest(project: Project, variables: dict[str, Any], word: str) -> None:
    before = project.files()
    done = project.run("hooks/update", "--data", word, check=False, **variables)
    assert done.returncode == 2
    assert f"update: --data {word}: " in done.stderr
    assert project.files() == before


def test_the_hook_refuses_a_value_that_is_none(project: Project, variables: dict[str, Any]) -> None:
    before = project.files()
    data = ("--data", "domain=no host")
    done = project.run("hooks/update", *data, check=False, **variables)
    assert done.returncode == 2
    assert "host name in lower case" in done.stderr
    assert project.files() == before
