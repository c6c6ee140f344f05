"""A generated project in git: what its hooks refuse."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests import projects
from tests.conftest import Render
from tests.projects import ROOT


def test_commit_runs_the_security_suite(template: Path, tmp_path: Path, knowing: str) -> None:
    """Weakening a protection in the code is refused at the commit, by the project's own tests."""
    service = projects.render(template, tmp_path / "my-service", {})
    service.commit()
    # All of them run in test_verify.py: these are those that must notice.
    part = "-k test_hdr_headers"
    service.run("hooks/verify", CI="", PYTEST_ADDOPTS=part, MYPY_CACHE_DIR=knowing)
    service.commit()
    baseline = service.path / f"src/{service.package}/security/baseline.toml"
    text = baseline.read_text("utf-8")
    assert text.count("nosniff") == 1
    baseline.write_text(text.replace("nosniff", "sniff"), "utf-8")
    service.git("add", "--all")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    done = service.run(
        *("git", *identity, "commit", "--message", "Weaker"),
        check=False,
        PYTEST_ADDOPTS=part,
        MYPY_CACHE_DIR=knowing,
    )
    assert done.returncode != 0
    assert "FAIL  tests" in done.stdout + done.stderr


def test_line_ends_are_those_of_the_repository(rendered: Render, tmp_path: Path) -> None:
    """Where git is set up for Windows, whose line ends break programs and the hashes of files."""
    project = rendered(framework="flask").path
    git = shutil.which("git")
    assert git is not None
    for name, source in {"own": project, "template": ROOT}.items():
        copy, clone = tmp_path / f"{name}-copy", tmp_path / name
        if name == "own":
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".git", ".venv"))
            who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
            for command in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
                subprocess.run([git, "-C", str(copy), *command], check=True)
        else:
            copy = source
        settings = ("-c", "core.autocrlf=true", "-c", "core.eol=crlf")
        subprocess.run([git, *settings, "clone", "-q", str(copy), str(clone)], check=True)
        wrong = [
            path.relative_to(clone)
            for path in clone.rglob("*")
            if path.is_file() and ".git" not in path.relative_to(clone).parts
            if b"\r\n" in path.read_bytes()
        ]
        assert wrong == []


def test_windows_is_told_of_wsl(installed: Render) -> None:
    project = installed(framework="flask")
    code = f"import sys; sys.platform = 'win32'; import {project.package}.operate.cli"
    done = project.run(project.python, "-c", code, check=False)
    assert done.returncode == 1
    assert "On Windows work in WSL" in done.stderr
    assert "Traceback" not in done.stderr
