"""The move from SQLite to servers: what it takes, what is in its way, how it goes on (DAT-5)."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from .. import services, test_dat_move
from ..conftest import Make
from ..driver import PACKAGE, Browser, Inside

store_url = test_dat_move.store_url

MANY = 1500
"""Rows: more than one batch."""
HERE = """
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INT REFERENCES tree (id), flag BOOLEAN,
  at DATETIME, plain DATETIME, day DATE, data BLOB, amount NUMERIC, share REAL, doc JSON, name TEXT,
  number CHAR(32), span BIGINT, host CHAR(39));
CREATE TABLE pair (one INT REFERENCES tree (id), two INT, PRIMARY KEY (one, two)) WITHOUT ROWID;
INSERT INTO tree VALUES (1, 7, 1, '2026-03-01 10:11:12.500000', '2026-03-01 10:11:12', '2026-03-01',
  x'00ff', 1.1, 0.1, '{"b": 1, "a": [true, null]}', 'back\\slash ''quote'' tab\tend',
  '0123456789abcdef0123456789abcdef', 61000001, '2001:db8::1');
INSERT INTO tree (id, parent, flag) VALUES (7, 1, 0);
INSERT INTO pair VALUES (7, 1), (1, 7);
"""
THERE = """
CREATE TABLE tree (id serial PRIMARY KEY, parent int REFERENCES tree (id), flag boolean,
  at timestamptz, plain timestamp, day date, data bytea, amount numeric(10, 2),
  share double precision, doc jsonb, name text, number uuid, span interval, host inet);
