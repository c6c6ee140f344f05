"""`audit` of a generated project: the real uv, on real locks, against an OSV service of ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Render
from tests.projects import Project, clean_environment
from tests.supply import osv

CLEAN, FINDINGS, NOT_AUDITED, EXPIRED = 0, 1, 3, 4
FLAW = osv.advisory(
    "PYSEC-2024-60", "idna", "3.5", "3.6", fixed="3.7", aliases=["CVE-2024-3651", "GHSA-jjg7-2v4v"]
)
PYPROJECT = """
[project]
name = "trial"
version = "1"
requires-python = ">=3.11"
dependencies = ["anyio==4.9.0"]
[dependency-groups]
dev = ["iniconfig==2.0.0"]
[tool.uv]
constraint-dependencies = ["idna<=3.6"]
"""


class Trial:
    """A folder with a lock and a policy, audited by the command of a generated project."""

    def __init__(self, project: Project, folder: Path, url: str) -> None:
        """Take the project whose command is run, and the OSV service's address."""
        self.project = project
        self.folder = folder
        self.url = url
        self.policy = (project.path / "policy.toml").read_text("utf-8")

    def run(self, *arguments: str) -> tuple[int, str]:
        """Audit, and return the exit code and what was printed."""
        command = [self.project.python, "-m", self.project.package, "audit"]
        done = subprocess.run(
            [*command, "--service-url", self.url, *arguments],
            cwd=self.folder,
            env={**clean_environment(), "UV_HTTP_RETRIES": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    def lock(self, pyproject: str) -> None:
        """Write `pyproject.toml` and lock anew."""
        (self.folder / "pyproject.toml").write_text(pyproject, "utf-8")
        done = subprocess.run(
            ["uv", "lock", "--quiet"], cwd=self.folder, env=clean_environment(), check=False
        )
        assert done.returncode == 0

    def except_(self, **changes: object) -> None:
        """Write a policy with one exception, the usual one but for `changes`; None leaves out."""
        entry: dict[str, object] = {
            "id": "PYSEC-2024-60",
            "reason": "Only long names are slow",
            "owner": "ops@example.com",
            "expires": datetime.now(UTC).date() + timedelta(days=1),
            **changes,
        }
        lines = [
            f"{name.replace('_', '-')} = {json.dumps(value, default=str).strip(quotes)}"
            for name, value in entry.items()
            if value is not None
            for quotes in ('"' if name == "expires" else "",)
        ]
        text = "\n".join([self.policy, "[[advisory-exception]]", *lines])
        (self.folder / "policy.toml").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a lock that holds a vulnerable version."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "pyproject.toml").write_text(PYPROJECT, "utf-8")
    subprocess.run(
        ["uv", "lock", "--quiet"], cwd=folder, env=clean_environment(), check=True, timeout=120
    )
    return folder


@pytest.fixture
def trial(installed: Render, locked: Path, service: osv.Service, tmp_path: Path) -> Trial:
    project = installed(framework="fastapi")
    folder = tmp_path / "trial"
    shutil.copytree(locked, folder)
    shutil.copy(project.path / "policy.toml", folder)
    return Trial(project, folder, service.url)


@pytest.mark.parametrize("tool", ["uv", "pip-audit"])
def test_vulnerable_lock_fails_until_upgraded(
    trial: Trial, service: osv.Service, tool: str
) -> None:
    service.advisories = [FLAW]
    code, printed = trial.run("--tool", tool)
    assert code == FINDINGS, printed
    row = next(line for line in printed.splitlines() if "idna 3.6" in line)
    assert "PYSEC-2024-60" in row
    assert "3.7" in row
    assert row.endswith("trial > anyio > idna")
    assert "audit: findings: 1 in" in printed
    trial.lock(PYPROJECT.replace("idna<=3.6", "idna>=3.7"))
    code, printed = trial.run("--tool", tool)
    assert code == CLEAN, printed
    assert "audit: clean" in printed


def test_sarif_names_each_finding_and_marks_the_excepted(
    trial: Trial, service: osv.Service
) -> None:
    service.advisories = [FLAW, osv.advisory("GHSA-1", "iniconfig", "2.0.0")]
    trial.except_()
    trial.run("--sarif", "audit.sarif")
    (run,) = json.loads((trial.folder / "audit.sarif").read_text("utf-8"))["runs"]
    results: dict[str, Any] = {each["ruleId"]: each for each in run["results"]}
    assert results.keys() == {"PYSEC-2024-60", "GHSA-1"}
    assert results["GHSA-1"]["level"] == "error"
    assert "suppressions" not in results["GHSA-1"]
    excepted = results["PYSEC-2024-60"]
    assert excepted["suppressions"][0]["justification"] == "Only long names are slow"
    where = excepted["locations"][0]["physicalLocation"]
    lines = (trial.folder / "uv.lock").read_text("utf-8").splitlines()
    assert lines[where["region"]["startLine"] - 1] == 'name = "idna"'
