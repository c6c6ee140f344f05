"""The programs that tests run for real, and the Debian packages they come from.

Judges of the edge come from requirements/judges.txt and from npm, and from there what pages load in
tests of a browser, by the hashes of requirements/libraries.json.

`needs("nginx")` returns the program's path. Where it is missing the test is skipped with the
command that installs it; with CI=true it fails, so that no test is left out unseen.
`python -m tests.needs` installs what is missing where it may, else says what will be skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGES = {
    "bwrap": "bubblewrap",
    "certbot": "certbot",
    "chromium": "chromium",
    "curl": "curl",
    "debootstrap": "debootstrap",
    "initdb": "postgresql",
    "nginx": "nginx-light",
    "nmap": "nmap",
    "node": "nodejs",
    "npm": "npm",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "pebble": "pebble",
    "pebble-challtestsrv": "pebble",
    "pg_ctl": "postgresql",
    "postgres": "postgresql",
    "psql": "postgresql-client",
    "redis-server": "redis-server",
    "slirp4netns": "slirp4netns",
    "systemd-analyze": "systemd",
    "systemd-nspawn": "systemd-container",
    "testssl": "testssl.sh",
    "tmux": "tmux",
    "whatweb": "whatweb",
    "wrk": "wrk",
}
ROOT = Path(__file__).resolve().parent.parent
JUDGES = Path(sys.prefix, "judges")
"""Where the judges are that are no Debian packages."""
PYTHON_JUDGES = ("gixy", "sslyze")
NODE_JUDGES = {"@mdn/mdn-http-observatory": "1.4.8", "csp_evaluator": "1.1.8"}
LIBRARIES = Path(sys.prefix, "libraries")
"""Where the scripts and styles are that pages load."""
LOCKED = ROOT / "requirements" / "libraries.json"
"""npm's lock, by the name that npm does not write to by itself, nor host names into."""
HEADERS_MORE = Path("/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so")
FILES = {HEADERS_MORE: "libnginx-mod-http-headers-more-filter"}
"""Files that are no programs, and their packages."""
_QUIET = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts")


def find(program: str) -> str | None:
    """Return the path of a program, also where Debian keeps it off the PATH."""
    folders = ["/usr/sbin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))]
    folders.append(str(JUDGES / "bin"))
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(folders))


def needs(program: str) -> str:
    """Return the path of a program, or skip the test; in CI fail it."""
    path = find(program)
    if path is None:
        missing(program, _remedy(program))
    return path


def needs_file(path: Path) -> Path:
    """Return the path of one of `FILES`, or skip the test; in CI fail it."""
    if not path.exists():
        missing(path.name, f"apt-get install {FILES[path]}")
    return path


def needs_module(name: str) -> Path:
    """Return the folder of node modules that has one of `NODE_JUDGES`, or skip; in CI fail."""
    modules = JUDGES / "node_modules"
    if not (modules / name).exists():
        missing(name, "make packages")
    return modules


def needs_libraries() -> Path:
    """Return the folder of node modules of `LOCKED`, as locked, or skip; in CI fail."""
    if not has_libraries():
        missing("what requirements/libraries.json lists", "make packages")
    return LIBRARIES / "node_modules"


def has_libraries() -> bool:
    """Tell whether `needs_libraries` would return."""
    # npm writes the latter when all is there.
    lock, done = LIBRARIES / "package-lock.json", LIBRARIES / "node_modules/.package-lock.json"
    return done.exists() and lock.exists() and lock.read_bytes() == LOCKED.read_bytes()


def missing(what: str, remedy: str) -> NoReturn:
    """Skip the test, naming what it needs; in CI fail it."""
    reason = f"{what} is missing: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _remedy(program: str) -> str:
    return f"apt-get install {PACKAGES[program]}" if program in PACKAGES else "make packages"


def _judges() -> Iterator[list[str]]:
    """Yield the commands that install the judges and libraries that are not there."""
    if any(find(program) is None for program in PYTHON_JUDGES):
        uv = str(Path(sys.executable).with_name("uv"))
        python = str(JUDGES / "bin" / "python")
        locked = str(ROOT / "requirements" / "judges.txt")
        yield [uv, "venv", "--quiet", "--python", sys.executable, str(JUDGES)]
        yield [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", locked]
    wanted = [f"{name}@{version}" for name, version in NODE_JUDGES.items()]
    if not all((JUDGES / "node_modules" / name).exists() for name in NODE_JUDGES) and find("npm"):
        yield ["npm", "install", *_QUIET, "--no-package-lock", "--prefix", str(JUDGES), *wanted]
    if not has_libraries() and find("npm"):
        LIBRARIES.mkdir(exist_ok=True)
        shutil.copy(LOCKED, LIBRARIES / "package-lock.json")
        wishes = json.loads(LOCKED.read_text("utf-8"))["packages"][""]
        (LIBRARIES / "package.json").write_text(json.dumps(wishes), "utf-8")
        # npm takes a folder behind a link for another one than the one that is locked.
        yield ["npm", "ci", *_QUIET, "--prefix", str(LIBRARIES.resolve())]


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(command)} failed:\n{done.stderr.strip()}", file=sys.stderr)


def main() -> int:
    """Install what is missing, packages as root on Debian only; return the exit code."""
    packages = {package for program, package in PACKAGES.items() if find(program) is None}
    packages |= {package for path, package in FILES.items() if not path.exists()}
    # RUNLEVEL=1: the tests start servers of their own, so Debian's need not run.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    if packages:
        names = sorted(packages)
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names]
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            print(
                f"Tests that need {', '.join(names)} will be skipped; as root: {' '.join(command)}"
            )
        else:
            print(f"installing {' '.join(names)}", flush=True)
            _run(["apt-get", "update", "-q"], environment)
            _run(command, environment)
    for command in _judges():
        print(" ".join(command), flush=True)
        _run(command, environment)
    still = [program for program in (*PACKAGES, *PYTHON_JUDGES) if find(program) is None]
    return 1 if still and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
