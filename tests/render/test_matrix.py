"""Every two answers work together: the project parses, and ruff finds nothing.

mypy runs in tests/generated/test_verify.py, with each change on Django with mail and open sign-up.
"""

import ast
import json
import tomllib
from functools import cache
from pathlib import Path, PurePath

import pytest
import yaml

from tests import projects
from tests.conftest import Render
from tests.projects import BIN, BY_MAIL, CHOICES, Project
from tests.render.test_imports import import_statements

ROWS = list(projects.pairs(CHOICES))
OPEN = [{"framework": framework, **BY_MAIL} for framework in CHOICES["framework"]]
OTHER_NAMES = {"project_name": "a-b-2", "package": "zeta", "domain": "x.example.org"}


def ids(answers: dict[str, str]) -> str:
    return "-".join(answers.values())


@cache
def parse(suffix: str, text: str) -> None:
    """Parse a file by the rules of its suffix: most are the same in all projects."""
    match suffix:
        case ".py":
            ast.parse(text)
        case ".toml":
            tomllib.loads(text)
        case ".yml" | ".yaml":
            yaml.safe_load(text)
        case ".json":
            json.loads(text)


def test_all_pairs_are_covered() -> None:
    for name, values in CHOICES.items():
        for other, others in CHOICES.items():
            if name < other:
                met = {(row[name], row[other]) for row in ROWS}
                assert met == {(a, b) for a in values for b in others}


@pytest.mark.parametrize("answers", [*ROWS, *OPEN], ids=ids)
@pytest.mark.parametrize("names", [{}, OTHER_NAMES], ids=["defaults", "other names"])
def test_project_parses_and_lints(
    rendered: Render, answers: dict[str, str], names: dict[str, str]
) -> None:
    project = rendered(**answers, **names)
    for name, content in project.files().items():
        parse(PurePath(name).suffix, content.decode())
    ruff = str(BIN / "ruff")
    project.run(ruff, "format", "--check", "--diff", "--no-cache", ".")
    project.run(ruff, "check", "--no-cache", ".")


@pytest.mark.weekly
@pytest.mark.parametrize("answers", OPEN, ids=ids)
def test_project_with_mail_type_checks(installed: Render, answers: dict[str, str]) -> None:
    project = installed(**answers)
    project.run(project.python, "-m", "mypy", "--cache-dir", f"../mypy-{answers['framework']}")


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_a_service_without_mail_has_none_of_its_code(rendered: Render, framework: str) -> None:
    """Its tables are there, empty: else those of a later version could not come after them."""
    project = rendered(framework=framework)
    assert "email-validator" not in (project.path / "pyproject.toml").read_text()
    names = ("smtplib", "SMTP_URL", "email_validator", "/forgot", "/signup")
    for path, content in project.files().items():
        assert "/mail/" not in path, path
        if path.startswith(("src/", "tests/", ".env", "deploy/")):
            assert not [name for name in names if name.encode() in content], path
    closed = rendered(framework=framework, mail="smtp")
    for path, content in closed.files().items():
        if path.startswith(("src/", "tests/")):
            assert b"/signup" not in content, path
            assert b"sign_up" not in content, path


def code(project: Project) -> dict[str, bytes]:
    return {name: text for name, text in project.files().items() if name.startswith("src/")}


def test_storage_tls_and_ci_change_no_code(rendered: Render) -> None:
    """To grow takes settings; it must not take another program."""
    base = code(rendered())
    for answers in ({"storage": "distributed"}, {"tls_profile": "modern"}, {"ci": "none"}):
        assert code(rendered(**answers)) == base


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_only_the_chosen_framework_is_there(rendered: Render, framework: str) -> None:
    project = rendered(framework=framework)
    dependencies = tomllib.loads((project.path / "pyproject.toml").read_text())["project"]
    names = {requirement.split(">")[0] for requirement in dependencies["dependencies"]}
    assert names & set(CHOICES["framework"]) == {framework}
    others = set(CHOICES["framework"]) - {framework}
    for name, content in project.files().items():
        if name.endswith(".py"):
            for node in import_statements(content):
                imported = (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                )
                assert others.isdisjoint(part.split(".")[0] for part in imported), name


@pytest.mark.parametrize("ci", CHOICES["ci"])
@pytest.mark.parametrize("storage", CHOICES["storage"])
def test_readme_is_true(rendered: Render, ci: str, storage: str) -> None:
    project = rendered(ci=ci, storage=storage)
    readme = (project.path / "README.md").read_text()
    for path in (
        "src/my_service/app/",
        "src/my_service/security/",
        "policy.toml",
        "hooks/",
        "tests/contract/",
        ".env.example",
        "SECURITY.md",
    ):
        assert path in readme
        assert (project.path / path).exists(), path
    assert (".github/workflows/verify.yml" in readme) == (ci == "github")
    assert (".gitlab-ci.yml" in readme) == (ci == "gitlab")
    assert ("CI (" in readme) == (ci != "none")
    assert ("In production users and notes are in PostgreSQL" in readme) == (
        storage == "distributed"
    )


LOAD_POLICY = """
import sys
from pathlib import Path
from {package}.security.policy import load
policy = load(Path(sys.argv[1]))
print(policy.service.domain, *(each.setting for each in policy.exceptions))
"""


def test_policy_file_and_its_example_are_valid(installed: Render, tmp_path: Path) -> None:
    project = installed()
    script = LOAD_POLICY.format(package=project.package)
    text = (project.path / "policy.toml").read_text()
    before, mark, example = text.partition("# [[exception]]\n")
    changed = tmp_path / "policy.toml"
    changed.write_text(before + (mark + example).replace("# ", ""))
    for path, printed in (
        (project.path / "policy.toml", "my-service.example.com"),
        (changed, "my-service.example.com sessions.idle-timeout"),
    ):
        done = project.run(project.python, "-c", script, str(path))
        assert done.stdout.strip() == printed
