"""A small project that carries the hooks. What they do to a real one stands in tests/generated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import loaded
from tests.projects import shared

ROOT = Path(__file__).resolve().parents[2]

FILES = {
    ".gitignore": ".venv/\n__pycache__/\n.*_cache/\n",
    "pyproject.toml": """\
[project]
name = "demo-service"
version = "0.1.0"
requires-python = ">=3.11"

[project.scripts]
demo-service = "demo.cli:main"

[build-system]
requires = ["uv_build"]
build-backend = "uv_build"

[tool.uv.build-backend]
module-name = "demo"

[dependency-groups]
dev = ["mypy", "pytest-xdist", "ruff"]

[tool.mypy]
files = ["src"]

[tool.ruff]
line-length = 100
lint.select = ["E", "F", "I", "RUF100"]
""",
    "src/demo/__init__.py": '"""A service."""\n',
    "src/demo/__main__.py": '"""Say that all is well."""\n\nprint("checked")\n',
    "src/demo/security/baseline.toml": '[headers.hsts]\nmax-age = 1\nladder = ["a"]\n',
    "tests/contract/test_pass.py": "def test_pass() -> None:\n    assert True\n",
}

BASELINE = "src/demo/security/baseline.toml"
DIRECTIONS = "src/demo/security/directions.toml"
FIRST = """\
[headers.hsts]
max-age = 31536000
ladder = ["a"]
[csp.html]
style-src = "'self'"
"""
SECOND = """\
[headers.hsts]
max-age = 63072000
[cookies]
secure = true
[csp.html]
style-src = "'self'"
[supported.lines.python]
3-11 = 2027-10-31
"""
WEAKER = SECOND.replace("63072000", "300")
COPIER_YML = "_subdirectory: template\nname: {type: str, default: demo}\n"


@dataclass
class Project:
    """A project's folder and the environment in which its hooks run."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        """Write one file of the project."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def hook(
        self, name: str, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a hook as a user would, with more variables in its environment."""
        command = [sys.executable, str(self.path / "hooks" / name), *arguments]
        return self.run(*command, **variables)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder."""
        return subprocess.run(
            command,
            cwd=self.path,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        """Run git, insist that it succeeds, and return what it printed."""
        done = self.run("git", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def commit(self, message: str = "A change") -> None:
        """Commit everything, without the hooks."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--no-verify", "--message", message)

    def files(self) -> dict[str, bytes]:
        """Return every file with its content, but git's and the hooks' compiled form."""
        return {
            str(path.relative_to(self.path)): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file() and not {".git", "__pycache__"} & set(path.parts)
        }


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, loaded_copier: Path) -> dict[str, str]:
    """Return an environment with git, uv and Copier, a home of its own, and nothing of CI's."""
    programs = os.pathsep.join([str(loaded_copier), str(loaded.REAL.parent), os.environ["PATH"]])
    uv = shutil.which("uv", path=programs)
    assert uv is not None
    cache = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True).stdout
    home = tmp_path_factory.mktemp("home")
    home.joinpath(".gitconfig").write_text(
        "[user]\nname = Ada\nemail = ada@example.com\n[init]\ndefaultBranch = main\n"
    )
    left_out = {"CI", "UV", "VIRTUAL_ENV", "PYTEST_ADDOPTS", "PYTEST_DEBUG_TEMPROOT"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in left_out and not name.startswith(("APP_", "GIT_CONFIG", "PYTEST_XDIST"))
    }
    own = {"PATH": programs, "HOME": str(home), "UV_CACHE_DIR": cache.strip()}
    # One test needs no two processes to run in.
    return {**kept, **own, "PYTEST_XDIST_AUTO_NUM_WORKERS": "0"}


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str]) -> Project:
    """Return a project whose checks pass, not yet installed and not in git."""
    return make_project(tmp_path / "demo", environment)


def make_project(path: Path, environment: dict[str, str]) -> Project:
    """Write the small project with the hooks of this repository."""
    made = Project(path, dict(environment))
    for name, text in FILES.items():
        made.write(name, text)
    shutil.copytree(ROOT / "hooks", path / "hooks", ignore=shutil.ignore_patterns("__pycache__"))
    return made


