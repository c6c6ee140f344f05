"""A backup of a service that serves, and its restore on the machine that has gone on since."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from tests.conftest import Render
from tests.live.service import START_SECONDS, Service, User, running
from tests.weekly import frameworks

LIMIT = 5
"""`throttle.pair.limit` of the policy."""


# The commands and the database layer are Litestar's and FastAPI's, too.
@pytest.fixture(params=frameworks("flask"))
def service(request: pytest.FixtureRequest, installed: Render) -> Iterator[Service]:
    """Run the service of a project."""
    with running(installed(framework=request.param), workers=2) as started:
        yield started


def run(service: Service, *words: str) -> str:
    """Run a command that must succeed."""
    done = service.command(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write(service: Service, user: User, until: Event) -> int:
    """Write notes until told to stop; return how many there are."""
    written = 0
    with service.client("198.51.100.9") as client:
        assert client.login(user).is_redirect
        while not until.is_set():
            note = {"title": str(written), "body": "x" * 3000}
            assert client.post("/api/notes", json=note).status_code == 201
            written += 1
    return written


def test_there_and_back(service: Service, tmp_path: Path) -> None:
    writer, thief, late = service.add_user(), service.add_user(), "late"
    target = tmp_path / "backup"
    stop = Event()
    with service.client() as kept, ThreadPoolExecutor() as pool:
        assert kept.login(thief).is_redirect
        writing = pool.submit(write, service, writer, stop)
        try:
            run(service, "backup", str(target))
        finally:
            stop.set()
        assert writing.result() > 0
        # What comes after it is not in it.
        service.add_user(late)
        run(service, "user", "disable", thief.name)
        assert not kept.logged_in()
        with service.client("203.0.113.7") as guesser:
            for _ in range(LIMIT):
                guesser.login(User(writer.name, "wrong"))
            assert guesser.login(writer).status_code == 429
        refused = service.command("restore", str(target))
        assert refused.returncode == 1
        assert "stop it first" in refused.stderr
        service.stop()
        assert "all sessions have ended" in run(service, "restore", str(target))
        names = {each["name"] for each in json.loads(run(service, "user", "list", "--json"))}
        assert names == {writer.name, thief.name}
        service.start()
        # Neither a session that the backup holds nor one that had ended comes back.
        assert not kept.logged_in()
        with service.client("203.0.113.7") as guesser:
            assert guesser.login(writer).status_code == 429
        with service.client("203.0.113.8") as client:
            assert client.login(writer).is_redirect
            found = client.get("/api/notes").json()["notes"]
            assert found == [] or found[0]["body"] == "x" * 3000
    before = [path for path in service.folder.iterdir() if ".before-" in path.name]
    assert len({path.name.partition(".before-")[0] for path in before}) == 2
    with service.client() as client:
        assert client.get("/readyz").status_code == 200


def test_a_backup_that_cannot_be_whole_is_none(service: Service, tmp_path: Path) -> None:
    with service.client() as client:
        assert client.login(service.add_user()).is_redirect
    (service.folder / "store.sqlite3").rename(service.folder / "away")
    done = service.command("backup", str(tmp_path / "backup"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    (service.folder / "away").rename(service.folder / "store.sqlite3")


def test_a_backup_that_is_copied_over_what_runs_is_noticed(
    service: Service, tmp_path: Path
) -> None:
    """As `cp` does it: SQLite would mix it with what it has in memory and in its log."""
    database = service.folder / "app.sqlite3"
    with service.client() as client:
        assert client.login(service.add_user()).is_redirect
        run(service, "backup", str(tmp_path / "backup"))
        old = tmp_path / "backup" / "app.sqlite3"
        before, number = mark_of(old), 0
        deadline = time.monotonic() + START_SECONDS
        while mark_of(database) == before:
            assert time.monotonic() < deadline
            number += 1
            note = {"title": str(number), "body": "x"}
            assert client.post("/api/notes", json=note).status_code == 201
        with closing(sqlite3.connect(database, timeout=5)) as opened:
            opened.execute("PRAGMA wal_checkpoint")
        # A worker looks once a second, when it is asked for something.
        seen, asked = time.monotonic() + 2, 0
        while time.monotonic() < seen or asked < 20:
            assert client.get("/api/notes").status_code == 200
            asked += 1
            time.sleep(0.1)
        shutil.copyfile(old, database)
        deadline = time.monotonic() + START_SECONDS
        while client.get("/api/notes").status_code != 503:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # Every worker knows of it, and the log says what to do.
        for _ in range(20):
            assert client.get("/api/notes").status_code == 503
        assert client.get("/readyz").status_code == 503
    assert "written over while it was in use: stop the service" in service.log.read_text("utf-8")
    service.stop()
    for suffix in ("-wal", "-shm"):
        database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(old, database)
    service.start()
    with service.client() as client:
        assert client.get("/readyz").status_code == 200


def mark_of(path: Path) -> int:
    """Return what those who write count up in the header of a file."""
    with closing(sqlite3.connect(path, timeout=5)) as opened:
        return int(opened.execute("PRAGMA application_id").fetchone()[0])


def test_servers_have_tools_of_their_own(service: Service, tmp_path: Path) -> None:
    variables = {**service.variables, "APP_STORE_URL": "redis://127.0.0.1:1/0"}
    other = Service(service.project, service.folder, variables)
    done = other.command("backup", str(tmp_path / "backup"))
    assert done.returncode == 3
    assert "valkey-cli" in done.stderr
    assert {path.name for path in (tmp_path / "backup").iterdir()} > {"app.sqlite3"}
    assert not (tmp_path / "backup" / "store.sqlite3").exists()
