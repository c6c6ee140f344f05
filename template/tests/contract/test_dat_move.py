# Owned by the template: extend, do not edit.
"""The move from SQLite to servers, with the tables of this service: a PostgreSQL, and a Redis."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import pytest
from click.testing import Result
from redis import Redis

from .conftest import Make
from .driver import PACKAGE, Inside, run_cli

pytestmark = pytest.mark.servers

LIMIT_AT = "198.51.100.77"


@pytest.fixture
def store_url(redis_url: str) -> Iterator[str]:
    """A store with nothing of this service in it."""
    url = urlsplit(redis_url)._replace(path="/9").geturl()

    def empty() -> None:
        with Redis.from_url(url) as client:
            for key in client.scan_iter(f"{PACKAGE}:*"):
                client.delete(key)

    empty()
    yield url
    empty()


class Moving:
    """A service that was stopped, and the servers that it is to move to."""

    def __init__(self, serving: Inside, folder: Path, database_url: str, store_url: str) -> None:
        self.serving = serving
        self.here = replace(serving.files, folder=folder)
        for name in ("database", "store"):
            with (
                closing(sqlite3.connect(getattr(serving.files, name))) as source,
                closing(sqlite3.connect(getattr(self.here, name))) as target,
            ):
                source.backup(target)
        self.there = replace(self.here, database_url=database_url, store_url=store_url)
        self.file = folder / "env.new"
        self.write()

    def write(self, **other: str) -> None:
        """Write the settings that are to be."""
        lines = (f"{name}={text}" for name, text in {**self.there.environment(), **other}.items())
        self.file.write_text("\n".join(lines), "utf-8")

    def make_tables(self) -> None:
        result = run_cli("db", "upgrade", environment=self.there.environment())
        assert result.exit_code == 0, result.output

    def run(self, *options: str) -> Result:
        """Move, at the time of the service."""
        with mock.patch("time.time", self.serving.clock):
            return run_cli(
                "move", "--to", str(self.file), *options, environment=self.here.environment()
            )


@pytest.mark.contract("DAT-5")
def test_everything_arrives(make: Make, tmp_path: Path, postgres_url: str, store_url: str) -> None:
    serving = make()
    user, blocked = serving.add_user("J\u00f6rg \u00c5ngstr\u00f6m"), serving.add_user()
    browser = serving.login(user)
    note = {"title": "Tea \u20ac", "body": "back\\slash\ttab\n'quote' \\N"}
    noted = browser.api("POST", "/api/notes", json.dumps(note).encode()).status_code == 201
    for _ in range(serving.policy.throttle.pair.limit):
        serving.visitor(LIMIT_AT).login(blocked.name, "wrong password")
    folder = tmp_path / "stopped"
    folder.mkdir()
    moving = Moving(serving, folder, postgres_url, store_url)
    moving.make_tables()
    result = moving.run()
    assert result.exit_code == 0, result.output
    assert "compared" in result.output
    listed = [
        json.loads(run_cli("user", "list", "--json", environment=files.environment()).stdout)
        for files in (moving.here, moving.there)
    ]
    assert len(listed[0]) == 2
    assert listed[0] == listed[1]
    with closing(Inside(moving.there, serving.clock)) as moved:
        # The session of before, the password, and what counts against an address.
        browser.service = moved
        assert browser.logged_in()
        assert moved.visitor(LIMIT_AT).login(blocked.name, blocked.password).status_code == 429
        again = moved.login(user)
        assert len(again.sessions()) == 1
        if noted:
            found = again.api("GET", "/api/notes").json()["notes"][0]
            assert {**found, **note} == found
        assert moved.login(moved.add_user()).logged_in()
        assert browser.post("/logout").status_code == 303
        assert not browser.logged_in()
