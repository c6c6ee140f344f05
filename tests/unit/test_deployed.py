"""By which facts of the machine nginx's configuration is made: `operate/deployed.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from my_service.operate import deployed


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """Return a link to a version, which has facts."""
    facts = tmp_path / "blue" / "deploy" / "edge.toml"
    facts.parent.mkdir(parents=True)
    facts.touch()
    (tmp_path / "live").symlink_to("blue")
    return tmp_path / "live"


def test_facts_keep_the_name_by_which_they_were_given(live: Path) -> None:
    """A renewal knows the folder alone; by its name the next release would be another machine."""
    facts = live / "deploy" / "edge.toml"
    file = live.parent / "nginx.conf"
    file.write_text(f"# machine: {facts}\n", "utf-8")
    assert deployed.machine_file(file, facts.resolve()) == facts


def test_a_new_file_is_made_by_what_is_shipped(live: Path) -> None:
    facts = live / "deploy" / "edge.toml"
    assert deployed.machine_file(live.parent / "nginx.conf", facts) == facts


def test_facts_of_the_machine_come_first(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = live.parent / "etc" / "edge.toml"
    own.parent.mkdir()
    own.touch()
    monkeypatch.setattr(deployed, "folder", lambda: own.parent)
    facts = live / "deploy" / "edge.toml"
    file = live.parent / "nginx.conf"
    file.write_text(f"# machine: {facts}\n", "utf-8")
    assert deployed.machine_file(file, facts.resolve()) == own
