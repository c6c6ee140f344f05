# Owned by the template: extend, do not edit.
"""Backups of the SQLite files: taken while serving, restored without a session that had ended."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from .conftest import Make
from .driver import Files, Inside, run_cli

NOTE = json.dumps({"title": "One", "body": "Kept"}).encode()


@pytest.fixture
def serving(make: Make) -> Inside:
    """A service whose files exist, since somebody has logged in."""
    inside = make()
    assert inside.member().logged_in()
    return inside


@pytest.mark.contract("DAT-4")
def test_backup_is_whole_and_private(serving: Inside, tmp_path: Path) -> None:
    target = tmp_path / "backups" / "first"
    result = serving.cli("backup", str(target))
    assert result.exit_code == 0, result.output
    names = {path.name for path in target.iterdir()}
    assert names == {"app.sqlite3", "store.sqlite3", "policy.toml", "manifest.json"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (target, *target.iterdir()))
    assert [path.name for path in target.parent.iterdir()] == ["first"]
    key = serving.files.keys[0].encode()
    assert not any(key in path.read_bytes() for path in target.iterdir())
    again = serving.cli("backup", str(target))
    assert again.exit_code == 1
    assert "exists" in again.output


@pytest.mark.contract("DAT-4")
def test_old_backups_go(serving: Inside, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    for name in ("20200101T000000Z", "20210101T000000Z"):
        assert serving.cli("backup", str(folder / name)).exit_code == 0
    (folder / "mine").mkdir()
    assert serving.cli("backup", "--keep", "2", str(folder)).exit_code == 0
    left = {path.name for path in folder.iterdir()}
    assert len(left) == 3
    assert left > {"mine", "20210101T000000Z"}


@pytest.mark.contract("DAT-4")
def test_two_backups_at_once_leave_each_other_alone(serving: Inside, tmp_path: Path) -> None:
    """One is still being made, and deletes the same old one."""
    folder = tmp_path / "kept"
    names = ("20200101T000000Z", ".20260101T000000Z.made")
    for name in names:
        assert serving.cli("backup", str(folder / name)).exit_code == 0

    real: Callable[..., None] = shutil.rmtree

    def rmtree(path: Path, **options: Any) -> None:
        real(path, **options)
        real(path, **options)

    with mock.patch.object(shutil, "rmtree", rmtree):
        result = serving.cli("backup", "--keep", "1", str(folder))
    assert result.exit_code == 0, result.output
    left = {path.name for path in folder.iterdir()}
    assert len(left) == 2
    assert left > {names[1]}


@pytest.mark.contract("DAT-4")
def test_restored_elsewhere_it_has_the_data_and_no_session(
    make: Make, serving: Inside, tmp_path: Path
) -> None:
    user = serving.add_user()
    browser = serving.login(user)
    # Of the example feature, where that is there.
    noted = browser.api("POST", "/api/notes", NOTE).status_code == 201
    target = tmp_path / "backup"
    assert serving.cli("backup", str(target)).exit_code == 0
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    files = Files(folder)
    result = run_cli("restore", str(target), environment=files.environment())
    assert result.exit_code == 0, result.output
    assert files.database.stat().st_mode & 0o077 == 0
    assert files.store.stat().st_mode & 0o077 == 0
    restored = Inside(files, serving.clock)
    browser.service = restored
    assert not browser.logged_in()
    again = restored.login(user)
    if noted:
        assert again.api("GET", "/api/notes").json()["notes"][0]["body"] == "Kept"
    restored.close()


@pytest.mark.contract("DAT-4")
def test_what_a_backup_lacks_is_not_said_to_be_back(serving: Inside, tmp_path: Path) -> None:
    """Settings of another machine, say: nobody looks again at what was said to be done."""
    target = tmp_path / "backup"
    assert serving.cli("backup", str(target)).exit_code == 0
    servers = {
        "APP_DATABASE_URL": "postgresql://127.0.0.1:1/app",
        "APP_STORE_URL": "redis://127.0.0.1:1/0",
    }
    environment = {**serving.files.environment(), **servers}
    result = run_cli("restore", str(target), environment=environment)
    assert result.exit_code == 1
    assert "nothing of" in result.output
    assert "have ended" not in result.output


@pytest.mark.contract("DAT-4")
def test_sessions_that_are_not_in_the_backup_end_too(serving: Inside, tmp_path: Path) -> None:
    browser, target = serving.member(), tmp_path / "backup"
    assert serving.cli("backup", str(target)).exit_code == 0
    folder = tmp_path / "elsewhere"
    folder.mkdir(mode=0o700)
    files = Files(folder)
    for name, place in (("app.sqlite3", files.database), ("store.sqlite3", files.store)):
        shutil.copy(target / name, place)
    manifest = target / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    del content["files"]["store.sqlite3"]
    manifest.write_text(json.dumps(content), "utf-8")
    result = run_cli("restore", str(target), environment=files.environment())
    assert result.exit_code == 3, result.output
    assert "not in the backup, so as before: store.sqlite3" in result.output
    assert browser.logged_in()
    browser.service = Inside(files, serving.clock)
    assert not browser.logged_in()
    browser.service.close()


@pytest.mark.contract("DAT-4")
def test_files_in_use_are_not_replaced(serving: Inside, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    assert serving.cli("backup", str(target)).exit_code == 0
    before = serving.files.database.stat().st_ino
    result = serving.cli("restore", str(target))
    assert result.exit_code == 1
    assert "in use" in result.output or "runs" in result.output
    assert serving.files.database.stat().st_ino == before
    assert not list(serving.files.database.parent.glob("*before*"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def other_service(path: Path) -> None:
    manifest = path.with_name("manifest.json")
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace('"package": "', '"package": "other_'), "utf-8")


@pytest.mark.contract("DAT-4")
@pytest.mark.parametrize(
    "harm", [cut, other_service, Path.unlink, lambda path: path.with_name("manifest.json").unlink()]
)
def test_a_backup_that_is_not_whole_is_refused(
    serving: Inside, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    target = tmp_path / "backup"
    assert serving.cli("backup", str(target)).exit_code == 0
    harm(target / "app.sqlite3")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    files = Files(folder)
    result = run_cli("restore", str(target), environment=files.environment())
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert not files.database.exists()
    assert not files.store.exists()
