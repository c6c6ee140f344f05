"""A generated project in git: what its hooks refuse, and how `hooks/update` brings a new policy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import projects
from tests.projects import Project

PACKAGE = "my_service"
BASELINE = f"src/{PACKAGE}/security/baseline.toml"
OLD, NEW = "idle-timeout = 1800", "idle-timeout = 1200"


@pytest.fixture
def versions(template: Path, tmp_path: Path) -> Path:
    """Return the template as a git repository with tag v1.0.0, and v1.1.0 of a stricter policy."""
    repository = tmp_path / "template"
    projects.copy_template(repository)
    git = Project(repository)
    git.commit()
    git.git("tag", "v1.0.0")
    baseline = repository / "template/src/{{ package }}/security/baseline.toml"
    text = baseline.read_text("utf-8")
    assert text.count(OLD) == 1
    baseline.write_text(text.replace(OLD, NEW), "utf-8")
    git.commit()
    git.git("tag", "v1.1.0")
    return repository


@pytest.fixture
def service(versions: Path, tmp_path: Path) -> Project:
    """Return a project of v1.0.0, verified and committed."""
    target = tmp_path / "my-service"
    project = Project(target)
    copier = ["copier", "copy", "--defaults", "--quiet", "--vcs-ref", "v1.0.0"]
    subprocess.run(
        [*copier, str(versions), str(target)],
        env=projects.clean_environment(),
        check=True,
        capture_output=True,
    )
    project.commit()
    project.run("hooks/verify", CI="")
    project.commit()
    return project


def test_update_brings_the_new_policy(service: Project) -> None:
    readme = service.path / "README.md"
    style = service.path / f"src/{PACKAGE}/app/static/app.css"
    readme.write_text("Ours.\n", "utf-8")
    style.write_text(style.read_text("utf-8") + "/* Ours. */\n", "utf-8")
    service.commit()
    printed = service.run("hooks/update", CI="").stdout
    assert "Policy values changed: 1\n  sessions.idle-timeout  1800 -> 1200\n" in printed
    assert "update: v1.0.0 -> v1.1.0, verified" in printed
    assert NEW in (service.path / BASELINE).read_text("utf-8")
    assert readme.read_text("utf-8") == "Ours.\n"
    assert style.read_text("utf-8").endswith("/* Ours. */\n")
    changed = set(service.git("diff", "--name-only", "HEAD").splitlines())
    assert changed == {BASELINE, ".copier-answers.yml"}


def test_update_conflicts_loudly(service: Project) -> None:
    baseline = service.path / BASELINE
    edited = baseline.read_text("utf-8").replace(OLD, "idle-timeout = 99")
    baseline.write_text(edited, "utf-8")
    service.commit()
    done = service.run("hooks/update", check=False, CI="")
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"  {BASELINE}\n" in done.stdout
    service.git("reset", "--hard", "--quiet")
    service.git("clean", "-fdq")
    assert baseline.read_text("utf-8") == edited


def test_commit_runs_the_security_suite(service: Project) -> None:
    """Weakening a protection in the code is refused at the commit, by the project's own tests."""
    headers = service.path / BASELINE
    text = headers.read_text("utf-8")
    headers.write_text(text.replace("nosniff", "sniff"), "utf-8")
    service.git("add", "--all")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    done = service.run("git", *identity, "commit", "--message", "Weaker", check=False)
    assert done.returncode != 0
    assert "FAIL  tests" in done.stdout + done.stderr
