"""An update that was killed: what it left does not pass for the user's work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hooks.conftest import BASELINE, WEAKER, Project, release


@pytest.fixture
def killed(template: Project, service: Project, tmp_path: Path) -> Project:
    """Return a project whose update to a weaker policy was killed before it was judged."""
    template.write(f"template/{BASELINE}", WEAKER)
    release(template, "v3.0.0")
    places = service.environment["PATH"].split(os.pathsep)
    copier = next(Path(place, "copier") for place in places if Path(place, "copier").exists())
    slow = tmp_path / "slow" / "copier"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\n"{copier}" "$@"\nexec sleep 60\n')
    slow.chmod(0o700)
    path = f"{slow.parent}{os.pathsep}{service.environment['PATH']}"
    with subprocess.Popen(
        [sys.executable, str(service.path / "hooks" / "update")],
        env={**service.environment, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as update:
        end = time.monotonic() + 120
        look = ("--no-optional-locks", "status", "--porcelain", "-uall")
        while "directions.toml" not in service.git(*look):
            assert time.monotonic() < end, "the update never began"
            time.sleep(0.05)
        refused = service.hook("verify")
        assert refused.returncode == 2
        assert "an update is running" in refused.stderr
        os.killpg(update.pid, signal.SIGKILL)
    (service.path / ".git" / "index.lock").unlink(missing_ok=True)
    return service


def assert_named(project: Project) -> None:
    """Assert that each command names the update and the two ways on."""
    for name in ("update", "verify", "pre-commit", "pre-push"):
        done = project.hook(name)
        assert done.returncode == 2, name
        assert "an update from v1.0.0 was cut off" in done.stderr
        assert "`hooks/update --back`" in done.stderr
        assert "`hooks/update --again`" in done.stderr


def values(project: Project) -> str:
    return (project.path / BASELINE).read_text()


def test_the_ways_on_are_back(killed: Project) -> None:
    before = killed.git("show", f"HEAD:{BASELINE}")
    assert_named(killed)
    # A lock of a git that died with it is in nobody's way.
    (killed.path / ".git" / "index.lock").touch()
    done = killed.hook("update", "--back")
    assert done.returncode == 0, done.stderr
    assert values(killed).strip() == before
    assert not killed.git("status", "--porcelain")
    assert killed.hook("update", "--back").stderr == "update: no update was cut off here\n"


def test_or_again_which_asks_about_weaker_values(killed: Project) -> None:
    before = killed.git("show", f"HEAD:{BASELINE}")
    done = killed.hook("update", "--again")
    assert done.returncode == 2
    assert "weaker: headers.hsts.max-age; agree by --accept-weaker" in done.stderr
    assert values(killed).strip() == before


def test_a_commit_of_it_does_not_make_it_whole(killed: Project) -> None:
    """The new version's number with values that nobody agreed to."""
    before = killed.git("rev-parse", "HEAD")
    killed.git("add", "--all")
    killed.git("config", "core.hooksPath", "hooks")
    assert killed.run("git", "commit", "--quiet", "--message", "All").returncode != 0
    killed.commit("All")
    assert_named(killed)
    done = killed.hook("update", "--back")
    assert done.returncode == 0, done.stderr
    assert killed.git("rev-parse", "HEAD") == before
    assert "kept in the branch update-cut-off-" in done.stdout
    assert not killed.git("status", "--porcelain")


def test_nor_does_a_stash(killed: Project) -> None:
    killed.git("stash", "push", "--quiet", "--include-untracked")
    assert_named(killed)
    assert "git stash drop" in killed.hook("update", "--back").stderr
    killed.git("stash", "pop", "--quiet")
    assert_named(killed)
    assert killed.hook("update", "--back").returncode == 0
    assert not killed.git("status", "--porcelain")


def test_who_went_back_by_hand_works_on(killed: Project) -> None:
    killed.git("reset", "--hard", "--quiet")
    killed.git("clean", "-fdq")
    killed.write("mine.txt", "mine\n")
    assert "commit or stash your changes first: mine.txt" in killed.hook("update").stderr
    assert "cut off" not in killed.hook("pre-push").stderr


def test_another_branch_is_not_concerned(killed: Project) -> None:
    killed.git("branch", "other", "HEAD")
    killed.git("stash", "push", "--quiet", "--include-untracked")
    killed.git("stash", "drop", "--quiet")
    killed.git("switch", "--quiet", "other")
    killed.write("mine.txt", "mine\n")
    killed.commit()
    assert "cut off" not in killed.hook("pre-push").stderr
