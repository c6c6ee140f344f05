"""Lines of Python and frameworks without security fixes are out (guide: deprecated versions)."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from my_service.operate.end_of_life import judge
from my_service.security.policy import Policy, Supported

from ..conftest import ROOT
from ..driver import Files, Inside, run_cli

END = date(2030, 6, 30)
LINES = {"python": {"3-11": str(END), "3-1": str(END)}, "flask": {"3-1": "newest"}}
SUPPORTED = Supported.model_validate_json(json.dumps({"warn-days": 60, "lines": LINES}))


def lock(python: str, **versions: str) -> str:
    lines = ["version = 1", f'requires-python = "{python}"']
    for name, version in versions.items():
        lines += ["[[package]]", f'name = "{name}"', f'version = "{version}"']
    return "\n".join(lines)


def check(files: Files, folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the exit code of `check` beside such a lock, and its item on versions."""
    (folder / "uv.lock").write_text(text, "utf-8")
    monkeypatch.chdir(folder)
    result = run_cli("check", "--json", environment=files.environment())
    (item,) = [each for each in json.loads(result.stdout) if "deprecated" in each["title"]]
    return result.exit_code, item


@pytest.mark.contract("DEP-2")
@pytest.mark.parametrize(
    ("days", "state"),
    [(-61, "ok"), (-60, "warn"), (-1, "warn"), (0, "warn"), (1, "fail"), (1000, "fail")],
)
def test_line_is_judged_by_its_last_day(days: int, state: str) -> None:
    (line,) = judge(SUPPORTED, {"python": ["3.11"]}, END + timedelta(days=days))
    assert line.state == state
    assert str(END) in line.text
    assert line.remedy or state == "ok"


@pytest.mark.contract("DEP-2")
@pytest.mark.parametrize(
    ("name", "version", "state"),
    [
        ("python", "3.11", "ok"),
        ("python", "3.1", "ok"),
        ("python", "3.12", "fail"),
        ("python", "", "fail"),
        ("flask", "3.1.2", "ok"),
        ("flask", "3.10.0", "fail"),
        ("flask", "3.0.3", "fail"),
    ],
)
def test_line_that_is_not_listed_is_out(name: str, version: str, state: str) -> None:
    (line,) = judge(SUPPORTED, {name: [version]}, date(2026, 1, 1))
    assert line.state == state
    assert name in line.text


@pytest.mark.contract("DEP-2")
def test_each_version_of_a_package_is_judged() -> None:
    versions = {"flask": ["2.3.3", "3.1.0"]}
    states = [line.state for line in judge(SUPPORTED, versions, date(2026, 1, 1))]
    assert states == ["fail", "ok"]


@pytest.mark.contract("DEP-2")
@pytest.mark.parametrize(
    "text",
    [lock(">=3.6", flask="3.1.0"), lock(">=3.11", flask="2.3.3"), lock(">=3.11", django="4.2.30")],
    ids=["python", "flask", "django"],
)
def test_check_fails_on_a_lock_with_an_ended_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    code, item = check(Files(tmp_path, exceptions={}), tmp_path, text, monkeypatch)
    assert code == 1
    assert item["state"] == "fail"
    assert "pyproject.toml" in item["remedy"]


@pytest.mark.contract("DEP-2")
@pytest.mark.parametrize("text", [None, "version ="], ids=["missing", "damaged"])
def test_without_a_lock_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    files = Files(tmp_path, exceptions={})
    code, item = check(files, tmp_path, text or "", monkeypatch)
    if text is None:
        (tmp_path / "uv.lock").unlink()
        result = run_cli("check", "--json", environment=files.environment())
        (item,) = [each for each in json.loads(result.stdout) if "deprecated" in each["title"]]
        assert item["state"] == "warn"
        assert "uv lock" in item["remedy"]
    else:
        assert (code, item["state"]) == (0, "warn")


@pytest.mark.contract("DEP-2")
def test_exception_gives_a_line_more_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = lock(">=3.11", flask="3.1.0")
    ended = {"supported.lines.python.3-11": "2020-01-01"}
    code, item = check(Files(tmp_path, exceptions=ended), tmp_path, text, monkeypatch)
    assert (code, item["state"]) == (1, "fail")
    code, item = check(Files(tmp_path, exceptions={}), tmp_path, text, monkeypatch)
    assert (code, item["state"]) == (0, "ok")


@pytest.mark.contract("DEP-2")
def test_this_project_is_on_supported_lines(inside: Inside) -> None:
    """Today, by the lock: the lines that the template's makers chose get security fixes."""
    policy: Policy = inside.policy
    assert {"python", "django", "fastapi", "flask", "litestar"} <= policy.supported.lines.keys()
    if not (ROOT / "uv.lock").exists():
        pytest.skip("no uv.lock yet: hooks/verify writes it")
    result = run_cli("check", "--json", environment=inside.files.environment())
    (item,) = [each for each in json.loads(result.stdout) if "deprecated" in each["title"]]
    assert item["state"] != "fail", item
