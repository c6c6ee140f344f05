"""`make new` a second time: what was begun is finished, and somebody else's folder left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.projects import ROOT

PATIENCE = 120
"""Seconds; only a fault waits that long."""


def make_new(target: Path) -> subprocess.CompletedProcess[str]:
    """Run what `make new` runs."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "new.py")],
        env={**os.environ, "DEST": str(target), "ANSWERS": "framework=flask"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def begun(target: Path, verify: str) -> Path:
    """Make a project whose verification does as `verify` says."""
    (target / "hooks").mkdir(parents=True)
    (target / ".copier-answers.yml").write_text("framework: django\n", "utf-8")
    (target / "hooks" / "verify").write_text(f"#!/usr/bin/env python3\n{verify}\n", "utf-8")
    return target


def test_finishes_what_was_begun(tmp_path: Path) -> None:
    target = begun(tmp_path / "shop", 'print("verified")')
    done = make_new(target)
    assert done.returncode == 0, done.stderr
    assert "was made before, its answers stay" in done.stdout
    assert done.stdout.endswith("verified\n")
    assert done.stderr == ""


def test_says_how_to_go_on(tmp_path: Path) -> None:
    target = begun(tmp_path / "shop", "raise SystemExit(2)")
    done = make_new(target)
    assert done.returncode == 2
    assert done.stderr == f"make new: {target} is there; {target}/hooks/verify goes on\n"


def test_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", "utf-8")
    done = make_new(tmp_path)
    assert done.returncode == 1
    assert "exists and is not empty; choose another DEST" in done.stderr


def test_interrupted_in_one_line(tmp_path: Path) -> None:
    target = begun(
        tmp_path / "shop",
        "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(300)",
    )
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "new.py")],
        cwd=tmp_path,
        env={**os.environ, "DEST": str(target)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "make new: interrupted; the same command goes on"
