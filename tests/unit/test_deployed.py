"""By which facts of the machine nginx's configuration is made: `operate/deployed.py`."""

from __future__ import annotations

import socket
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import click
import pytest

from my_service.operate import deployed

DEPLOY = Path(__file__).parents[3] / "deploy"


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


def release() -> Any:
    """Return `deploy/release.py`, which is no module of the package."""
    spec = spec_from_file_location("release", DEPLOY / "release.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_release_asks_by_a_name_that_is_served(tmp_path: Path) -> None:
    """Another one is answered with 400, so that no version would ever be ready."""
    file = tmp_path / "hosts"
    file.write_text("app.test, b.test\n", "utf-8")
    found = release()
    assert found._host({"APP_HOSTS": "app.test:8443,b.test"}) == "app.test:8443"
    assert found._host({"APP_HOSTS_FILE": str(file)}) == "app.test"
    with pytest.raises(found.ReleaseError, match="APP_HOSTS_FILE: /nowhere"):
        found._host({"APP_HOSTS_FILE": "/nowhere"})


def test_a_container_is_asked_by_a_name_that_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # From there, since the path of a socket has 107 letters at most.
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "hosts"
    file.write_text("app.test, b.test\n", "utf-8")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        listener.listen()
        command = [sys.executable, str(DEPLOY / "docker" / "health.py"), "s"]
        with subprocess.Popen(command, env={"APP_HOSTS_FILE": str(file)}) as asking:
            connection, _ = listener.accept()
            with connection:
                asked = connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            assert asking.wait(10) == 0
    assert b"\r\nHost: app.test\r\n" in asked


@pytest.mark.parametrize("line", ["export APP_ENV=production", "APP_ENV", "=x", "APP_HOSTS=a\0b"])
def test_a_line_that_sets_nothing_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "env"
    file.write_text(f"# of the service\n{line}\n", "utf-8")
    with pytest.raises(click.ClickException, match=f"{file}, line 2: write it as NAME=value"):
        deployed.adopt(file)


def test_what_is_no_text_is_no_configuration(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_bytes(b"\xe9")
    with pytest.raises(click.ClickException, match="is no text"):
        deployed.made_by(file)
