"""hooks/update: Copier's update with what it leaves out: a report, conflicts, and proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hooks.conftest import FILES, Project, make_project

BASELINE = "src/demo/security/baseline.toml"
COPIER_YML = "_subdirectory: template\nname: {type: str, default: demo}\n"


@pytest.fixture
def template(tmp_path: Path, environment: dict[str, str]) -> Project:
    """Return a template of two versions; the second one changes the policy."""
    made = make_project(tmp_path / "template" / "template", environment)
    made.path = tmp_path / "template"
    made.write("copier.yml", COPIER_YML)
    made.write(
        "template/{{ _copier_conf.answers_file }}.jinja", "{{ _copier_answers | to_nice_yaml }}"
    )
    made.git("init", "--quiet")
    release(made, "v1.0.0")
    made.write(f"template/{BASELINE}", "[headers.hsts]\nmax-age = 2\n[cookies]\nsecure = true\n")
    release(made, "v2.0.0")
    return made


def release(template: Project, tag: str) -> None:
    """Commit and tag a version of the template."""
    template.commit(tag)
    template.git("tag", tag)


@pytest.fixture
def service(tmp_path: Path, template: Project, environment: dict[str, str]) -> Project:
    """Return a project of the template's first version, in git."""
    made = Project(tmp_path / "service", dict(environment))
    source, target = str(template.path), str(made.path)
    done = template.run("copier", "copy", "--defaults", "--vcs-ref", "v1.0.0", source, target)
    assert done.returncode == 0, done.stderr
    made.git("init", "--quiet")
    made.commit("Begin")
    return made


def test_reports_what_changed_and_verifies(service: Project) -> None:
    done = service.hook("update")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Policy values changed: 3" in done.stdout
    assert "  headers.hsts.max-age  1 -> 2\n" in done.stdout
    assert '  headers.hsts.ladder  ["a"] -> -\n' in done.stdout
    assert "  cookies.secure  - -> true\n" in done.stdout
    assert "  ok    tests" in done.stdout
    assert "update: v1.0.0 -> v2.0.0, verified" in done.stdout
    assert (service.path / "uv.lock").exists()


def test_up_to_date(service: Project) -> None:
    assert service.hook("update").returncode == 0
    service.commit()
    done = service.hook("update")
    assert done.returncode == 0
    assert "v2.0.0 is up to date" in done.stdout
    assert not service.git("status", "--porcelain")


def test_version_can_be_chosen(service: Project) -> None:
    done = service.hook("update", "v1.0.0")
    assert done.returncode == 0
    assert "v1.0.0 is up to date" in done.stdout


def test_conflict(service: Project) -> None:
    service.write(BASELINE, '[headers.hsts]\nmax-age = 3\nladder = ["a"]\n')
    service.commit()
    before = service.files()
    done = service.hook("update")
    assert done.returncode == 3
    assert f"\n  {BASELINE}\n" in done.stdout
    assert "git reset --hard && git clean -fd" in done.stdout
    service.git("reset", "--hard", "--quiet")
    service.git("clean", "-fdq")
    assert service.files() == before


def test_new_version_that_fails(template: Project, service: Project) -> None:
    template.write("template/tests/test_it.py", "def test_it() -> None:\n    assert 0\n")
    release(template, "v3.0.0")
    done = service.hook("update")
    assert done.returncode == 1
    assert "FAIL  tests" in done.stdout
    assert "v1.0.0 -> v3.0.0, but a check fails" in done.stdout


def test_new_dependency_is_locked_in_ci_too(template: Project, service: Project) -> None:
    assert service.hook("verify").returncode == 0
    service.commit("Lock")
    text = FILES["pyproject.toml"].replace('"mypy"', '"iniconfig", "mypy"')
    template.write("template/pyproject.toml", text)
    release(template, "v3.0.0")
    done = service.hook("update", CI="true")
    assert done.returncode == 0, done.stdout + done.stderr


def test_refuses_a_dirty_tree(service: Project) -> None:
    service.write("mine.txt", "mine")
    done = service.hook("update")
    assert done.returncode == 2
    assert done.stderr == "update: commit or stash your changes first: mine.txt\n"


def test_refuses_without_git(project: Project) -> None:
    project.write(".copier-answers.yml", "_commit: v1.0.0\n")
    done = project.hook("update")
    assert done.returncode == 2
    assert "no git repository" in done.stderr


def test_refuses_without_answers(repository: Project) -> None:
    done = repository.hook("update")
    assert done.returncode == 2
    assert ".copier-answers.yml is missing" in done.stderr


@pytest.mark.parametrize("arguments", [("--trust",), ("v1", "v2")])
def test_refuses_other_arguments(service: Project, arguments: tuple[str, ...]) -> None:
    done = service.hook("update", *arguments)
    assert done.returncode == 2
    assert done.stderr == "update: usage: hooks/update [VERSION]\n"


def test_refuses_a_template_out_of_reach(template: Project, service: Project) -> None:
    template.path.rename(template.path.with_name("gone"))
    before = service.files()
    done = service.hook("update")
    assert done.returncode == 2
    assert "nothing was changed" in done.stderr
    assert service.files() == before
