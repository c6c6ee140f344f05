"""Production refuses to start on anything unsafe (CFG-1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Render
from tests.live.service import Service, folder
from tests.projects import Project


def refusal(project: Project, made: Path, variables: dict[str, str]) -> str:
    """Start the server in vain; return what it said."""
    done = Service(project, made, variables).command("run", "--uds", str(made / "s"))
    assert done.returncode == 1
    assert not done.stdout
    assert "Traceback" not in done.stderr
    assert not (made / "s").exists()
    return done.stderr


def test_lists_every_problem(project: Project) -> None:
    with folder() as made:
        database = made / "app.sqlite3"
        database.touch()
        database.chmod(0o666)
        said = refusal(
            project,
            made,
            {
                "APP_SECRET_KEYS": "change-me",
                "APP_SECRET_KEYS_FILE": "",
                "APP_HOSTS": "*, https://my-service.example.com",
                "APP_TRUSTED_PROXIES": "*,0.0.0.0/0",
                "APP_STORE_URL": "sqlite://",
                "FLASK_DEBUG": "1",
            },
        )
    for problem in (
        "APP_SECRET_KEYS: key 1",
        "APP_HOSTS: '*'",
        "APP_HOSTS: 'https://my-service.example.com'",
        "APP_TRUSTED_PROXIES: '*'",
        "APP_TRUSTED_PROXIES: '0.0.0.0/0'",
        "APP_STORE_URL",
        "APP_DATABASE_URL",
        "FLASK_DEBUG",
    ):
        assert problem in said
    assert "change-me" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_SECRET_KEYS_FILE", ""),
        ("APP_SECRET_KEYS_FILE", "/nonexistent"),
        ("APP_HOSTS", ""),
        ("APP_ENV", "prod"),
        ("APP_POLICY", "/nonexistent/policy.toml"),
        ("APP_STORE_URL", "memcached://127.0.0.1"),
    ],
)
def test_names_the_problem(installed: Render, name: str, value: str) -> None:
    with folder() as made:
        said = refusal(installed(framework="fastapi"), made, {name: value})
    assert (value if name == "APP_POLICY" else name.removesuffix("_FILE")) in said
