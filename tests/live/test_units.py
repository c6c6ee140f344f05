"""The units for systemd: what they leave an intruder, and that all files name the same places."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.needs import needs
from tests.projects import CHOICES, ROOT, Project

NAME = "my-service"
DEBIANS = Path("/lib/systemd/system/nginx.service")
# The exposure that `systemd-analyze security` states, 0 to 10: docs/deploy.md says the same.
LEVELS = {
    f"{NAME}@.service": {"embedded": 0.4, "distributed": 1.2},
    f"{NAME}-backup.service": {"embedded": 0.4, "distributed": 1.2},
    f"{NAME}-certificates.service": {"embedded": 3.0, "distributed": 3.0},
    "nginx.service": {"embedded": 2.8, "distributed": 2.8},
}


def units(project: Project) -> Path:
    """Return the folder of the units."""
    return project.path / "deploy" / "systemd"


@pytest.mark.parametrize("storage", CHOICES["storage"])
@pytest.mark.parametrize("unit", LEVELS)
def test_exposure(rendered: Render, tmp_path: Path, storage: str, unit: str) -> None:
    analyze = needs("systemd-analyze")
    needs("nginx")
    target = tmp_path / "etc" / "systemd" / "system"
    shutil.copytree(units(rendered(storage=storage)), target)
    shutil.copy(DEBIANS, target)
    command = [analyze, "security", "--offline=true", f"--root={tmp_path}", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= LEVELS[unit][storage]


def test_places_are_the_same_everywhere(rendered: Render) -> None:
    project = rendered()
    machine = tomllib.loads((project.path / "deploy" / "edge.toml").read_text())
    service = (units(project) / f"{NAME}@.service").read_text()
    nginx = (units(project) / "nginx.service.d" / "edge.conf").read_text()
    renewal = (units(project) / f"{NAME}-certificates.service").read_text()
    environment = (project.path / ".env.example").read_text()
    for slot, application in zip(("blue", "green"), machine["sockets"], strict=True):
        own = service.replace("%i", slot)
        assert f"--uds {application} " in own
        assert f"RuntimeDirectory={Path(application).parent.name}\n" in own
        assert f"WorkingDirectory=/opt/{NAME}/{slot}\n" in own
        assert f"After={NAME}@" in nginx
        assert f"{NAME}@{slot}.service" in nginx
    assert f"WorkingDirectory=/opt/{NAME}/live\n" in renewal
    assert f"StateDirectory={NAME}\n" in service
    assert f"sqlite:////var/lib/{NAME}/" in environment
    assert f"CacheDirectory={Path(machine['cache']).name}\n" in nginx
    for path in (machine["cache"], machine["webroot"], "/etc/letsencrypt", f"/etc/{NAME}"):
        assert path in renewal
    assert machine["certificates"].startswith("/etc/letsencrypt/")
    assert machine["pid"] == re.search(r"PIDFile=(\S+)", DEBIANS.read_text())[1]  # type: ignore[index]  # there is one
    assert "KillMode=control-group" in service


def test_commands_of_the_guide_are_the_projects(rendered: Render) -> None:
    """One of the two is read by people who have no project yet."""
    answers = {"project_name": "my-app", "domain": "my-app.example.com"}
    own = (rendered(**answers).path / "deploy" / "README.md").read_text("utf-8")
    guide = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    (commands, *_) = re.findall(r"```console\n(.*?)```", own, re.DOTALL)
    assert len(commands.splitlines()) == 9
    assert commands in guide
    for levels in LEVELS.values():
        for level in levels.values():
            assert str(level) in guide
