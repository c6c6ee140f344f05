"""Say which service is on which version of the template, with which exceptions: `make fleet`.

Each FOLDER is a checkout of a service, or holds checkouts. They are only read, and no network is
used: pull them first. `--check` runs the `check` of each service that is installed: its own code.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = ".copier-answers.yml"
CHECK_SECONDS = 120


@dataclass(frozen=True)
class Exemption:
    """One `[[exception]]` of a service."""

    setting: str
    age: int | None
    """Days since the line was committed; None where git does not know it."""
    left: int | None
    """Days until it expires, below zero afterwards; None without a date."""


@dataclass(frozen=True)
class Service:
    """What is known about one checkout."""

    name: str
    version: str
    behind: int | None
    """Days since the first newer version was released; None for a version without a tag."""
    exceptions: list[Exemption]
    """The oldest first."""
    failing: list[str] | None
    """Checks that fail; None where they were not run."""
    error: str = ""
    """Why the checkout cannot be read."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table or JSON; exit 1 if a service cannot be read."""
    parser = argparse.ArgumentParser("fleet", description=str(__doc__).partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--template", type=Path, default=ROOT, help="a clone of it, with its tags")
    parser.add_argument("--check", action="store_true", help="run the services' own `check`")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args(arguments)
    today, releases = datetime.now(UTC).date(), released(options.template)
    services = [
        read(path, releases, today, check=options.check) for path in checkouts(options.folders)
    ]
    services.sort(key=lambda each: (-1 if each.behind is None else each.behind, each.name))
    services.reverse()
    if options.json:
        print(json.dumps([asdict(each) for each in services], indent=2))
    else:
        print(table(services), end="")
    return 1 if any(each.error for each in services) else 0


def checkouts(folders: Iterable[Path]) -> list[Path]:
    """Return the checkouts among the folders and directly below them."""
    found = []
    for folder in folders:
        if (folder / ANSWERS).exists():
            found.append(folder)
        elif folder.is_dir():
            found.extend(sorted(answers.parent for answers in folder.glob(f"*/{ANSWERS}")))
        else:
            sys.exit(f"fleet: no folder {folder}")
    return found


def released(template: Path) -> dict[Version, date]:
    """Return each tagged version of the template with the day of its release (UTC)."""
    form = "--format=%(refname:short) %(creatordate:unix)"
    versions = {}
    for line in git(template, "for-each-ref", form, "refs/tags").splitlines():
        name, _, seconds = line.rpartition(" ")
        version = parse(name)
        if version is not None:
            versions[version] = datetime.fromtimestamp(int(seconds), UTC).date()
    return versions


def read(path: Path, releases: dict[Version, date], today: date, *, check: bool) -> Service:
    """Return what is known about the checkout at `path`."""
    name = path.resolve().name
    try:
        answers = yaml.safe_load((path / ANSWERS).read_text("utf-8"))
        version, package = str(answers["_commit"]), str(answers["package"])
        local = path / "policy.toml"
        policy = tomllib.loads(local.read_text("utf-8")) if local.exists() else {}
        exceptions = [
            exemption(path, str(each["setting"]), each.get("expires"), today)
            for each in policy.get("exception", [])
        ]
        failing = failures(path, package) if check else None
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
        return Service(name, "?", None, [], None, f"{type(error).__name__}: {error}")
    exceptions.sort(key=lambda each: -(each.age or 0))
    return Service(name, version, behind(version, releases, today), exceptions, failing)


def behind(version: str, releases: dict[Version, date], today: date) -> int | None:
    """Return for how many days a newer version has been there."""
    mine = parse(version)
    if mine is None or mine not in releases:
        return None
    newer = [
        day
        for other, day in releases.items()
        if other > mine and not other.is_prerelease  # an update does not offer it
    ]
    return (today - min(newer)).days if newer else 0


def exemption(path: Path, setting: str, expires: object, today: date) -> Exemption:
    """Return an exception with its age, by the commit of the line that names its setting."""
    pattern = f'/setting *= *"{setting}"/,+1'
    blame = git(path, "blame", "--porcelain", "-L", pattern, "--", "policy.toml")
    times = [line.split()[1] for line in blame.splitlines() if line.startswith("committer-time ")]
    age = (today - datetime.fromtimestamp(int(times[0]), UTC).date()).days if times else None
    left = (expires - today).days if isinstance(expires, date) else None
    return Exemption(setting, age, left)


def failures(path: Path, package: str) -> list[str] | None:
    """Run the service's own `check` and return what fails; None where it is not installed."""
    python = path.resolve() / ".venv" / "bin" / "python"
    if not python.exists():
        return None
    done = subprocess.run(
        [python, "-m", package, "check", "--json"],
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
        timeout=CHECK_SECONDS,
    )
    try:
        items = json.loads(done.stdout)
    except ValueError:
        return [(done.stderr.strip() or "no output").splitlines()[-1]]
    return [f"{item['id']} {item['title']}" for item in items if item["state"] == "fail"]


def parse(version: str) -> Version | None:
    """Return the version that a tag names; None if it names none."""
    try:
        return Version(version)
    except InvalidVersion:
        return None


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints about a folder; empty if it cannot."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def table(services: Sequence[Service]) -> str:
    """Return the services as a table, those that are furthest behind first, and a line of sums."""
    rows = [("service", "version", "days behind", "exceptions (days old)", "failing checks")]
    for each in services:
        exceptions = ", ".join(
            f"{item.setting} ({'?' if item.age is None else item.age}"
            f"{', EXPIRED' if item.left is not None and item.left < 0 else ''})"
            for item in each.exceptions
        )
        failing = "not run" if each.failing is None else ", ".join(each.failing)
        days = "?" if each.behind is None else str(each.behind)
        rows.append(
            (each.name, each.version, days, exceptions or "-", each.error or failing or "-")
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    late = sum(1 for each in services if each.behind)
    count = sum(len(each.exceptions) for each in services)
    return "\n".join(
        [*lines, "", f"{len(services)} services, {late} behind, {count} exceptions", ""]
    )


if __name__ == "__main__":
    sys.exit(main())
