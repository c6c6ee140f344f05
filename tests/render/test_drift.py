"""`drift`: each file has one owner, and what is the template's is compared with what it made."""

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts import manifest
from tests import projects
from tests.conftest import Render
from tests.projects import ROOT, Project
from tests.render.test_layers import COMBINATIONS

drift = manifest.load_drift()
OWNERS = manifest.load_owners()
PROVIDERS: list[dict[str, str]] = [{"ci": name} for name in ("github", "gitlab")]


def name_of(answers: dict[str, str]) -> str:
    return "-".join(answers.values())


def compared(project: Project) -> dict[str, Any]:
    report: dict[str, Any] = drift.compare(project.path).as_dict()
    return report


@pytest.fixture
def project(rendered: Render, tmp_path: Path) -> Project:
    """Return a project to edit."""
    return Project(shutil.copytree(rendered().path, tmp_path / "project"))


def test_manifest_is_current() -> None:
    """Write it by `make manifest`."""
    assert (ROOT / manifest.MANIFEST).read_text("utf-8") == manifest.manifest()


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_a_new_project_has_no_drift_and_one_owner_for_each_file(
    rendered: Render, answers: dict[str, str]
) -> None:
    project = rendered(**answers)
    owners = tomllib.loads((project.path / ".template/owners.toml").read_text("utf-8"))
    whose = {name: manifest.owner(name, owners) for name in project.files()}
    made = drift.read(project.path)
    assert compared(project) == {"files": len(made), "edited": [], "deleted": []}
    owned = {name for name, owner in whose.items() if owner == "template"}
    assert made.keys() == owned - {drift.MANIFEST} | {
        ".gitattributes",
        ".gitignore",
        "mypy.ini",
        "pytest.ini",
    }


def test_text_of_answers_counts_as_it_was_rendered(template: Path, tmp_path: Path) -> None:
    answers = {"description": "Gr\u00fc\u00dfe & 'quotes' \U0001f600"}
    for storage, tls in (("embedded", "intermediate"), ("distributed", "modern")):
        more = {"project_name": "a-b-c", "storage": storage, "tls_profile": tls}
        made = projects.render(template, tmp_path / storage, answers | more)
        assert drift.compare(made.path).code == drift.CLEAN


def test_each_path_of_the_list_fits_a_file() -> None:
    places = {source.place for source in manifest.sources(ROOT)}
    for pattern in [each for paths in OWNERS.values() for each in paths]:
        assert any(manifest.fits(place, pattern) for place in places), pattern


@pytest.mark.parametrize(
    ("place", "owner"),
    [
        ("src/demo/security/csp.py", "template"),
        ("src/demo/app/pages.py", "yours"),
        ("src/demo/app", "template"),
        ("tests/app/test_notes.py", "yours"),
        ("tests/contract/app/test_notes.py", "template"),
        (".gitignore", "shared"),
        (".copier-answers.yml", "copier"),
        ("docs/README.md", "template"),
        ("README.md", "yours"),
    ],
)
def test_the_longest_path_that_fits_decides(place: str, owner: str) -> None:
    assert manifest.owner(place, OWNERS) == owner


@pytest.mark.parametrize(
    ("owners", "whose"), [({}, "nobody"), ({"a": ["src/"], "b": ["*/"]}, "a and b")]
)
def test_a_file_needs_one_owner(owners: dict[str, list[str]], whose: str) -> None:
    with pytest.raises(ValueError, match=f"src/x.py belongs to {whose}: .*owners.toml"):
        manifest.owner("src/x.py", owners)


def test_new_file_without_an_owner_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = projects.copy_template(tmp_path / "template")
    (copy / "template" / "new.cfg").write_text("x\n")
    assert manifest.main(copy) == 1
    assert "new.cfg belongs to nobody" in capsys.readouterr().err


