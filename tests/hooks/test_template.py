"""Why a template could not be had: the true reason, and the remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import _template
import pytest

from tests.hooks import git_server
from tests.hooks.conftest import BASELINE, SECOND, Project, release


def point(service: Project, template: Project, address: str) -> None:
    """Change the template's address in the answers, and commit."""
    text = (service.path / ".copier-answers.yml").read_text()
    service.write(".copier-answers.yml", text.replace(str(template.path), address))
    service.commit()


def refused(service: Project, *arguments: str) -> str:
    """Update, insist on a refusal that changes nothing, and return its line."""
    before = service.files()
    done = service.hook("update", *arguments, GIT_TERMINAL_PROMPT="0")
    assert done.returncode == 2, done.stdout + done.stderr
    assert service.files() == before
    assert not service.git("status", "--porcelain")
    assert done.stderr.endswith("; nothing was changed\n")
    return done.stderr


@pytest.mark.parametrize("name", ["private.git", "private"])
def test_a_login_that_is_refused(
    template: Project, service: Project, tmp_path: Path, name: str
) -> None:
    template.git("clone", "--quiet", "--bare", str(template.path), str(tmp_path / "private.git"))
    with git_server.serve(tmp_path, "token") as forge:
        prefix = "" if name.endswith(".git") else "git+"
        point(service, template, f"{prefix}{forge.url}/{name}")
        said = refused(service)
        assert "asks for a login, and yours is missing, expired" in said
        assert f"git ls-remote {forge.url}/{name}" in said


@pytest.mark.parametrize("name", ["private.git", "other.git", "private", "git+private.git"])
@pytest.mark.parametrize("login", ["ada:s3cret@", "s3cret@", "s3cret:x-oauth-basic@"])
def test_a_login_in_the_address_is_said_to_nobody(
    template: Project, service: Project, tmp_path: Path, name: str, login: str
) -> None:
    template.git("clone", "--quiet", "--bare", str(template.path), str(tmp_path / "private.git"))
    with git_server.serve(tmp_path, "token") as forge:
        kind, name = ("git+", name[4:]) if name.startswith("git+") else ("", name)
        url = forge.url.replace("://", f"://{login}")
        point(service, template, f"{kind}{url}/{name}")
        report = tmp_path / "report.md"
        done = service.hook("update", "--report", str(report), GIT_TERMINAL_PROMPT="0")
    assert done.returncode == 2
    assert "holds a login, which all can read" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr + report.read_text()
    assert f"{forge.url}/{name}" in done.stderr


def test_an_address_that_copier_takes_for_a_folder(template: Project, service: Project) -> None:
    point(service, template, "https://git.example.com/team/template")
    said = refused(service)
    assert "Copier takes the address https://git.example.com/team/template for a folder" in said
    assert "write git+https://git.example.com/team/template" in said


def test_a_template_that_has_moved(template: Project, service: Project, tmp_path: Path) -> None:
    template.path.rename(tmp_path / "moved")
    said = refused(service)
    assert f"there is no template at {template.path}: it has moved; then change _src_path" in said


def test_a_repository_that_is_not_there(
    template: Project, service: Project, tmp_path: Path
) -> None:
    point(service, template, f"file://{tmp_path}/gone.git")
    assert f"there is no template at file://{tmp_path}/gone.git" in refused(service)


def test_a_fork_without_tags(template: Project, service: Project, tmp_path: Path) -> None:
    template.git(
        "clone", "--quiet", "--bare", "--no-tags", f"file://{template.path}", f"{tmp_path}/fork.git"
    )
    fork = Project(tmp_path / "fork.git", service.environment)
    fork.git("tag", "v9.0.0", "main")
    point(service, template, str(fork.path))
    assert "has no tag v1.0.0, from which this project comes" in refused(service)


@pytest.mark.usefixtures("at_hand")
def test_a_tag_of_another_line(template: Project, service: Project) -> None:
    """A fork fetched the tags of the original, whose policy is weaker than its own."""
    template.git("switch", "--quiet", "--orphan", "original")
    template.git("checkout", "--quiet", "v1.0.0", "--", ".")
    release(template, "v3.0.0")
    template.git("switch", "--quiet", "main")
    said = refused(service)
    assert "v3.0.0 does not build on v1.0.0: a tag of another line" in said
    # Who names a version means it.
    assert service.hook("update", "v2.0.0").returncode == 0
    assert (service.path / BASELINE).read_text() == SECOND


@pytest.mark.usefixtures("at_hand")
def test_a_folder_with_a_space(template: Project, service: Project, tmp_path: Path) -> None:
    template.path.rename(tmp_path / "my template")
    point(service, template, str(tmp_path / "my template"))
    done = service.hook("update")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (service.path / BASELINE).read_text() == SECOND


@pytest.mark.usefixtures("at_hand")
def test_a_folder_named_from_the_project(template: Project, service: Project) -> None:
    """Copier runs in the project, and the hook perhaps elsewhere."""
    point(service, template, "../template")
    command = [sys.executable, str(service.path / "hooks" / "update")]
    done = subprocess.run(
        command, cwd="/", env=service.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_address_of_files_that_copier_takes_for_a_folder(
    template: Project, service: Project
) -> None:
    point(service, template, f"file://{template.path}")
    assert f"write git+file://{template.path}" in refused(service)


def test_a_version_that_is_not_there(template: Project, service: Project) -> None:
    said = refused(service, "v7")
    assert f"has no version v7; `git ls-remote --tags {template.path}` lists" in said


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("_src_path: /somewhere\n", "has no _commit"),
        ("", "has no _commit and no _src_path"),
        ("<<<<<<< HEAD\n_commit: v1.0.0\n=======\n_commit: v2.0.0\n", "holds the marks of a"),
    ],
)
def test_answers_that_say_nothing(service: Project, text: str, what: str) -> None:
    service.write(".copier-answers.yml", text)
    service.commit()
    done = service.hook("update")
    assert done.returncode == 2
    assert f".copier-answers.yml {what}" in done.stderr
    assert "git log -p -- .copier-answers.yml" in done.stderr


GITHUB, GITLAB = "https://github.com/a/b", "https://gitlab.com/a/b"
OWN = "https://git.example.com/a/b"


@pytest.mark.parametrize(
    ("source", "ci", "shown"),
    [
        ("gh:a/b", "gitlab", f"{GITHUB}/compare/v1...v2"),
        ("gl:a/b", "github", f"{GITLAB}/-/compare/v1...v2"),
        ("git@github.com:a/b.git", "github", f"{GITHUB}/compare/v1...v2"),
        (f"git+{OWN}", "github", f"{OWN}/compare/v1...v2"),
        (f"{OWN}.git", "gitlab", f"{OWN}/-/compare/v1...v2"),
        (f"{OWN}.git".replace("//", "//ada:s3cret@"), "gitlab", f"{OWN}/-/compare/v1...v2"),
        # What no browser shows.
        ("ssh://git@git.example.com:2222/a/b.git", "gitlab", ""),
        (OWN, "github", ""),
        ("/somewhere", "github", ""),
    ],
)
def test_the_link_leads_to_the_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, ci: str, shown: str
) -> None:
    (tmp_path / ".copier-answers.yml").write_text(f"_src_path: {source}\nci: {ci}\n")
    monkeypatch.setattr(_template, "ROOT", tmp_path)
    monkeypatch.setattr(_template.answer, "__defaults__", (tmp_path,))
    assert _template.page("v1", "v2") == shown
