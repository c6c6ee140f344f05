"""Both engines keep the same promises, under threads, processes, restarts and failures."""

from __future__ import annotations

import multiprocessing
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from my_service.security.stores import (
    OTHERS_FIRST,
    PING_SECONDS,
    RESERVED_SECONDS,
    Counter,
    Outcome,
    SessionRow,
    Store,
    StoreError,
    open_store,
)
from my_service.security.stores import sqlite as sqlite_module
from my_service.security.stores.redis import RedisStore
from my_service.security.stores.sqlite import SWEEP_EVERY, SqliteStore

from .. import services
from .relay import Relay

NOW = 1_800_000_000
DAY = 86_400
PAIR = Counter("pair", limit=5, window=DAY, block=900, max_block=DAY)
ADDRESS = Counter("address", limit=100, window=DAY)
ACCOUNT = Counter("account", limit=100, window=DAY)
LOGIN = (PAIR, ADDRESS, ACCOUNT)

ROW = SessionRow("a" * 64, "ada", NOW, NOW, "Firefox, Linux", '{"n": 1}')

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork()")

Opener = Callable[[], Store]


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with services.redis_url() as url:
        yield url


@pytest.fixture
def prefix() -> str:
    return f"test-{secrets.token_hex(8)}:"


@pytest.fixture
def relay(redis_url: str) -> Iterator[Relay]:
    relay = Relay(redis_url)
    yield relay
    relay.stop()


@pytest.fixture(params=["sqlite", "redis"])
def opener(request: pytest.FixtureRequest, tmp_path: Path, prefix: str) -> Iterator[Opener]:
    """Open the same store again, as another worker or a restarted one does."""
    opened: list[Store] = []

    def open_again() -> Store:
        if request.param == "sqlite":
            opened.append(SqliteStore(tmp_path / "store.db"))
        else:
            opened.append(RedisStore(request.getfixturevalue("redis_url"), prefix))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> Store:
    return opener()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        yield store


def attempt(
    store: Store,
    counters: Sequence[Counter],
    now: int = NOW,
    outcome: Outcome = Outcome.FAILED,
) -> int:
    """Try once, when no other attempt is in the way; return 0, or the seconds to wait."""
    name = secrets.token_hex(8)
    while (wait := store.reserve(counters, name, now)) == OTHERS_FIRST:
        time.sleep(0.001)
    if not wait:
        store.settle(counters, name, outcome, now)
    return wait


def fails(store: Store, counters: Sequence[Counter], times: int, now: int = NOW) -> list[int]:
    return [attempt(store, counters, now) for _ in range(times)]


def forgive(store: Store, counters: Sequence[Counter], now: int = NOW) -> None:
    store.settle(counters, "", Outcome.FORGIVEN, now)


# Counters


@pytest.mark.contract("THR-4")
def test_threads_together_pass_the_limit_exactly(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: attempt(store, LOGIN, NOW), range(200)))
    assert sorted(waits) == [0] * 5 + [900] * 195


