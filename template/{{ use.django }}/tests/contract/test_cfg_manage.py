# Owned by the template: extend, do not edit.
"""What manage.py says of the service: settings, models and migrations are yours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT
from .driver import Files


def manage(files: Files, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py with the environment of a service."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=ROOT,
        env={**others, **files.environment()},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.contract("CFG-1")
def test_deployment_check_finds_nothing(tmp_path: Path) -> None:
    done = manage(Files(tmp_path), "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.contract("CFG-1")
def test_migrations_are_complete_and_make_private_files(tmp_path: Path) -> None:
    files = Files(tmp_path)
    done = manage(files, "migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    assert files.database.stat().st_mode & 0o077 == 0
    done = manage(files, "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout


@pytest.mark.contract("CFG-1")
def test_unsafe_environment_stops_manage_too(tmp_path: Path) -> None:
    done = manage(Files(tmp_path, keys=("tooshort",)), "check")
    assert done.returncode == 1
    assert "APP_SECRET_KEYS" in done.stderr
    assert "Traceback" not in done.stderr
