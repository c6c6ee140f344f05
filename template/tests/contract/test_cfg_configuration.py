# Owned by the template: extend, do not edit.
"""The environment of production (guide: production vs development)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from .conftest import Make
from .driver import KEY, Files, no_server, run_cli


def run(environment: dict[str, str], *arguments: str) -> Result:
    """Run the command; a server that would start does not."""
    with no_server():
        return run_cli(*(arguments or ("run",)), environment=environment)


def started(environment: dict[str, str]) -> bool:
    with no_server() as server:
        run_cli("run", environment=environment)
    return bool(server.called)


def environment(files: Files, changes: dict[str, str | None]) -> dict[str, str]:
    merged = {**files.environment(), **changes}
    return {name: value for name, value in merged.items() if value is not None}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, exceptions={})


@pytest.mark.contract("CFG-1")
@pytest.mark.usefixtures("restored_logging")
def test_safe_environment_starts(files: Files) -> None:
    assert started(files.environment())


@pytest.mark.contract("CFG-1")
def test_every_problem_is_listed_at_once(files: Files) -> None:
    changes: dict[str, str | None] = {
        "APP_SECRET_KEYS": "tooshort",
        "APP_HOSTS": "http://app.test",
        "APP_TRUSTED_PROXIES": "*",
        "APP_STORE_URL": "sqlite:///:memory:",
        "APP_DATABASE_URL": "sqlite:///:memory:",
        "APP_DEBUG": "1",
    }
    result = run(environment(files, changes))
    assert result.exit_code == 1
    for name in changes:
        (line,) = [each for each in result.output.splitlines() if name in each]
        assert any(sign in line for sign in (";", ":")), "no remedy"


@pytest.mark.contract("CFG-1")
@pytest.mark.parametrize(
    "changes",
    [
        {"APP_HOST": "app.test", "APP_HOSTS": None},
        {"APP_TRUSTED_PROXY": "unix", "APP_TRUSTED_PROXIES": None},
        {"APP_STORE_URI": "redis://127.0.0.1/0", "APP_STORE_URL": None},
        {"APP_SECRET_KEYS": f"{KEY}\n{KEY}", "APP_SECRET_KEYS_FILE": None},
        {"APP_HOSTS": "*"},
        {"APP_HOSTS": "http://app.test"},
    ],
    ids=["host", "proxy", "store", "keys in lines", "any host", "origin"],
)
def test_what_would_not_be_read_is_refused(files: Files, changes: dict[str, str | None]) -> None:
    result = run(environment(files, changes))
    assert result.exit_code == 1
    assert next(iter(changes)) in result.output
    assert "Traceback" not in result.output


@pytest.mark.contract("PRX-1")
def test_a_socket_whose_proxy_is_not_believed_is_refused(files: Files, tmp_path: Path) -> None:
    """The guesses of one visitor would lock out all, and no cookie would be for https alone."""
    place = ("run", "--uds", str(tmp_path / "s"))
    for proxies in ("", "127.0.0.1"):
        result = run(environment(files, {"APP_TRUSTED_PROXIES": proxies}), *place)
        assert result.exit_code == 1
        assert "add unix to APP_TRUSTED_PROXIES" in result.output


@pytest.mark.contract("CFG-1")
def test_new_files_belong_to_the_service_alone(make: Make) -> None:
    before = os.umask(0)
    try:
        inside = make()
        inside.member()
    finally:
        os.umask(before)
    for path in inside.files.folder.iterdir():
        if path.name != "policy.toml":
            assert path.stat().st_mode & 0o077 == 0, path.name


@pytest.mark.contract("CFG-3")
def test_running_service_survives_an_exception_that_expires(make: Make) -> None:
    """A date must not cause an outage."""
    inside = make(exceptions={"sessions.idle-timeout": 3600})
    inside.clock.now = datetime(2101, 1, 1, tzinfo=UTC).timestamp()
    again = make(inside, exceptions={"sessions.idle-timeout": 3600})
    assert again.visitor().get("/").status_code == 200


@pytest.mark.contract("CFG-1")
def test_service_that_is_made_by_hand_is_refused_too(make: Make) -> None:
    with pytest.raises(ValueError, match="APP_SECRET_KEYS"):
        make(keys=("tooshort",))