def test_a_change_of_a_file_needs_no_new_manifest(tmp_path: Path) -> None:
    """A policy value is changed and tagged, and no project is told that it has edited it."""
    copy = projects.copy_template(tmp_path / "template")
    baseline = copy / "template/src/{{ package }}/security/baseline.toml"
    baseline.write_text(baseline.read_text("utf-8") + "# More.\n", "utf-8")
    project = projects.render(copy, tmp_path / "project", {})
    assert drift.compare(project.path).code == drift.CLEAN


def test_map_of_the_readme_says_the_same(rendered: Render) -> None:
    words = {"yours": "yours", "the template's": "template", "shared": "shared"}
    for answers in COMBINATIONS:
        project = rendered(**answers)
        text = (project.path / "README.md").read_text("utf-8")
        rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| ([^:|]+)[^|]* \|$", text, re.MULTILINE)
        named = {
            path: words[whose] for paths, whose in rows for path in re.findall("`(.+?)`", paths)
        }
        assert len(named) > 10
        for path, whose in named.items():
            inside = f"{path}x" if path.endswith("/") else path
            assert manifest.owner(inside, OWNERS) == whose, path
        for owner in ("yours", "shared"):
            listed = {path.replace("*", project.package) for path in OWNERS[owner]}
            assert listed == {path for path, whose in named.items() if whose == owner}


def test_edited_and_deleted_files_are_named(project: Project) -> None:
    (project.path / "hooks/verify").write_bytes(b"#!/bin/sh\n")
    with (project.path / "src/my_service/security/csp.py").open("a") as file:
        file.write("# Yours\n")
    (project.path / "deploy/README.md").unlink()
    (project.path / "ruff.toml").unlink()
    (project.path / "ruff.toml").mkdir()
    report = drift.compare(project.path)
    assert report.code == drift.DRIFTED
    assert report.edited == ["hooks/verify", "src/my_service/security/csp.py"]
    assert report.deleted == ["deploy/README.md", "ruff.toml"]
    lines = report.as_text().splitlines()
    assert lines[:4] == [
        "edited   hooks/verify",
        "edited   src/my_service/security/csp.py",
        "deleted  deploy/README.md",
        "deleted  ruff.toml",
    ]
    assert "git checkout" in lines[4]
    assert lines[-1] == (
        f"drift: 4 of {report.files} files of the template differ: hooks/verify, "
        "src/my_service/security/csp.py, deploy/README.md (deleted), ruff.toml (deleted)"
    )


def test_the_last_line_stays_short(project: Project) -> None:
    shutil.rmtree(project.path / "hooks")
    assert re.search(r" and \d+ more$", drift.compare(project.path).as_text())


def test_what_is_yours_is_no_drift(project: Project) -> None:
    (project.path / "src/my_service/app/pages.py").write_text("MINE = 1\n")
    (project.path / "src/my_service/security/mine.py").write_text("MINE = 1\n")
    (project.path / "src/my_service/billing").mkdir()
    (project.path / "src/my_service/billing/__init__.py").write_text("MINE = 1\n")
    (project.path / "README.md").unlink()
    (project.path / "policy.toml").write_text("mine = 1\n")
    assert drift.compare(project.path).code == drift.CLEAN


@pytest.mark.parametrize("name", [".gitignore", "pyproject.toml"])
def test_own_part_of_a_shared_file_is_no_drift(project: Project, name: str) -> None:
    with (project.path / name).open("a") as file:
        file.write("\n# mine\n")
    assert drift.compare(project.path).code == drift.CLEAN


def test_the_templates_part_of_a_shared_file_is_compared(project: Project) -> None:
    path = project.path / ".gitignore"
    text = path.read_text()
    for edited in (f"mine\n{text}", text.replace("# Yours", "mine"), text.replace(".env\n", "")):
        path.write_text(edited)
        assert drift.compare(project.path).edited == [".gitignore"]
    path.write_text(text.rstrip("\n"))
    assert drift.compare(project.path).code == drift.CLEAN


def test_newlines_of_windows_are_no_drift(project: Project) -> None:
    for name in project.files():
        path = project.path / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert drift.compare(project.path).code == drift.CLEAN


