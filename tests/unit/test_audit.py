"""`audit`: the real uv, against an OSV service on this machine (guide: dependencies are secure)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ..driver import Files, run_cli
from . import osv

CLEAN, FINDINGS, NOT_AUDITED, EXPIRED = 0, 1, 3, 4
FLAW = osv.advisory(
    "PYSEC-2024-60", "idna", "3.6", fixed="3.7", aliases=["CVE-2024-3651", "GHSA-jjg7-2v4v"]
)
NAMES = ["PYSEC-2024-60", "CVE-2024-3651"]
PYPROJECT = """
[project]
name = "trial"
version = "1"
requires-python = ">=3.11"
dependencies = ["anyio"]
[dependency-groups]
dev = ["iniconfig"]
"""
LOCK = """
version = 1
revision = 3
requires-python = ">=3.11"
[[package]]
name = "anyio"
version = "4.9.0"
source = { registry = "$INDEX" }
dependencies = [{ name = "idna" }]
[[package]]
name = "idna"
version = "3.6"
source = { registry = "$INDEX" }
[[package]]
name = "iniconfig"
version = "2.0.0"
source = { registry = "$INDEX" }
[[package]]
name = "trial"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "anyio" }]
[package.dev-dependencies]
dev = [{ name = "iniconfig" }]
[package.metadata]
requires-dist = [{ name = "anyio" }]
[package.metadata.requires-dev]
dev = [{ name = "iniconfig" }]
"""


@pytest.fixture
def service() -> Iterator[osv.Service]:
    """Return a running OSV service that knows nothing yet."""
    with osv.running() as started:
        yield started


class Trial:
    """A locked project of three packages, which is the working folder."""

    def __init__(self, folder: Path, url: str) -> None:
        """Take the folder and the OSV service's address."""
        self.folder = folder
        self.url = url
        self.environment = Files(folder, exceptions={}).environment()
        (folder / "pyproject.toml").write_text(PYPROJECT, "utf-8")
        self.write_lock()

    def write_lock(self, idna: str = "3.6") -> None:
        """Write a lock with this version of idna."""
        text = LOCK.replace("$INDEX", f"{self.url}/simple").replace('"3.6"', f'"{idna}"')
        (self.folder / "uv.lock").write_text(text, "utf-8")

    def run(self, *arguments: str) -> tuple[int, str]:
        """Audit, and return the exit code and what was printed."""
        command = ("audit", "--service-url", self.url, *arguments)
        result = run_cli(*command, environment=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.output

    def except_(self, name: str = "PYSEC-2024-60", days: int = 1, more: str = "") -> None:
        """Write a policy with one exception, whose last day is so many days from today."""
        lines = [
            Files(self.folder, exceptions={}).policy().read_text("utf-8"),
            "[[advisory-exception]]",
            f'id = "{name}"',
            'reason = "Only long names are slow"',
            'owner = "ops@app.test"',
            f"expires = {datetime.now(UTC).date() + timedelta(days=days)}",
            more,
        ]
        (self.folder / "policy.toml").write_text("\n".join(lines), "utf-8")


@pytest.fixture
def trial(tmp_path: Path, service: osv.Service, monkeypatch: pytest.MonkeyPatch) -> Trial:
    monkeypatch.chdir(tmp_path)
    for name, value in {"HTTP_RETRIES": "0", "NO_CACHE": "1", "NO_CONFIG": "1"}.items():
        monkeypatch.setenv(f"UV_{name}", value)
    monkeypatch.delenv("UV_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Trial(tmp_path, service.url)


@pytest.mark.contract("DEP-1")
def test_clean(trial: Trial) -> None:
    code, printed = trial.run()
    assert code == CLEAN, printed
    assert "audit: clean: nothing known against 3 packages" in printed


@pytest.mark.contract("DEP-1")
def test_vulnerable_lock_fails_until_upgraded(trial: Trial, service: osv.Service) -> None:
    service.advisories = [FLAW]
    code, printed = trial.run()
    assert code == FINDINGS, printed
    row = next(line for line in printed.splitlines() if "idna 3.6" in line)
    assert "PYSEC-2024-60" in row
    assert "3.7" in row
    assert row.endswith("trial > anyio > idna")
    assert "audit: findings: 1 in" in printed
    trial.write_lock(idna="3.7")
    code, printed = trial.run()
    assert code == CLEAN, printed
    assert "audit: clean" in printed


@pytest.mark.contract("DEP-1")
def test_development_dependencies_count(trial: Trial, service: osv.Service) -> None:
    service.advisories = [osv.advisory("GHSA-1", "iniconfig", "2.0.0")]
    code, printed = trial.run()
    assert code == FINDINGS
    assert "trial (dev) > iniconfig" in printed
    assert "no fix is known" in printed


@pytest.mark.contract("DEP-1")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("days", [0, 1])
def test_exception_excuses_until_its_last_day(
    trial: Trial, service: osv.Service, name: str, days: int
) -> None:
    service.advisories = [FLAW]
    trial.except_(name, days)
    code, printed = trial.run()
    assert code == CLEAN, printed
    assert "audit: only excepted findings: 1" in printed
    assert "Only long names are slow" in printed
    assert "warning" not in printed


@pytest.mark.contract("DEP-1")
@pytest.mark.parametrize("name", NAMES)
def test_exception_that_has_expired_excuses_nothing(
    trial: Trial, service: osv.Service, name: str
) -> None:
    service.advisories = [FLAW]
    trial.except_(name, days=-1)
    code, printed = trial.run()
    assert code == EXPIRED, printed
    assert "  expired: " in printed
    assert f"audit: expired exception: {name}" in printed
    assert "ops@app.test renews or removes it" in printed


@pytest.mark.contract("DEP-1")
def test_exception_excuses_its_own_advisory_only(trial: Trial, service: osv.Service) -> None:
    service.advisories = [FLAW, osv.advisory("GHSA-2", "idna", "3.6")]
    trial.except_()
    code, printed = trial.run()
    assert code == FINDINGS
    assert "audit: findings: 1 in" in printed


@pytest.mark.contract("DEP-1")
@pytest.mark.parametrize(("fixed", "expected"), [("", CLEAN), ("3.7", FINDINGS)])
def test_exception_until_fixed(
    trial: Trial, service: osv.Service, fixed: str, expected: int
) -> None:
    service.advisories = [osv.advisory("PYSEC-2024-60", "idna", "3.6", fixed=fixed)]
    trial.except_(more="until-fixed = true")
    code, printed = trial.run()
    assert code == expected, printed


@pytest.mark.contract("DEP-1")
def test_exception_that_matches_nothing_warns(trial: Trial) -> None:
    trial.except_()
    code, printed = trial.run()
    assert code == CLEAN
    assert "warning: the exception for PYSEC-2024-60 matches nothing" in printed


@pytest.mark.contract("DEP-1")
@pytest.mark.parametrize("fault", ["away", "broken", "no lock", "damaged lock"])
def test_no_answer_is_not_clean(trial: Trial, service: osv.Service, fault: str) -> None:
    if fault == "away":
        with osv.running() as stopped:
            trial.url = stopped.url
    elif fault == "broken":
        service.broken = True
    elif fault == "no lock":
        (trial.folder / "uv.lock").unlink()
    else:
        (trial.folder / "uv.lock").write_text("version = 1\n[[package]\n", "utf-8")
    code, printed = trial.run()
    assert code == NOT_AUDITED, printed
    assert "audit: not audited: " in printed
    assert "clean" not in printed


@pytest.mark.contract("DEP-1")
@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ("quarantined", FINDINGS, "audit: findings: 1 in"),
        ("archived", CLEAN, "  notice: look for another package"),
        ("active", CLEAN, "audit: clean"),
    ],
)
def test_status_of_a_project(
    trial: Trial, service: osv.Service, status: str, code: int, said: str
) -> None:
    """The index suspects malware in what it has put into quarantine."""
    service.statuses["idna"] = status
    ended, printed = trial.run()
    assert ended == code, printed
    assert said in printed
    assert ("idna:" in printed) == (status != "active")