CREATE TABLE pair (one int REFERENCES tree (id), two int, PRIMARY KEY (one, two));
CREATE TABLE many (id serial PRIMARY KEY, text varchar(10) NOT NULL)
"""
MANY_HERE = """
CREATE TABLE many (id INTEGER PRIMARY KEY, text VARCHAR(10) NOT NULL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO many SELECT i, 'row ' || i FROM n
"""


class Moving(test_dat_move.Moving):
    """A move whose two ends a test can look at and change."""

    def sql(self, text: str, *values: object) -> None:
        """Change the tables of the source."""
        with closing(sqlite3.connect(self.here.database)) as database:
            for statement in filter(str.strip, text.split(";")):
                database.execute(statement, values if "?" in statement else ())
            database.commit()

    def ask(self, text: str) -> list[tuple[object, ...]]:
        """Ask or change the target's tables."""
        with psycopg.connect(self.there.database_url, autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def stored(self) -> set[str]:
        """Return what the target's store holds."""
        with Redis.from_url(self.there.store_url, decode_responses=True) as client:
            return {*client.scan_iter(f"{PACKAGE}:*")}


@pytest.fixture
def serving(make: Make) -> Inside:
    return make()


@pytest.fixture
def browser(serving: Inside) -> Browser:
    """Somebody who has logged in, once before the move."""
    return serving.member()


@pytest.fixture
def moving(
    serving: Inside, browser: Browser, tmp_path: Path, postgres_url: str, store_url: str
) -> Moving:
    """The service of `serving`, stopped after somebody has logged in."""
    assert browser.logged_in()
    folder = tmp_path / "stopped"
    folder.mkdir()
    return Moving(serving, folder, postgres_url, store_url)


def counts(moving: Moving) -> dict[str, int]:
    """Return how many rows each table of the target has."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    return {
        str(name): int(str(moving.ask(f'SELECT count(*) FROM "{name}"')[0][0]))  # noqa: S608 - its own
        for (name,) in moving.ask(tables)
    }


@pytest.mark.contract("DAT-5")
def test_a_dry_run_tries_all_and_keeps_nothing(moving: Moving) -> None:
    moving.make_tables()
    moving.sql(HERE + MANY_HERE, MANY)
    moving.ask(THERE)
    before = counts(moving)
    result = moving.run("--dry-run")
    assert result.exit_code == 0, result.output
    assert f"many: {MANY} rows" in result.output
    assert counts(moving) == before
    assert not moving.stored()
    moving.sql("UPDATE many SET text = 'much too long' WHERE id = 1400")
    result = moving.run("--dry-run")
    assert result.exit_code == 1
    assert "many, row 1400: value too long" in result.output
    assert counts(moving) == before
    assert moving.ask("SELECT nextval('many_id_seq')") == [(1,)]


@pytest.mark.contract("DAT-5")
def test_values_of_all_types_and_circles(moving: Moving) -> None:
    moving.make_tables()
    moving.sql(HERE + MANY_HERE, MANY)
    # What a row belongs to comes in a later batch.
    moving.sql("INSERT INTO tree (id) SELECT id + 100 FROM many")
    moving.sql("INSERT INTO tree (id, parent) VALUES (2, ?)", MANY)
    moving.ask(THERE)
    result = moving.run()
    assert result.exit_code == 0, result.output
    assert "compared" in result.output
    assert "move_progress" not in counts(moving)
    assert not any("moving" in key for key in moving.stored())
    row = moving.ask(
        "SELECT parent, flag, extract(epoch FROM at)::text, plain::text, day::text, data,"
        " amount::text, share, doc->'a'->0, name, number::text, span::text, host::text"
        " FROM tree WHERE id = 1"
    )
    assert row == [
        (
            7,
            True,
            "1772359872.500000",
            "2026-03-01 10:11:12",
            "2026-03-01",
            b"\x00\xff",
            "1.10",
            0.1,
            True,
            "back\\slash 'quote' tab\tend",
            "01234567-89ab-cdef-0123-456789abcdef",
            "00:01:01.000001",
            "2001:db8::1/128",
        )
    ]
    # Foreign keys hold as before, and new rows get numbers that are free.
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        moving.ask("INSERT INTO tree (parent) VALUES (99)")
    assert moving.ask("INSERT INTO many (text) VALUES ('new') RETURNING id") == [(MANY + 1,)]
    assert moving.ask(
        "SELECT condeferrable FROM pg_constraint WHERE conname = 'tree_parent_fkey'"
    ) == [(False,)]


@pytest.mark.contract("DAT-5")
def test_what_was_interrupted_goes_on(moving: Moving) -> None:
    moving.make_tables()
    moving.sql(MANY_HERE, MANY)
    moving.ask(THERE.rpartition(";")[2])
    moving.sql("UPDATE many SET text = 'a' || char(0) || 'b' WHERE id = 1400")
    result = moving.run()
    assert result.exit_code == 1
    assert "many, row 1400: text: a NUL character" in result.output
    assert counts(moving)["many"] == 1000
    # It is nobody else's to go on with, and no dry run's.
    assert moving.run("--dry-run").exit_code == 1
    moving.sql("UPDATE many SET text = 'ab' WHERE id = 1400")
    result = moving.run()
    assert result.exit_code == 0, result.output
    assert "many: 1000 of" not in result.output
    assert counts(moving)["many"] == MANY
    # A second time there is nothing that may be overwritten.
    result = moving.run()
    assert result.exit_code == 1
    assert "already" in result.output


@pytest.mark.contract("DAT-5")
def test_rows_that_changed_meanwhile_are_noticed(moving: Moving) -> None:
    moving.make_tables()
    moving.sql(MANY_HERE, MANY)
    moving.ask(THERE.rpartition(";")[2])
    moving.sql("UPDATE many SET text = 'much too long' WHERE id = 1400")
    assert moving.run().exit_code == 1
    # The service ran again, and wrote to what was copied already.
    moving.sql("UPDATE many SET text = 'ab' WHERE id IN (5, 1400)")
    result = moving.run()
    assert result.exit_code == 1
    assert "many:" in result.output
    assert "--restart" in result.output
    result = moving.run("--restart")
    assert result.exit_code == 0, result.output
    assert moving.ask("SELECT text FROM many WHERE id = 5") == [("ab",)]


@pytest.mark.contract("DAT-5")
def test_what_an_interrupted_run_left_in_the_store_goes(moving: Moving) -> None:
    moving.make_tables()
    with Redis.from_url(moving.there.store_url) as client:
        client.set(f"{PACKAGE}:moving", str(moving.here.store))
        client.set(f"{PACKAGE}:s:{'0' * 64}", "ended since")
    result = moving.run()
    assert result.exit_code == 0, result.output
    stored = moving.stored()
    assert f"{PACKAGE}:s:{'0' * 64}" not in stored
    assert f"{PACKAGE}:moving" not in stored
    assert any(key.startswith(f"{PACKAGE}:s:") for key in stored)


def has_rows(moving: Moving) -> None:
    moving.ask(THERE.rpartition(";")[2])
    moving.sql(MANY_HERE, 2)
    moving.ask("INSERT INTO many (text) VALUES ('mine')")


def has_sessions(moving: Moving) -> None:
    with Redis.from_url(moving.there.store_url) as client:
        client.set(f"{PACKAGE}:s:{'0' * 64}", "")


def has_another_move(moving: Moving) -> None:
    with Redis.from_url(moving.there.store_url) as client:
        client.set(f"{PACKAGE}:moving", "/elsewhere")


def lacks_keys(moving: Moving) -> None:
    moving.write(APP_SECRET_KEYS="another key of many words that is used nowhere")


def lacks_a_table(moving: Moving) -> None:
    moving.sql(MANY_HERE, 2)


def lacks_a_column(moving: Moving) -> None:
    moving.sql("CREATE TABLE many (id INTEGER PRIMARY KEY, text TEXT, more TEXT)")
    moving.ask(THERE.rpartition(";")[2])


def is_behind(moving: Moving) -> None:
    """Both lack the last migration, so that they are of one version."""
    names = {str(name) for (name,) in moving.ask("SELECT tablename FROM pg_tables")}
    last = "DELETE FROM alembic_version"
    if "django_migrations" in names:
        last = "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations)"
    moving.sql(last)
    moving.ask(last)


def is_of_another_version(moving: Moving) -> None:
    names = {str(name) for (name,) in moving.ask("SELECT tablename FROM pg_tables")}
    if "django_migrations" in names:
        moving.ask("DELETE FROM django_migrations WHERE id = 1")
    else:
        moving.ask("UPDATE alembic_version SET version_num = 'older'")


def has_orphans(moving: Moving) -> None:
    moving.sql(HERE)
    moving.sql("INSERT INTO pair VALUES (99, 1)")


def leads_to_a_file(moving: Moving) -> None:
    moving.write(APP_DATABASE_URL=f"sqlite:///{moving.here.folder}/other.sqlite3")


def leads_nowhere(moving: Moving) -> None:
    moving.write(**moving.here.environment())


def leads_to_no_server(moving: Moving) -> None:
    port = services.free_port()
    moving.write(APP_DATABASE_URL=f"postgresql://test@127.0.0.1:{port}/postgres")


@pytest.mark.contract("DAT-5")
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (has_rows, "table many has 1 rows already"),
        (has_sessions, "store holds sessions"),
        (has_another_move, "unfinished move of /elsewhere"),
        (lacks_keys, "APP_SECRET_KEYS"),
        (lacks_a_table, "no table many"),
        (lacks_a_column, "no column more"),
        (is_behind, "db upgrade"),
        (is_of_another_version, "another version"),
        (has_orphans, "belongs to a row of tree"),
        (leads_to_a_file, "backup"),
        (leads_nowhere, "nothing to move"),
        (leads_to_no_server, "cannot connect"),
    ],
)
def test_what_is_in_the_way_is_named(
    moving: Moving, harm: Callable[[Moving], None], said: str
) -> None:
    moving.make_tables()
    harm(moving)
    before = counts(moving)
    result = moving.run()
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
    assert counts(moving) == before


@pytest.mark.contract("DAT-5")
def test_no_tables_yet(moving: Moving) -> None:
    result = moving.run()
    assert result.exit_code == 1
    assert "make them by `db upgrade`" in result.output


@pytest.mark.contract("DAT-5")
def test_a_service_that_runs_is_not_moved(moving: Moving) -> None:
    moving.make_tables()
    # As `run` holds it.
    with (moving.here.folder / ".serving").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        result = moving.run()
        assert result.exit_code == 1
        assert "stop it first" in result.output
        assert moving.run("--dry-run").exit_code == 0
    with closing(sqlite3.connect(moving.here.database)) as database:
        database.execute("SELECT * FROM sqlite_master").fetchone()
        result = moving.run()
        assert result.exit_code == 1
        assert "in use" in result.output
