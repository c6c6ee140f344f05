"""A SQLite file that was moved, deleted or replaced under a running service is noticed (DAT-4)."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from my_service.adapter.migration_lock import migration_lock
from my_service.security import database_file
from my_service.security.database_file import DatabaseFile, MarkedConnection
from my_service.security.lock_file import open_lock
from my_service.security.stores import StoreError
from my_service.security.stores.sqlite import SqliteStore

from ..conftest import Make
from ..driver import Files, new_user
from .test_stores import ADDRESS, NOW, ROW

ROOT = Path(__file__).resolve().parents[3]
OTHER = replace(ROW, id_hash="b" * 64)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        store.put(ROW, NOW + 60)
        yield store


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def copy_of(store: SqliteStore) -> Path:
    """Return a whole copy beside it, as a backup makes one."""
    copy = store.path.with_name("copy.db")
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the header, and count it up, at each use."""
    monkeypatch.setattr(database_file, "LOOK_SECONDS", 0)


def raw_copy(store: SqliteStore) -> Path:
    """Return what `cp` makes of the file, once all is in it."""
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(shutil.copy(store.path, store.path.with_name("copy.db")))


def other_file(store: SqliteStore) -> Path:
    """Return the file of another service, which has seen more."""
    path = store.path.with_name("other.db")
    with closing(SqliteStore(path)) as other:
        for number in range(20):
            other.put(replace(ROW, id_hash=f"{number:064}"), NOW + 60)
    return path


def moved(store: SqliteStore) -> None:
    store.path.rename(store.path.with_name("away.db"))


def deleted(store: SqliteStore) -> None:
    store.path.unlink()


@pytest.mark.parametrize("happens", [moved, deleted])
def test_a_missing_file_is_an_error_and_is_not_made_again(
    store: SqliteStore, happens: Callable[[SqliteStore], None]
) -> None:
    happens(store)
    for _ in range(2):
        with pytest.raises(StoreError, match="is gone: put it back, or restart the service"):
            store.get(ROW.id_hash)
        with pytest.raises(StoreError, match="is gone"):
            store.ping()
    assert not store.path.exists()


def test_a_file_that_is_put_back_is_the_same(store: SqliteStore) -> None:
    moved(store)
    with pytest.raises(StoreError, match="is gone"):
        store.put(OTHER, NOW + 60)
    store.path.with_name("away.db").rename(store.path)
    store.put(OTHER, NOW + 60)
    assert len(store.of_user("ada")) == 2


def test_a_replaced_file_is_the_truth_at_once(store: SqliteStore) -> None:
    copy = copy_of(store)
    store.put(OTHER, NOW + 60)
    copy.replace(store.path)
    assert store.get(OTHER.id_hash) is None
    assert store.get(ROW.id_hash) == ROW
    assert store.put(OTHER, NOW + 60)
    with closing(SqliteStore(store.path)) as again:
        assert len(again.of_user("ada")) == 2


@pytest.mark.contract("DAT-4")
@pytest.mark.usefixtures("looking")
@pytest.mark.parametrize(
    ("made", "settled"),
    [
        (copy_of, False),
        (copy_of, True),
        (raw_copy, True),
        (other_file, False),
        (other_file, True),
    ],
)
def test_a_file_that_is_written_over_in_place_is_not_used(
    store: SqliteStore, made: Callable[[SqliteStore], Path], settled: bool
) -> None:
    store.get(ROW.id_hash)
    copy = made(store)
    store.put(OTHER, NOW + 60)
    if settled:
        with closing(sqlite3.connect(store.path)) as db:
            db.execute("PRAGMA wal_checkpoint")
    store.get(ROW.id_hash)
    shutil.copyfile(copy, store.path)
    for _ in range(2):
        with pytest.raises(StoreError, match="written over while it was in use: stop the service"):
            store.get(ROW.id_hash)
        with pytest.raises(StoreError, match="written over"):
            store.ping()
    worker = multiprocessing.get_context("fork").Process(target=lambda: os._exit(_fails(store)))
    worker.start()
    worker.join()
    assert worker.exitcode == 1
    # Another file in its place is the truth, as ever.
    made_again = store.path.with_name("next.db")
    shutil.copyfile(copy, made_again)
    made_again.replace(store.path)
    store.put(OTHER, NOW + 60)
    assert store.get(OTHER.id_hash) == OTHER