@pytest.fixture
def repository(project: Project) -> Project:
    """Return the project as a git repository with one commit."""
    project.git("init", "--quiet")
    project.commit("Begin")
    return project


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """Return a project's environment in which each program has run once."""

    def make(folder: Path) -> None:
        done = make_project(folder / "demo", environment).hook("verify")
        assert done.returncode == 0, done.stdout + done.stderr
        for name in ("passed.json", ".lock"):
            (folder / "demo" / ".venv" / name).unlink(missing_ok=True)

    return shared(tmp_path_factory, "packages", make) / "demo" / ".venv"


@pytest.fixture
def at_hand(request: pytest.FixtureRequest, packages: Path) -> None:
    """Give the test's project that environment, for its subject is not how one is made.

    A new one would have each program compile all that it imports, for longer than it runs.
    """
    name = "service" if "service" in request.fixturenames else "project"
    furnish(request.getfixturevalue(name), packages)


def furnish(project: Project, packages: Path) -> None:
    """Give a project the packages of another one: the same files by a second name.

    uv and Python write none of them in place.
    """
    target = project.path / ".venv"
    shutil.copytree(packages, target, symlinks=True, copy_function=os.link)


def make_template(path: Path, environment: dict[str, str]) -> Project:
    """Write a template of two versions; the second one changes the policy."""
    made = make_project(path / "template", environment)
    made.path = path
    made.write("copier.yml", COPIER_YML)
    made.write(
        "template/{{ _copier_conf.answers_file }}.jinja", "{{ _copier_answers | to_nice_yaml }}"
    )
    made.write(f"template/{BASELINE}", FIRST)
    made.write("template/policy.toml", "")
    made.git("init", "--quiet")
    release(made, "v1.0.0")
    made.write(f"template/{BASELINE}", SECOND)
    # The project's hook is the old one, and has to judge by what the new version knows.
    made.write(
        f"template/{DIRECTIONS}",
        '[headers.hsts]\nmax-age = "higher"\n[csp.html]\nstyle-src = "fewer entries"\n',
    )
    release(made, "v2.0.0")
    return made


def release(template: Project, tag: str) -> None:
    """Commit and tag a version of the template."""
    template.commit(tag)
    template.git("tag", tag)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """Return a folder with such a template and, not in git, a service of its first version.

    They are copied for each test: to make them takes longer than most tests do.
    """
    folder = tmp_path_factory.mktemp("pristine")
    made = make_template(folder / "template", environment)
    source, target = str(made.path), str(folder / "service")
    done = made.run("copier", "copy", "--defaults", "--vcs-ref", "v1.0.0", source, target)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def template(tmp_path: Path, pristine: Path, environment: dict[str, str]) -> Project:
    """Return a template of two versions; the second one changes the policy."""
    path = shutil.copytree(pristine / "template", tmp_path / "template", symlinks=True)
    return Project(path, dict(environment))


@pytest.fixture
def service(
    tmp_path: Path, pristine: Path, template: Project, environment: dict[str, str]
) -> Project:
    """Return a project of the template's first version, in git."""
    path = shutil.copytree(pristine / "service", tmp_path / "service", symlinks=True)
    made = Project(path, dict(environment))
    answers = (path / ".copier-answers.yml").read_text("utf-8")
    source = str(pristine / "template")
    assert answers.count(source) == 1
    made.write(".copier-answers.yml", answers.replace(source, str(template.path)))
    made.git("init", "--quiet")
    made.commit("Begin")
    return made


def updating(service: Project, folder: Path, script: str, **options: Any) -> subprocess.Popen[str]:
    """Begin an update whose Copier is a shell script: `{copier}` in it is the real one.

    It leads a group of its own, as a terminal's command does.
    """
    own = folder / "own" / "copier"
    own.parent.mkdir()
    own.write_text(f"#!/bin/sh\n{script.format(copier=loaded.REAL)}\n")
    own.chmod(0o700)
    return subprocess.Popen(
        [sys.executable, str(service.path / "hooks" / "update")],
        env={
            **service.environment,
            "PATH": f"{own.parent}{os.pathsep}{service.environment['PATH']}",
        },
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        **options,
    )
