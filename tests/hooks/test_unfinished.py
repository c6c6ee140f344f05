"""An update that was killed: what it left does not pass for the user's work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.hooks.conftest import BASELINE, WEAKER, Project, release, updating


@pytest.fixture
def killed(template: Project, service: Project, tmp_path: Path) -> Project:
    """Return a project whose update to a weaker policy was killed before it was judged."""
    template.write(f"template/{BASELINE}", WEAKER)
    release(template, "v3.0.0")
    script = '"{copier}" "$@"\nexec sleep 60'
    with updating(service, tmp_path, script, stdout=subprocess.DEVNULL) as update:
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


def test_what_was_written_since_then_is_kept(killed: Project) -> None:
    """Who did not see that the update was cut off goes on working."""
    before = killed.git("show", f"HEAD:{BASELINE}")
    killed.write("src/demo/app/mine.py", "MINE = 1\n")
    killed.write("mine.txt", "mine\n")
    done = killed.hook("update", "--back")
    assert done.returncode == 0, done.stderr
    assert not killed.git("status", "--porcelain")
    kept = done.stdout.partition("is kept in the branch ")[2].partition(":")[0]
    assert killed.git("show", f"{kept}:mine.txt") == "mine"
    assert killed.git("show", f"{kept}:src/demo/app/mine.py") == "MINE = 1"
    assert values(killed).strip() == before


def test_the_number_of_a_process_says_nothing_after_a_restart(killed: Project) -> None:
    """Another one may have it: number 1 always lives."""
    mark = killed.path / ".git" / "prodsec-template" / "update"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "process": 1}))
    assert_named(killed)
    assert killed.hook("update", "--back").returncode == 0


def test_a_stash_of_other_work_is_nobodys_to_drop(killed: Project, tmp_path: Path) -> None:
    """Stashes belong to all worktrees of a repository."""
    other = Project(tmp_path / "other", killed.environment)
    killed.git("worktree", "add", "--quiet", str(other.path))
    other.write("policy.toml", "# mine\n")
    other.git("stash", "push", "--quiet")
    assert "git stash drop" not in killed.hook("verify").stderr
    assert killed.hook("update", "--back").returncode == 0
    assert other.git("stash", "list")


def test_an_update_is_alone(service: Project, tmp_path: Path) -> None:
    """From its first moment, when it has changed nothing yet, and as long as its Copier lives."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(go)
    script = f'touch {begun}\nread line <{go}\nexec "{{copier}}" "$@"'
    with updating(service, tmp_path, script, stdout=subprocess.DEVNULL) as update:
        end = time.monotonic() + 120
        while not begun.exists():
            assert time.monotonic() < end, "the update never began"
            time.sleep(0.05)
        for name in ("update", "verify", "pre-commit"):
            assert "an update is running" in service.hook(name).stderr
        update.kill()
        update.wait()
        assert "the update is running" in service.hook("update", "--back").stderr
        os.killpg(update.pid, signal.SIGKILL)
    end = time.monotonic() + 120
    while "is running" in service.hook("update", "--back").stderr:
        assert time.monotonic() < end, "its Copier does not die"
    assert not service.git("status", "--porcelain")
