"""The command line: every command is there and says what it does, wherever its code stands."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from my_service.app import commands
from my_service.operate.cli import main

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
