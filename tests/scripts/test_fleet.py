"""make fleet: which service is on which version, with which exceptions."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from scripts import fleet
from tests.projects import Project

TODAY = datetime.now(UTC).date()
EXCEPTION = '[[exception]]\nsetting = "{}"\nvalue = 1\nexpires = {}\n'


def days(number: int) -> date:
    return TODAY + timedelta(days=number)


def commit(project: Project, age: int, tag: str = "") -> None:
    """Commit everything as of `age` days ago, and tag it."""
    moment = f"{days(-age)}T12:00:00+00:00"
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    project.git("init", "--quiet")
    project.git("add", "--all")
    project.run(
        "git",
        *identity,
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "State",
        GIT_COMMITTER_DATE=moment,
        GIT_AUTHOR_DATE=moment,
    )
    if tag:
        project.git("tag", tag)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template"
    path.mkdir()
    for tag, age in (("v1.0.0", 300), ("v1.1.0", 100), ("v2.0.0", 20), ("v3.0.0rc1", 1)):
        commit(Project(path), age, tag)
    return path


def service(folder: Path, name: str, version: str, policy: str = "") -> Project:
    """Write a checkout that is 50 days old."""
    path = folder / "services" / name
    path.mkdir(parents=True)
    (path / ".copier-answers.yml").write_text(f"_commit: {version}\npackage: {name}\n")
    (path / "policy.toml").write_text(policy)
    commit(Project(path), 50)
    return Project(path)


def read(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, object]]:
    fleet.main(["--json", "--template", str(template), str(tmp_path / "services")])
    services: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return services


def test_days_behind(template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, version in (
        ("new", "v2.0.0"),
        ("late", "v1.1.0"),
        ("old", "v1.0.0"),
        ("own", "v1.1.0-3-gabcdef0"),
    ):
        service(tmp_path, name, version)
    found = [(each["name"], each["behind"]) for each in read(template, tmp_path, capsys)]
    assert found == [("old", 100), ("late", 20), ("new", 0), ("own", None)]


def test_exceptions_by_age(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = service(tmp_path, "a", "v2.0.0", EXCEPTION.format("sessions.idle-timeout", days(-1)))
    with (made.path / "policy.toml").open("a") as file:
        file.write(EXCEPTION.format("input.max-body", days(30)))
    commit(made, 10)
    (one,) = read(template, tmp_path, capsys)
    assert one["exceptions"] == [
        {"setting": "sessions.idle-timeout", "age": 50, "left": -1},
        {"setting": "input.max-body", "age": 10, "left": 30},
    ]
    fleet.main(["--template", str(template), str(made.path)])
    table = capsys.readouterr().out
    assert "sessions.idle-timeout (50, EXPIRED), input.max-body (10)" in table
    assert table.endswith("\n1 services, 0 behind, 2 exceptions\n")


def test_a_checkout_that_cannot_be_read_is_named(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service(tmp_path, "good", "v2.0.0")
    service(tmp_path, "bad", "v2.0.0", "[[exception]\n")
    arguments = ["--template", str(template), str(tmp_path / "services")]
    assert fleet.main(arguments) == 1
    assert "TOMLDecodeError" in capsys.readouterr().out


def test_failing_checks(template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The services' own programs, here as small as they can be."""
    made = service(tmp_path, "demo", "v2.0.0")
    items = [
        {"id": "PS1", "title": "TLS", "state": "ok"},
        {"id": "PS2", "title": "Cookies", "state": "fail"},
    ]
    python = made.path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{json.dumps(items)}'\nexit 1\n")
    python.chmod(0o700)
    service(tmp_path, "fresh", "v2.0.0")
    options = ["--json", "--check", "--template", str(template), str(tmp_path / "services")]
    fleet.main(options)
    found = {each["name"]: each["failing"] for each in json.loads(capsys.readouterr().out)}
    assert found == {"demo": ["PS2 Cookies"], "fresh": None}


def test_reads_only(template: Path, tmp_path: Path) -> None:
    made = service(tmp_path, "a", "v1.0.0", EXCEPTION.format("input.max-body", days(30)))
    before = made.files()
    fleet.main(["--template", str(template), str(made.path)])
    assert made.files() == before
    assert not made.git("status", "--porcelain", "--ignored")