@pytest.mark.contract("DAT-4")
@pytest.mark.usefixtures("looking")
def test_a_copy_of_what_is_in_the_file_does_no_harm(store: SqliteStore) -> None:
    copy = raw_copy(store)
    store.put(OTHER, NOW + 60)
    shutil.copyfile(copy, store.path)
    assert len(store.of_user("ada")) == 2
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA wal_checkpoint").fetchone()
    assert len(store.of_user("ada")) == 2


def _fails(store: SqliteStore) -> int:
    try:
        store.get(ROW.id_hash)
    except StoreError:
        return 1
    return 0


@pytest.mark.contract("DAT-4")
@pytest.mark.usefixtures("looking")
def test_who_writes_at_once_is_not_taken_for_who_writes_over(store: SqliteStore) -> None:
    fork = multiprocessing.get_context("fork")

    def work() -> None:
        rule = replace(ADDRESS, limit=10**6)
        try:
            for number in range(150):
                store.reserve((rule,), secrets.token_hex(8), NOW)
                store.put(replace(ROW, id_hash=f"{os.getpid()}{number:040}"), NOW + 60)
                if number % 10 == 0:
                    with closing(sqlite3.connect(store.path, timeout=5)) as db:
                        db.execute("PRAGMA wal_checkpoint")
        except Exception:  # noqa: BLE001 - whatever a request would see
            os._exit(1)
        os._exit(0)

    store.close()
    workers = [fork.Process(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(100):
        store.get(ROW.id_hash)
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(store.of_user("ada")) == 451


def test_the_log_of_the_old_file_is_not_played_into_the_new_one(store: SqliteStore) -> None:
    copy = copy_of(store)
    # Not in the file yet, only in its log, which stays where it is and holds whole pages.
    for number in range(50):
        store.put(replace(ROW, id_hash=f"{number:064}", data="x" * 2000), NOW + 60)
    assert log_of(store.path).stat().st_size
    copy.replace(store.path)
    assert len(store.of_user("ada")) == 1
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_all_processes_agree(store: SqliteStore) -> None:
    """Also one that is forked after the file was replaced, in the place of one that died."""
    copy = copy_of(store)
    fork = multiprocessing.get_context("fork")
    replaced = fork.Event()
    rule = replace(ADDRESS, limit=40)

    def guess() -> None:
        allowed = sum(not store.reserve((rule,), secrets.token_hex(8), NOW) for _ in range(20))
        store.close()
        os._exit(allowed)

    def work() -> None:
        store.put(replace(ROW, id_hash=f"{os.getpid():064}"), NOW + 60)
        replaced.wait(60)
        guess()

    workers = [fork.Process(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 60
    while len(store.of_user("ada")) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    store.close()
    copy.replace(store.path)
    replaced.set()
    late = fork.Process(target=guess)
    late.start()
    for worker in (*workers, late):
        worker.join()
    assert sum(worker.exitcode or 0 for worker in (*workers, late)) == 40
    assert len(store.of_user("ada")) == 1
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_new_process_makes_no_file_in_the_place_of_one_that_is_gone(store: SqliteStore) -> None:
    store.close()
    store.path.unlink()

    def work() -> None:
        try:
            store.ping()
        except StoreError:
            os._exit(3)
        os._exit(0)

    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    worker.join()
    assert worker.exitcode == 3
    assert not store.path.exists()


def test_an_upgrade_holds_up_nobody_who_finds_another_file(store: SqliteStore) -> None:
    copy = copy_of(store)
    began = time.monotonic()
    with migration_lock(f"sqlite:///{store.path}"):
        copy.replace(store.path)
        assert store.get(ROW.id_hash) == ROW
    assert time.monotonic() - began < 2


def test_threads_agree(store: SqliteStore) -> None:
    copy = copy_of(store)
    errors: list[Exception] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                store.reserve((replace(ADDRESS, limit=10**6),), "one", NOW)
            except Exception as error:  # noqa: BLE001 - what a request would see
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        shutil.copy2(copy, copy.with_name("next.db"))
        copy.with_name("next.db").replace(store.path)
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(store.of_user("ada")) == 1


def test_what_an_operator_makes_first_is_the_services_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`db upgrade` by root, into the folder of the service's account, which could not open it."""
    owner, given = tmp_path.stat(), []

    def fchown(descriptor: int, user: int, group: int) -> None:
        given.append((Path(f"/proc/self/fd/{descriptor}").readlink(), user, group))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", fchown)
    paths = [tmp_path / "app.db", tmp_path / ".serving"]
    DatabaseFile(paths[0]).settle()
    os.close(open_lock(tmp_path, ".serving"))
    assert given == [(path, owner.st_uid, owner.st_gid) for path in paths]
    DatabaseFile(paths[0]).settle()
    assert len(given) == 2


def test_no_file_is_made_where_none_may_be(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "var" / "store.db", create=False)
    with pytest.raises(StoreError, match="is not there"):
        store.ping()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("which", ["store", "database"])
def test_the_service_is_not_ready_and_says_why(
    make: Make, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    service = make()
    path: Path = getattr(service.files, which)
    assert service.visitor().get("/readyz").status_code == 200
    away = path.with_name("away.db")
    path.rename(away)
    assert service.visitor().get("/readyz").status_code == 503
    assert service.visitor().login("ada", "not the password of ada").status_code == 503
    assert not path.exists()
    assert f"{path} is gone: put it back" in capsys.readouterr().err
    away.rename(path)
    assert service.visitor().get("/readyz").status_code == 200


@pytest.mark.contract("DAT-4")
@pytest.mark.usefixtures("looking")
@pytest.mark.parametrize("made", ["backup", "cp", "dump"])
def test_a_database_that_is_written_over_in_place_is_not_used(
    make: Make, capsys: pytest.CaptureFixture[str], made: str
) -> None:
    service = make()
    path, user = service.files.database, service.add_user()
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if made == "cp":
            shutil.copy(path, copy)
        else:
            with closing(sqlite3.connect(copy)) as target:
                if made == "backup":
                    db.backup(target)
                else:
                    target.executescript("\n".join(db.iterdump()))
    # What a request writes, and no more: when the user was here last.
    service.login(user)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint")
    service.login(user)
    shutil.copyfile(copy, path)
    assert service.visitor().login(user.name, user.password).status_code == 503
    assert service.visitor().get("/readyz").status_code == 503
    assert f"{path} was written over while it was in use" in capsys.readouterr().err
    # Another file in its place is the truth, as ever.
    copy.replace(path)
    service.login(user)


@pytest.mark.contract("DAT-4")
def test_marks_of_a_second_are_one(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_file, "LOOK_SECONDS", 10**6)
    service = make()
    user = service.add_user()
    service.login(user)
    with closing(sqlite3.connect(service.files.database)) as db:
        (first,) = db.execute("PRAGMA application_id").fetchone()
        assert first > 0
        for _ in range(3):
            service.login(user)
        (second,) = db.execute("PRAGMA application_id").fetchone()
    assert second == first


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[MarkedConnection]:
    """A connection as the application has it, to a file with a table."""
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a)")
    opened = sqlite3.connect(path, factory=MarkedConnection, timeout=0)
    with closing(opened) as connection:
        connection.file = DatabaseFile(path)
        yield connection


def mark_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


@pytest.mark.usefixtures("looking")
def test_what_is_committed_is_marked(marked: MarkedConnection) -> None:
    marked.execute("INSERT INTO t VALUES (1)")
    assert mark_of(marked) == 0
    marked.commit()
    first = mark_of(marked)
    assert first > 0
    marked.execute("INSERT INTO t VALUES (1)")
    marked.rollback()
    marked.commit()
    assert mark_of(marked) == first
    marked.isolation_level = None
    marked.execute("INSERT INTO t VALUES (1)")
    marked.committed()
    marked.committed()
    assert mark_of(marked) == first + 1


@pytest.mark.usefixtures("looking")
def test_who_only_reads_waits_for_nobody_who_writes(marked: MarkedConnection) -> None:
    marked.execute("INSERT INTO t VALUES (1)")
    marked.rollback()
    marked.isolation_level = None
    with closing(sqlite3.connect(marked.file.path if marked.file else "")) as other:
        other.execute("BEGIN IMMEDIATE")
        marked.execute("BEGIN")
        marked.execute("SELECT * FROM t").fetchall()
        marked.commit()
        # The mark of what was written before has to wait, and whoever wrote it does not.
        marked._counted = -1
        marked.committed()
    assert mark_of(marked) == 0


@pytest.mark.usefixtures("looking")
def test_what_the_mark_has_undone_is_not_taken_for_committed(
    marked: MarkedConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, db: sqlite3.Connection) -> None:
        db.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    marked.execute("INSERT INTO t VALUES (1)")
    monkeypatch.setattr(DatabaseFile, "mark", full)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        marked.commit()


@contextmanager
def write_until_waited(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Have another write to the file until somebody pauses; yield the pauses, in seconds."""
    pauses = []
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("BEGIN IMMEDIATE")

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if writer.in_transaction:
                writer.execute("COMMIT")

        # Not `time.sleep` itself: threads of other tests would end the transaction.
        clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
        monkeypatch.setattr(database_file, "time", clock)
        yield pauses


@pytest.mark.contract("DAT-1")
def test_a_new_store_waits_for_who_is_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE first_page (something)")
    with (
        write_until_waited(path, monkeypatch) as pauses,
        closing(SqliteStore(path)) as store,
    ):
        store.put(ROW, NOW + 60)
        assert pauses == [0.005]
        assert store.get(ROW.id_hash) == ROW


@pytest.mark.contract("DAT-1")
def test_processes_that_start_at_once_make_the_tables_once(tmp_path: Path) -> None:
    environment = {**os.environ, **Files(tmp_path).environment(), "APP_ENV": "development"}
    program = "from my_service.app.main import create_app; create_app()"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    errors = [each.communicate()[1].decode() for each in started]
    assert [each.returncode for each in started] == [0, 0, 0], errors
    upgrade = [sys.executable, "-m", "my_service", "db", "upgrade"]
    again = subprocess.run(upgrade, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert again.stdout == b"the database is up to date\n"


@pytest.mark.contract("DAT-1")
def test_a_database_without_a_log_waits_for_who_is_in_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that start at once on a new file: SQLite does not wait for that lock."""
    service = make()
    user = service.add_user()
    path = service.files.database
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    with closing(sqlite3.connect(copy)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    copy.replace(path)
    # Else who opens the file next, here the writer, would go on with the log of the old one.
    log_of(path).unlink(missing_ok=True)
    with write_until_waited(path, monkeypatch) as pauses:
        service.login(user)
    assert pauses
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_replaced_database_is_the_truth_at_once(make: Make) -> None:
    service = make()
    path = service.files.database
    first, second = service.add_user(), new_user()
    service.login(first)
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    service.add_user(second.name, second.password)
    service.login(second)
    copy.replace(path)
    assert service.visitor().login(second.name, second.password).status_code == 401
    service.login(first)
    service.add_user(second.name, second.password)
    service.login(second)
