"""The command line: every command is there and says what it does, wherever its code stands."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from my_service.app import commands
from my_service.operate import edge
from my_service.operate.cli import main
from my_service.security.database_errors import cannot_connect
from my_service.security.stores import StoreError

NAMES = main.list_commands(click.Context(main))


def test_every_kind_of_command_is_listed() -> None:
    assert {"check", "drift", "run"} <= set(NAMES)  # of the module itself
    assert {"backup", "db", "edge", "move", "sessions", "user"} <= set(NAMES)
    assert sorted(set(NAMES)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_command_is_found_by_its_name(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.help
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_commands_of_the_application_are_there_and_never_in_the_place_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, theirs = (click.Command(name, callback=lambda: click.echo("own")) for name in ("x", "db"))
    monkeypatch.setattr(commands, "COMMANDS", (own, theirs))
    assert "x" in main.list_commands(click.Context(main))
    assert CliRunner().invoke(main, ["x"]).output.endswith("own\n")
    assert main.get_command(click.Context(main), "db") is not theirs


def test_unknown_command_is_an_error_of_use() -> None:
    done = CliRunner().invoke(main, ["nothing"])
    assert done.exit_code == 2
    assert "No such command 'nothing'" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("audit", "--sarif", "{folder}/none/x"), "none/x: No such file or directory; name"),
        (("audit", "--sarif", "{folder}"), "Is a directory; name another file"),
        (("edge", "{folder}"), "Is a directory; look at its place"),
        (("edge", "{folder}/n", "--machine", "{folder}/latin"), "latin: 'utf-8' codec"),
        (("edge", "{folder}/latin"), "latin is no text"),
        (("edge", "{folder}/n", "--policy", "{folder}/latin"), "latin is no text of UTF-8"),
        (("certificates", "{folder}/n", "--policy", "{folder}/latin"), "latin is no text of UTF-8"),
        (("edge", "{folder}/none/n", "--machine", "{folder}/facts"), "none/n.{pid}: No such file"),
        (("edge", "{folder}/n", "--machine", "{folder}/closed"), "latin: File exists; look at"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    monkeypatch.setattr(edge.Nginx, "errors", lambda *_: "")
    shipped = Path("deploy", "edge.toml").read_text("utf-8")
    for name, place in (("facts", tmp_path), ("closed", tmp_path / "latin")):
        lines = re.sub(r"(?m)^(cache|webroot) = .*$", rf'\1 = "{place}"', shipped)
        (tmp_path / name).write_text(lines, "utf-8")
    done = CliRunner().invoke(main, [word.format(folder=tmp_path) for word in words])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)
    assert said.format(pid=os.getpid()) in done.output
    assert (tmp_path / "latin").read_bytes() == b"\xe9"


def test_a_database_that_is_held_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as holder,
        closing(sqlite3.connect(path, timeout=0)) as other,
    ):
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as held:
            other.execute("CREATE TABLE one (id)")

    def disable() -> None:
        raise StoreError(f"database: {held.value}") from held.value

    own = click.Command("x", callback=disable)
    monkeypatch.setattr(commands, "COMMANDS", (own,))
    said = "database is locked; end the program that holds it"
    assert said in CliRunner().invoke(main, ["x"]).output
    assert said in str(cannot_connect(held.value))
    assert "start the database" in str(cannot_connect("refused"))