@pytest.mark.contract("DEP-1")
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


@pytest.mark.contract("DEP-1")
def test_exception_that_has_expired_closes_no_alert(trial: Trial, service: osv.Service) -> None:
    service.advisories = [FLAW]
    trial.except_(days=-1)
    trial.run("--sarif", "audit.sarif")
    (run,) = json.loads((trial.folder / "audit.sarif").read_text("utf-8"))["runs"]
    (result,) = run["results"]
    assert result["level"] == "error"
    assert "suppressions" not in result


@pytest.mark.contract("DEP-1")
def test_text_of_an_advisory_cannot_move_the_cursor(trial: Trial, service: osv.Service) -> None:
    service.advisories = [osv.advisory("GHSA-1", "idna", "3.6", summary="bad\x1b[2K\raudit: clean")]
    _, printed = trial.run()
    assert "\x1b" not in printed
    assert "\n  bad [2K audit: clean\n" in printed


def on_dependencies(trial: Trial) -> dict[str, str]:
    """Return the item of `check` on dependencies."""
    result = run_cli("check", "--json", environment=trial.environment)
    items: list[dict[str, str]] = json.loads(result.stdout)
    (item,) = [each for each in items if "DEP-1" in each["evidence"]]
    return item


@pytest.mark.contract("DEP-1")
@pytest.mark.parametrize(("days", "state"), [(0, "ok"), (-1, "fail")])
def test_exception_that_has_expired_fails_the_check(trial: Trial, days: int, state: str) -> None:
    trial.except_(days=days)
    item = on_dependencies(trial)
    assert item["state"] == state
    assert ("PYSEC-2024-60" in item["remedy"]) == (state == "fail")


@pytest.mark.contract("DEP-1")
@pytest.mark.parametrize("kind", ["wheels = [{ url = $URL }]", "sdist = { url = $URL }"])
def test_lock_without_a_hash_fails_the_check(trial: Trial, kind: str) -> None:
    """Whoever has the index, or stands in its place, chooses what is installed."""
    lock = trial.folder / "uv.lock"
    text = lock.read_text("utf-8")
    for fact, state in (('"u", hash = "sha256:00"', "ok"), ('"u"', "fail")):
        file = kind.replace("$URL", fact)
        lock.write_text(text.replace('version = "3.6"', f'version = "3.6"\n{file}'), "utf-8")
        item = on_dependencies(trial)
        assert item["state"] == state
        assert ("idna" in item["remedy"]) == (state == "fail")
