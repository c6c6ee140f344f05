"""The programs that tests run for real, and the Debian packages they come from.

`needs("nginx")` returns the program's path. Where it is missing the test is skipped with the
command that installs it; with CI=true it fails, so that no test is left out unseen.
`python -m tests.needs` installs what is missing where it may, else says what will be skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = {
    "chromium": "chromium",
    "curl": "curl",
    "initdb": "postgresql",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "pg_ctl": "postgresql",
    "postgres": "postgresql",
    "psql": "postgresql-client",
    "redis-server": "redis-server",
    "tmux": "tmux",
    "wrk": "wrk",
}


def find(program: str) -> str | None:
    """Return the path of a program, also where Debian keeps it off the PATH."""
    folders = ["/usr/sbin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))]
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(folders))


def needs(program: str) -> str:
    """Return the path of a program of `PACKAGES`, or skip the test; in CI fail it."""
    path = find(program)
    if path is None:
        reason = f"{program} is missing: apt-get install {PACKAGES[program]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def main() -> int:
    """Install the missing packages as root on Debian, else name them; return the exit code."""
    missing = sorted({package for program, package in PACKAGES.items() if find(program) is None})
    if not missing:
        return 0
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Tests that need {', '.join(missing)} will be skipped; as root: {' '.join(command)}")
        return 0
    print(f"installing {' '.join(missing)}", flush=True)
    # RUNLEVEL=1: the tests start servers of their own, so Debian's need not run.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for attempt in (["apt-get", "update", "-q"], command):
        done = subprocess.run(attempt, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{' '.join(attempt)} failed:\n{done.stderr.strip()}", file=sys.stderr)
    still = [program for program in PACKAGES if find(program) is None]
    return 1 if still and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