@needs_fork
@pytest.mark.contract("THR-4")
def test_processes_together_pass_the_limit_exactly(store: Store) -> None:
    rule = replace(ADDRESS, limit=200)
    store.ping()  # a connection that the children inherit, and must not use
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(4)

    def work() -> None:
        start.wait(60)
        waits = fails(store, (rule,), 100)
        store.close()
        os._exit(waits.count(0))

    workers = [fork.Process(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(worker.exitcode or 0 for worker in workers) == 200
    assert attempt(store, (rule,), NOW) == DAY


@pytest.mark.contract("THR-4")
def test_right_logins_in_a_row_all_pass(store: Store) -> None:
    for _ in range(20):
        assert attempt(store, LOGIN, NOW, Outcome.PASSED) == 0


@pytest.mark.contract("THR-5")
def test_a_restart_forgets_nothing(opener: Opener) -> None:
    first = opener()
    assert fails(first, LOGIN, 5) == [0] * 5
    first.close()
    assert attempt(opener(), LOGIN, NOW + 1) == 899


@pytest.mark.contract("THR-1")
def test_blocks_double_up_to_the_longest(store: Store) -> None:
    rule = Counter("pair", limit=3, window=1000, block=10, max_block=35)
    now = NOW
    for block in (10, 20, 35, 35):
        assert fails(store, (rule,), 4, now) == [0, 0, 0, block]
        assert attempt(store, (rule,), now + block - 1) == 1
        now += block


@pytest.mark.contract("THR-2")
def test_without_block_the_window_runs_from_the_first_failure(store: Store) -> None:
    rule = Counter("address", limit=2, window=100)
    assert attempt(store, (rule,), NOW) == 0
    assert attempt(store, (rule,), NOW + 60) == 0
    assert attempt(store, (rule,), NOW + 60) == 40
    assert attempt(store, (rule,), NOW + 99) == 1
    assert fails(store, (rule,), 3, NOW + 100) == [0, 0, 100]


def test_with_block_the_window_runs_from_the_last_failure_or_block(store: Store) -> None:
    rule = Counter("pair", limit=2, window=100, block=50, max_block=500)
    assert attempt(store, (rule,), NOW) == 0
    assert attempt(store, (rule,), NOW + 99) == 0  # the second: blocked until 149, known until 249
    assert fails(store, (rule,), 3, NOW + 248) == [0, 0, 100]
    assert fails(store, (rule,), 3, NOW + 448) == [0, 0, 50]


def test_a_blocked_attempt_changes_nothing(store: Store) -> None:
    two = Counter("account", limit=2, window=DAY)
    fails(store, (PAIR,), 5)
    assert fails(store, (PAIR, two), 10) == [900] * 10
    assert fails(store, (two,), 3) == [0, 0, DAY]
    assert attempt(store, (PAIR,), NOW + 900) == 0


def test_the_longest_wait_counts(store: Store) -> None:
    fails(store, (PAIR,), 5)
    fails(store, (replace(ACCOUNT, limit=1),), 1)
    assert attempt(store, (PAIR, replace(ACCOUNT, limit=1)), NOW + 1) == DAY - 1


@pytest.mark.contract("THR-1")
def test_release_restarts_consecutive_failures_and_takes_one_from_the_others(store: Store) -> None:
    rules = (PAIR, Counter("account", limit=6, window=DAY))
    assert fails(store, rules, 5) == [0] * 5
    forgive(store, rules, NOW)
    assert fails(store, rules, 3) == [0, 0, DAY]


def test_release_leaves_nothing_negative_and_revives_nothing(store: Store) -> None:
    rule = Counter("account", limit=1, window=10)
    forgive(store, (rule,), NOW)
    forgive(store, (rule,), NOW)
    assert fails(store, (rule,), 2) == [0, 10]
    forgive(store, (rule,), NOW + 10)
    assert fails(store, (rule,), 2, NOW + 10) == [0, 10]


@pytest.mark.contract("THR-4")
@pytest.mark.contract("THR-9")
def test_attempts_that_are_being_decided_are_waited_for_and_no_block(store: Store) -> None:
    fails(store, LOGIN, 3)
    assert store.reserve(LOGIN, "one", NOW) == store.reserve(LOGIN, "two", NOW) == 0
    assert store.reserve(LOGIN, "two", NOW) == 0
    assert store.reserve(LOGIN, "three", NOW) == OTHERS_FIRST
    store.settle(LOGIN, "one", Outcome.PASSED, NOW)
    assert store.reserve(LOGIN, "three", NOW) == 0
    store.settle(LOGIN, "two", Outcome.FAILED, NOW)
    store.settle(LOGIN, "three", Outcome.WITHDRAWN, NOW)
    assert fails(store, LOGIN, 5) == [0] * 4 + [900]


@pytest.mark.contract("THR-4")
def test_an_attempt_of_a_process_that_died_is_free_again(store: Store) -> None:
    rule = replace(PAIR, limit=1)
    assert store.reserve((rule,), "dead", NOW) == 0
    for later in (0, RESERVED_SECONDS - 1):
        assert store.reserve((rule,), "next", NOW + later) == OTHERS_FIRST
    assert store.reserve((rule,), "next", NOW + RESERVED_SECONDS) == 0
    # It was slow, not dead: what it has found out counts.
    store.settle((rule,), "dead", Outcome.FAILED, NOW + RESERVED_SECONDS)
    assert store.reserve((rule,), "third", NOW + RESERVED_SECONDS) == 900


@pytest.mark.contract("THR-9")
@pytest.mark.parametrize("ahead", [30, DAY, 100 * DAY])
def test_a_clock_that_is_set_back_makes_nothing_longer(store: Store, ahead: int) -> None:
    assert fails(store, (PAIR,), 5, NOW + ahead) == [0] * 5
    assert attempt(store, (PAIR,)) == 900
    assert attempt(store, (PAIR,), NOW + 899) == 1
    assert attempt(store, (PAIR,), NOW + 900) == 0
    rule = replace(ADDRESS, limit=2)
    assert fails(store, (rule,), 2, NOW + ahead) == [0, 0]
    assert attempt(store, (rule,)) == DAY
    assert attempt(store, (rule,), NOW + DAY) == 0
    one = replace(PAIR, key="one", limit=1)
    assert store.reserve((one,), "dead", NOW + ahead) == 0
    assert store.reserve((one,), "next", NOW + RESERVED_SECONDS + 30) == 0


@pytest.mark.contract("THR-9")
def test_what_does_not_judge_counts_all_the_same(store: Store) -> None:
    known = (replace(PAIR, judges=False), replace(ADDRESS, judges=False), ACCOUNT)
    assert fails(store, known, 7) == [0] * 7
    assert attempt(store, (PAIR,)) == 900
    assert attempt(store, known, NOW, Outcome.PASSED) == 0
    assert attempt(store, (PAIR,)) == 900
    assert attempt(store, (replace(ADDRESS, limit=7),)) == DAY


@pytest.mark.contract("THR-9")
def test_what_is_counted_is_listed_and_forgotten(store: Store) -> None:
    named = replace(PAIR, label='["pair", "ada", "198.51.100.1"]')
    fails(store, (named, ACCOUNT), 5)
    store.reserve((ADDRESS,), "open", NOW)
    found = {each.key: each for each in store.counted(NOW + 1)}
    assert (found["pair"].label, found["pair"].count) == (named.label, 5)
    assert (found["pair"].until, found["pair"].expires) == (NOW + 900, NOW + 900 + DAY)
    assert (found["account"].count, found["address"].count) == (5, 0)
    store.forget(["pair", "nothing"])
    store.forget([])
    assert "pair" not in {each.key for each in store.counted(NOW + 1)}
    assert attempt(store, (named, ACCOUNT)) == 0


def test_no_counters_never_block(store: Store) -> None:
    assert attempt(store, (), NOW) == 0
    forgive(store, (), NOW)


# Sessions


@pytest.mark.parametrize(
    "data",
    ["{}", '{"name": "\u00c5sa \U0001f511"}', "'; DROP TABLE store_session; --", "\0\r\n", ""],
)
def test_a_session_comes_back_as_it_was(opener: Opener, data: str) -> None:
    row = replace(ROW, data=data, client=data)
    opener().put(row, NOW + 60)
    assert opener().get(row.id_hash) == row
    assert opener().get("b" * 64) is None


def test_update_sets_what_it_is_given(store: Store) -> None:
    store.put(ROW, NOW + 60)
    assert store.update(ROW.id_hash, seen=NOW + 1, data=None)
    assert store.get(ROW.id_hash) == replace(ROW, seen=NOW + 1)
    assert store.update(ROW.id_hash, seen=NOW + 2, data="{}")
    assert store.get(ROW.id_hash) == replace(ROW, seen=NOW + 2, data="{}")


@pytest.mark.contract("SES-6")
def test_an_ended_session_stays_ended(store: Store) -> None:
    store.put(ROW, NOW + 60)
    assert store.delete(ROW.id_hash)
    assert not store.delete(ROW.id_hash)
    assert not store.update(ROW.id_hash, seen=NOW + 1, data="{}")
    assert store.get(ROW.id_hash) is None
    assert store.of_user("ada") == []


@pytest.mark.contract("SES-4")
def test_a_new_id_kills_the_old_one(store: Store) -> None:
    visitor = replace(ROW, user="")
    store.put(visitor, NOW + 60)
    new = replace(ROW, id_hash="b" * 64)
    store.put(new, NOW + 60, replaces=visitor.id_hash)
    assert store.get(visitor.id_hash) is None
    assert store.of_user("") == []
    assert store.of_user("ada") == [new]


@pytest.mark.contract("SES-7")
def test_sessions_of_a_user_are_listed_by_last_use_and_end_together(store: Store) -> None:
    rows = [replace(ROW, id_hash=c * 64, seen=NOW + n) for n, c in enumerate("abc")]
    for row in rows:
        store.put(row, NOW + 60)
    other = replace(ROW, id_hash="d" * 64, user="bob")
    store.put(other, NOW + 60)
    store.update(rows[0].id_hash, seen=NOW + 9, data=None)
    assert [row.id_hash[0] for row in store.of_user("ada")] == ["a", "c", "b"]
    assert store.delete_of_user("ada", keep=rows[1].id_hash) == 2
    assert store.of_user("ada") == [rows[1]]
    assert store.delete_of_user("ada") == 1
    assert store.delete_of_user("ada") == 0
    assert store.of_user("bob") == [other]


# Random sequences: both engines against a model in a few plain lines


class Model:
    def __init__(self) -> None:
        self.rows: dict[str, SessionRow] = {}
        self.counts: dict[str, tuple[int, int, int, dict[str, int]]] = {}
        self.epochs: dict[str, int] = {}

    def put(self, row: SessionRow, _expires: int, replaces: str, epoch: int | None) -> bool:
        if row.id_hash not in self.rows:
            if epoch is not None and self.epoch(row.user) != epoch:
                return False
            if replaces and not self.rows.pop(replaces, None):
                return False
        self.rows[row.id_hash] = row
        return True

    def epoch(self, user: str) -> int:
        return self.epochs.get(user, 0)

    def update(self, id_hash: str, *, seen: int, data: str | None) -> bool:
        old = self.rows.get(id_hash)
        if old:
            self.rows[id_hash] = replace(old, seen=seen, data=old.data if data is None else data)
        return old is not None

    def delete(self, id_hash: str) -> bool:
        return self.rows.pop(id_hash, None) is not None

    def of_user(self, user: str) -> list[SessionRow]:
        rows = [row for row in self.rows.values() if row.user == user]
        return sorted(rows, key=lambda row: (-row.seen, row.id_hash))

    def delete_of_user(self, user: str, keep: str) -> int:
        self.epochs[user] = self.epoch(user) + 1
        return sum(self.delete(row.id_hash) for row in self.of_user(user) if row.id_hash != keep)

    def tally(self, rule: Counter, now: int) -> tuple[int, int, int, dict[str, int]]:
        count, until, expires, attempts = self.counts.get(rule.key, (0, 0, 0, {}))
        if expires <= now:
            count = until = 0
        until = min(until, now + rule.length(count)) if rule.block else 0
        expires = min(expires, max(now, until) + rule.window) if count else 0
        alive = {name: at for name, at in attempts.items() if abs(now - at) < RESERVED_SECONDS}
        return count, until, expires, alive

    def reserve(self, rules: Sequence[Counter], name: str, now: int) -> int:
        found = [(rule, self.tally(rule, now)) for rule in rules if rule.judges]
        wait, full = 0, False
        for rule, (count, until, expires, attempts) in found:
            blocked_until = until if rule.block else expires if count >= rule.limit else 0
            wait = max(wait, blocked_until - now)
            room = rule.limit - (count % rule.limit if rule.block else count)
            full = full or len(attempts.keys() - {name}) >= room
        if full and not wait:
            return OTHERS_FIRST
        for rule, (count, until, expires, attempts) in found:
            more = {} if wait else {name: now}
            self.counts[rule.key] = (count, until, expires, {**attempts, **more})
        return wait

    def settle(self, rules: Sequence[Counter], name: str, outcome: Outcome, now: int) -> None:
        for rule in rules:
            count, until, expires, attempts = self.tally(rule, now)
            attempts.pop(name, None)
            if outcome is Outcome.FAILED:
                count += 1
                if rule.block and count % rule.limit == 0:
                    block = rule.block << (count // rule.limit - 1)
                    until = now + min(block, rule.max_block)
                if rule.block or count == 1:
                    expires = max(now, until) + rule.window
            elif not rule.judges or outcome is Outcome.WITHDRAWN:
                pass
            elif rule.block:
                count = until = expires = 0
            if outcome is Outcome.FORGIVEN and not rule.block:
                count = max(0, count - 1)
            self.counts[rule.key] = (count, until, expires, attempts)


RULES = (
    Counter("x", limit=2, window=300, block=40, max_block=100),
    Counter("y", limit=3, window=400),
    Counter("z", limit=5, window=300),
    Counter("w", limit=2, window=300, block=40, max_block=100, judges=False),
)
ids, users = st.sampled_from("pqrs"), st.sampled_from(["", "ada", "bob"])
chosen = st.lists(st.sampled_from(RULES), min_size=1, unique=True)
steps = st.one_of(
    st.tuples(
        *(st.just("put"), ids, users, st.sampled_from(["", "p", "q"])),
        st.sampled_from([None, 0, 1, 2]),
    ),
    st.tuples(st.just("epoch"), users),
    st.tuples(st.just("update"), ids, st.sampled_from([None, "{}", "[1]"])),
    st.tuples(st.just("delete"), ids),
    st.tuples(st.just("of_user"), users),
    st.tuples(st.just("delete_of_user"), users, st.sampled_from(["", "p", "q"])),
    st.tuples(st.just("reserve"), chosen, ids),
    st.tuples(st.just("reserve"), st.just(list(RULES)), ids),
    st.tuples(st.just("settle"), chosen, ids, st.sampled_from(Outcome)),
    st.tuples(st.just("settle"), st.just(list(RULES)), ids, st.just(Outcome.FAILED)),
)


def take(store: Store | Model, step: tuple[object, ...], now: int, run: str) -> object:
    """Do one step, with every key made the run's own."""

    def own(id_: object) -> str:
        return f"{run}{id_}" if id_ else ""

    done: object = None
    match step:
        case ("put", id_, user, replaces, None | int() as epoch):
            row = SessionRow(own(id_), f"{run}{user}", NOW, now, "", "{}")
            done = store.put(row, NOW + 100 * DAY, own(replaces), epoch)
        case ("epoch", user):
            done = store.epoch(f"{run}{user}")
        case ("update", id_, None | str() as data):
            done = store.update(own(id_), seen=now, data=data)
        case ("delete", id_):
            done = store.delete(own(id_))
        case ("of_user", user):
            done = store.of_user(f"{run}{user}")
        case ("delete_of_user", user, keep):
            done = store.delete_of_user(f"{run}{user}", own(keep))
        case ("reserve", list() as rules, str() as name):
            done = store.reserve([replace(rule, key=own(rule.key)) for rule in rules], name, now)
        case ("settle", list() as rules, str() as name, Outcome() as outcome):
            named = [replace(rule, key=own(rule.key)) for rule in rules]
            store.settle(named, name, outcome, now)
    return done


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(steps, st.integers(-30, 90)), min_size=5, max_size=30))
def test_any_sequence_has_the_outcome_of_the_model(
    store: Store, sequence: list[tuple[tuple[object, ...], int]]
) -> None:
    run, now, model = secrets.token_hex(8), NOW, Model()
    for step, seconds in sequence:
        now += seconds
        assert take(store, step, now, run) == take(model, step, now, run)
    for id_ in "pqrs":
        assert store.get(run + id_) == model.rows.get(run + id_)


# SQLite


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "store.db"
    with closing(SqliteStore(path)) as store:
        store.ping()
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_expired_rows_are_swept(sqlite: SqliteStore) -> None:
    for n in range(20 * SWEEP_EVERY):
        now = NOW + 10 * n
        sqlite.put(replace(ROW, id_hash=f"{n}", seen=now), now + 10)
        attempt(sqlite, [replace(ADDRESS, key=f"{kind}{n}", window=10) for kind in "abc"], now)
    with closing(sqlite3.connect(sqlite.path)) as db:
        sessions = db.execute("SELECT count(*) FROM store_session").fetchone()[0]
        counters = db.execute("SELECT count(*) FROM store_counter").fetchone()[0]
    assert sessions <= SWEEP_EVERY
    assert counters <= 3 * SWEEP_EVERY


@needs_fork
@pytest.mark.contract("THR-5")
def test_what_a_forked_worker_writes_survives_the_end_of_its_parent(sqlite: SqliteStore) -> None:
    sqlite.ping()
    fork = multiprocessing.get_context("fork")
    done, gone = fork.Event(), fork.Event()

    def work() -> None:
        sqlite.put(ROW, NOW + 60)
        done.set()
        gone.wait(60)
        sqlite.put(replace(ROW, id_hash="b" * 64), NOW + 60)
        os._exit(0)

    worker = fork.Process(target=work)
    worker.start()
    assert done.wait(60)
    sqlite.close()
    gone.set()
    worker.join()
    assert len(sqlite.of_user("ada")) == 2


@needs_fork
def test_many_workers_may_start_on_a_new_file(tmp_path: Path) -> None:
    def work() -> None:
        with closing(SqliteStore(tmp_path / "new" / "store.db")) as store:
            store.ping()

    workers = [multiprocessing.get_context("fork").Process(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8


def expect_error(store: SqliteStore, text: str) -> None:
    """Every method names the file and the remedy."""
    calls: list[Callable[[], object]] = [
        lambda: store.get("x"),
        lambda: store.put(ROW, NOW + 60),
        lambda: store.update("x", seen=NOW, data=None),
        lambda: store.delete("x"),
        lambda: store.of_user("ada"),
        lambda: store.delete_of_user("ada"),
        lambda: store.reserve(LOGIN, "a", NOW),
        lambda: store.settle(LOGIN, "a", Outcome.FAILED, NOW),
        lambda: list(store.counted(NOW)),
        lambda: store.forget(["x"]),
        store.ping,
    ]
    for call in calls:
        with pytest.raises(StoreError, match=f"{re.escape(str(store.path))}: .*{text}"):
            call()


def test_another_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Something else altogether.\n" * 100)
    store = SqliteStore(path)
    expect_error(store, "not a database: correct APP_STORE_URL")
    assert path.read_text() == "Something else altogether.\n" * 100
    path.unlink()
    store.ping()  # and the same store works once the file is out of the way
    store.close()


def test_a_file_of_a_newer_release_is_refused(sqlite: SqliteStore) -> None:
    with closing(sqlite3.connect(sqlite.path)) as db:
        db.execute("PRAGMA user_version = 99")
    expect_error(sqlite, "written by a newer release")


def test_who_asks_whether_it_is_ready_does_not_make_it_write(sqlite: SqliteStore) -> None:
    log = sqlite.path.with_name(f"{sqlite.path.name}-wal")
    sqlite.ping()
    size = log.stat().st_size
    for _ in range(20):
        sqlite.ping()
    assert log.stat().st_size == size
    sqlite._pinged -= PING_SECONDS
    sqlite.ping()
    assert log.stat().st_size > size


def test_who_asks_whether_it_is_ready_does_not_make_redis_write(
    redis_url: str, prefix: str
) -> None:
    with closing(RedisStore(redis_url, prefix)) as store, closing(Redis.from_url(redis_url)) as db:
        store.ping()
        assert db.delete(f"{prefix}ping") == 1
        store.ping()
        assert not db.exists(f"{prefix}ping")
        store._pinged -= PING_SECONDS
        store.ping()
        assert db.exists(f"{prefix}ping")


def test_a_file_of_an_older_release_keeps_what_it_has_counted(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        db.execute(
            "CREATE TABLE store_counter (key TEXT PRIMARY KEY, count INT NOT NULL,"
            " until INT NOT NULL, expires INT NOT NULL) WITHOUT ROWID"
        )
        db.execute("INSERT INTO store_counter VALUES ('pair', 4, 0, ?)", (NOW + DAY,))
        db.execute("PRAGMA user_version = 2")
        db.commit()
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        assert fails(store, (PAIR,), 2) == [0, 900]


def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    expect_error(SqliteStore(tmp_path), "must be able to write the file and its folder")
    expect_error(SqliteStore(tmp_path / "file" / "x.db"), "must be able to write the file")


def test_a_corrupt_file_is_named(sqlite: SqliteStore) -> None:
    sqlite.put(ROW, NOW + 60)
    sqlite.close()
    pages = bytearray(sqlite.path.read_bytes())
    pages[4096:] = b"\xff" * (len(pages) - 4096)
    sqlite.path.write_bytes(pages)
    with pytest.raises(StoreError, match="malformed: stop the service, move the file away"):
        sqlite.get(ROW.id_hash)


def test_a_full_disk_is_named_and_loses_nothing(sqlite: SqliteStore) -> None:
    sqlite.put(ROW, NOW + 60)
    sqlite._idle[0][1].execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match="full: free space"):
        sqlite.put(replace(ROW, id_hash="b" * 64, data="x" * 100_000), NOW + 60)
    assert sqlite.of_user("ada") == [ROW]


def test_a_file_locked_for_too_long_is_an_error_for_writers_only(
    sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_SECONDS", 0.1)
    sqlite.put(ROW, NOW + 60)
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked: end the program that holds it"):
            attempt(sqlite, LOGIN, NOW)
        assert sqlite.get(ROW.id_hash) == ROW
        other.execute("ROLLBACK")
        assert attempt(sqlite, LOGIN, NOW) == 0


# Redis and Valkey


def test_redis_that_forgot_the_script_gets_it_again(redis_url: str, prefix: str) -> None:
    with closing(RedisStore(redis_url, prefix)) as store, Redis.from_url(redis_url) as client:
        fails(store, (PAIR,), 4)
        client.script_flush()
        assert fails(store, (PAIR,), 2) == [0, 900]


@pytest.mark.contract("THR-5")
def test_redis_down_is_an_error_at_once_and_its_return_is_noticed(
    relay: Relay, prefix: str
) -> None:
    with closing(RedisStore(relay.url, prefix)) as store:
        assert fails(store, LOGIN, 4) == [0] * 4
        relay.stop()
        start = time.monotonic()
        for call in (store.ping, lambda: store.get("x"), lambda: attempt(store, LOGIN, NOW)):
            with pytest.raises(StoreError, match="refused"):
                call()
        assert time.monotonic() - start < 2
        relay.start()
        assert fails(store, LOGIN, 2) == [0, 900]


def test_redis_that_hangs_is_an_error_soon(relay: Relay, prefix: str) -> None:
    with closing(RedisStore(relay.url, prefix)) as store:
        store.ping()
        relay.hang = True
        start = time.monotonic()
        with pytest.raises(StoreError, match="Timeout"):
            attempt(store, LOGIN, NOW)
        assert time.monotonic() - start < 2
        relay.hang = False
        assert fails(store, LOGIN, 6)[-1] == 900


def test_an_answer_lost_on_the_way_never_leaves_an_attempt_uncounted(
    relay: Relay, prefix: str
) -> None:
    with closing(RedisStore(relay.url, prefix)) as store:
        fails(store, (PAIR,), 3)
        relay.lose_answers = 1
        assert store.reserve((PAIR,), "one", NOW) == 0  # asked twice, reserved once
        assert store.reserve((PAIR,), "two", NOW) == 0
        store.settle((PAIR,), "two", Outcome.WITHDRAWN, NOW)
        relay.lose_answers = 1
        store.settle((PAIR,), "one", Outcome.FAILED, NOW)  # told twice, counted twice
        assert attempt(store, (PAIR,)) == 900
        fails(store, (ACCOUNT,), 3)
        relay.lose_answers = 1
        with pytest.raises(StoreError):
            forgive(store, (ACCOUNT,))
        rule = replace(ACCOUNT, limit=4)  # 3 failures, given back once
        assert fails(store, (rule,), 3) == [0, 0, DAY]


def test_services_that_share_a_redis_do_not_meet(redis_url: str, prefix: str) -> None:
    with (
        closing(RedisStore(redis_url, prefix)) as one,
        closing(RedisStore(redis_url, prefix + "2")) as two,
    ):
        one.put(ROW, NOW + 60)
        fails(one, (PAIR,), 5)
        assert two.of_user("ada") == []
        assert two.delete_of_user("ada") == 0
        assert attempt(two, (PAIR,), NOW) == 0
        assert one.of_user("ada") == [ROW]


def test_nothing_stays_in_redis_for_ever(redis_url: str, prefix: str) -> None:
    with closing(RedisStore(redis_url, prefix)) as store, Redis.from_url(redis_url) as client:
        store.put(ROW, NOW + 60)
        store.put(replace(ROW, id_hash="b" * 64), NOW + 90)
        store.update(ROW.id_hash, seen=NOW + 1, data="{}")
        attempt(store, LOGIN, NOW)
        attempt(store, LOGIN, NOW)
        forgive(store, (ACCOUNT,), NOW)
        keys = list(client.scan_iter(match=f"{prefix}*", count=1000))
        assert len(keys) == 6
        assert all(0 < client.ttl(key) <= DAY for key in keys)
        # An entry whose session ran out goes when the list is read, or an hour later.
        client.delete(f"{prefix}s:{ROW.id_hash}")
        assert [row.id_hash[0] for row in store.of_user("ada")] == ["b"]
        assert client.zcard(f"{prefix}u:ada") == 1
        store.put(replace(ROW, id_hash="c" * 64, seen=NOW + 3691), NOW + 3700)
        assert client.zcard(f"{prefix}u:ada") == 1
        store.delete("c" * 64)
        assert not client.exists(f"{prefix}u:ada")


def test_redis_refusals_are_store_errors_without_the_password(redis_url: str) -> None:
    where = urlsplit(redis_url).netloc.rpartition("@")[2]
    store = RedisStore(f"redis://nobody:hunter2@{where}/0")
    with pytest.raises(StoreError) as refused:
        store.ping()
    store.close()
    assert where in str(refused.value)
    assert "hunter2" not in str(refused.value)


# URLs


def test_valkey_urls_are_redis_urls(redis_url: str) -> None:
    with closing(open_store(redis_url.replace("redis", "valkey", 1))) as store:
        store.ping()


def test_a_sqlite_url_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, path in (
        (f"sqlite:///{tmp_path}/a b.db", tmp_path / "a b.db"),
        ("sqlite:///var/store.db", tmp_path / "var" / "store.db"),
    ):
        with closing(open_store(url)) as store:
            monkeypatch.chdir("/")
            store.ping()
            monkeypatch.chdir(tmp_path)
        assert path.exists()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://var/store.db",
        "memcached://:hunter2@localhost/0",
        "redis:hunter2",
        "redis://:hunter2@localhost:port/0",
        "redis://:hunter2@localhost/0?unknown=1",
        "rediss://:hunter2@localhost/0?ssl_cert_reqs=maybe",
    ],
)
def test_other_urls_are_refused_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        open_store(url)
    assert "hunter2" not in str(refused.value)
