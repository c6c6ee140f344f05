"""A command on the machine of a service speaks of that service, says so, and seldom writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner, Result

from my_service.operate import deployed
from my_service.operate.cli import main

from ..driver import Files, Inside
from ..process import scope

NOBODY = "nobody-of-that-name"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a machine of its own, and no settings."""
    monkeypatch.setattr(deployed, "_ETC", tmp_path / "etc")
    with mock.patch.dict(os.environ):
        for name in [each for each in os.environ if each.startswith("APP_")]:
            del os.environ[name]
        yield


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


def settings_of(files: Files, file: Path) -> Path:
    """Write what the unit reads."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'{name}="{value}"' for name, value in files.environment().items()]
    file.write_text("\n".join(["# of the service", "", *lines]), "utf-8")
    return file


@pytest.fixture
def machine(inside: Inside) -> Path:
    """The machine's settings are those of the service."""
    return settings_of(inside.files, deployed.folder() / "env")


def test_settings_of_the_machine_are_found(inside: Inside, machine: Path) -> None:
    user = inside.add_user()
    inside.login(user)
    with scope(inside.files.settings().database_url):
        result = run("sessions", "revoke", user.name)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"1 sessions of {user.name} ended\n"
    first, event = result.stderr.splitlines()
    assert first == f"production, database sqlite:///{inside.files.database}, settings of {machine}"
    line = json.loads(event)
    assert line["event"] == "session_revoked"
    assert line["user"] == user.name


@pytest.mark.parametrize("option", ["", "--env-file"])
def test_settings_may_be_named(inside: Inside, tmp_path: Path, option: str) -> None:
    file = settings_of(inside.files, tmp_path / "own.env")
    result = run(*([option, str(file)] if option else []), "check", "--json")
    json.loads(result.stdout)
    env = "production" if option else "development"
    assert result.stderr.startswith(f"{env}, database sqlite:///")


@pytest.mark.usefixtures("machine")
def test_an_environment_that_is_said_stands() -> None:
    os.environ["APP_ENV"] = "development"
    assert run("check").stderr == "development, database sqlite:///var/app.db\n"


@pytest.mark.skipif(not os.geteuid(), reason="root may read everything")
def test_settings_that_only_root_may_read_are_no_development(machine: Path) -> None:
    machine.chmod(0)
    result = run("check")
    assert result.exit_code == 1
    assert f"{machine}: Permission denied: " in result.stderr
    assert "run as root" in result.stderr


def test_settings_that_are_none_are_named(machine: Path) -> None:
    machine.write_text("APP_ENV=production\nexport\n", "utf-8")
    result = run("check")
    assert result.exit_code == 1
    assert f"{machine}, line 2: write it as NAME=value" in result.stderr
    missing = run("--env-file", "/nonexistent/env", "check")
    assert missing.exit_code == 1
    assert "/nonexistent/env: No such file or directory" in missing.stderr


@pytest.mark.parametrize(
    "command", [("check",), ("check", "--json"), ("policy", "show"), ("sessions", "revoke", NOBODY)]
)
@pytest.mark.parametrize("env", ["development", "production"])
def test_a_command_that_only_asks_creates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: str, command: tuple[str, ...]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    policy = Path("policy.toml").absolute()
    monkeypatch.chdir(place)
    if env == "production":
        files = Files(tmp_path / "state")
        files.folder.mkdir()
        os.environ.update(files.environment())
    os.environ["APP_POLICY"] = str(policy)
    before = sorted(tmp_path.rglob("*"))
    result = run(*command)
    assert sorted(tmp_path.rglob("*")) == before
    assert "Traceback" not in result.output
    if command[0] == "sessions":
        assert result.exit_code == 1
        assert "is not there: name the settings of the service by --env-file" in result.stderr


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/x@y/app.db", "sqlite:////var/lib/x@y/app.db"),
        ("postgresql://ada:s3cret@db/x?sslpassword=s3cret", "postgresql://ada@db/x"),
        ("postgresql://ada:s3/cr@et@db/x", "postgresql://ada@db/x"),
        ("postgresql:///x", "postgresql:///x"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert deployed._shown(url) == shown


def test_missing_database_is_no_new_one(inside: Inside, tmp_path: Path) -> None:
    environment = {**inside.files.environment(), "APP_DATABASE_URL": f"sqlite:///{tmp_path}/x.db"}
    os.environ.update(environment)
    result = run("user", "add", "ada", typed="certainly a long password\n")
    assert result.exit_code == 1
    assert not (tmp_path / "x.db").exists()