BOTS = {
    ".github/workflows/verify.yml": [
        (r"(actions/checkout)@\w+ # v[\d.]+", r"\1@0123456789abcdef # v8.1"),
        ("(image: postgres):17-bookworm", rf"\1:18-trixie@sha256:{'0a' * 32}"),
    ],
    ".gitlab-ci.yml": [
        ("(image: python):3.13-bookworm", r"\1:3.14-trixie"),
        ("(name: valkey/valkey):8-bookworm", rf"\1:9@sha256:{'0a' * 32}"),
    ],
    "Dockerfile": [
        (r"(FROM ghcr.io/astral-sh/uv):[\d.]+@sha256:\w+", rf"\1:0.14.0@sha256:{'0a' * 32}")
    ],
    "compose.yaml": [(r"(image: \S+postgres):18-alpine@sha256:\w+", r"\1:18.1@sha256:00")],
}
"""What Dependabot and Renovate change in the template's files."""


@pytest.mark.parametrize("answers", PROVIDERS, ids=name_of)
def test_pins_that_bots_move_are_no_drift(
    template: Path, tmp_path: Path, answers: dict[str, str]
) -> None:
    project = projects.render(template, tmp_path / "project", {"storage": "distributed", **answers})
    for name, changes in BOTS.items():
        path = project.path / name
        for pattern, new in changes if path.exists() else []:
            text, count = re.subn(pattern, new, path.read_text())
            assert count, (name, pattern)
            path.write_text(text)
            assert drift.compare(project.path).code == drift.CLEAN, (name, pattern)


def test_another_image_or_action_is_drift(project: Project) -> None:
    path = project.path / ".github/workflows/verify.yml"
    text = path.read_text()
    for old, new in (("actions/checkout@", "action/checkout@"), ("image: postgres:", "image: pg:")):
        assert old in text
        path.write_text(text.replace(old, new))
        assert drift.compare(project.path).edited == [".github/workflows/verify.yml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"manifest is not there: run this in the project's folder"),
        (b"# x\n<<<<<<< before\n", r"line 2, is no hash and path: git checkout"),
        (b"\xff", "cannot be read"),
    ],
    ids=["absent", "conflict", "bytes"],
)
def test_a_manifest_that_says_nothing_is_no_clean_bill(
    tmp_path: Path, text: bytes | None, message: str
) -> None:
    if text is not None:
        (tmp_path / ".template").mkdir()
        (tmp_path / drift.MANIFEST).write_bytes(text)
    with pytest.raises(drift.ManifestError, match=message):
        drift.compare(tmp_path)


def test_command_and_verify(template: Path, installed: Render, tmp_path: Path) -> None:
    """The exit codes of the command, and that `hooks/verify` warns, but fails in CI."""
    project = projects.render(template, tmp_path / "project", {})
    command = (installed().python, "-m", "my_service", "drift")
    assert project.run(*command).stdout.startswith("drift: none, ")
    (project.path / "ruff.toml").unlink()
    done = project.run(*command, "--json", check=False)
    assert done.returncode == drift.DRIFTED
    assert json.loads(done.stdout)["deleted"] == ["ruff.toml"]
    step = (
        "import _steps, sys; sys.exit(not _steps.run_all([each for each in"
        f" _steps.checks({command[0]!r}, 'my_service') if each.name == 'drift']))"
    )
    hooked = (command[0], "-c", f"import sys; sys.path.insert(0, 'hooks'); {step}")
    warned = project.run(*hooked, CI="")
    assert re.search(
        r"^  warn  drift .*differ: ruff.toml \(deleted\)$", warned.stdout, re.MULTILINE
    )
    failed = project.run(*hooked, CI="true", check=False)
    assert failed.returncode == 1
    assert "  FAIL  drift" in failed.stdout
    assert "deleted  ruff.toml\n  -> undo the edit" in failed.stdout
    shutil.rmtree(project.path / ".template")
    unknown = project.run(*command, check=False)
    assert unknown.returncode == drift.UNKNOWN
    assert unknown.stderr.startswith("drift: .template/manifest is not there: ")
