"""Say which service is on which version of the template, and what it deviates in: `make fleet`.

Each FOLDER is a checkout of a service, or holds checkouts, however deep. They are only read, and no
network is used: pull them and the template's tags first. `--check` runs the `check` of each service
that is installed: its own code.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from _terms import WEAKER, compare, flatten, shown
from packaging.version import InvalidVersion, Version

from scripts.manifest import load_drift

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = ".copier-answers.yml"
SECURITY = "template/src/{{ package }}/security"
PYTHON = ".venv/bin/python"
CHECK_SECONDS = 60
AT_ONCE = 16
"""Services that are read at the same time; most of a `check` is waiting for Python to load."""
LEFT_OUT = frozenset({"node_modules", "__pycache__", "site-packages"})


@dataclass(frozen=True)
class Exemption:
    """One `[[exception]]`, or `[[advisory-exception]]`, of a service."""

    setting: str
    """Of an advisory its id."""
    value: object
    owner: str
    reason: str
    age: int | None
    """Days since it was committed first, and stayed; None where git does not know it."""
    left: int | None
    """Days until it expires, below zero afterwards; None without a date."""


@dataclass(frozen=True)
class Service:
    """What is known about one checkout."""

    name: str
    version: str = "?"
    versions_behind: int | None = None
    """Newer releases; None for a version without a tag."""
    behind: int | None = None
    """Days since the first of them."""
    weaker: list[str] = field(default_factory=list)
    """Values in force that are weaker than those of the newest release."""
    exceptions: list[Exemption] = field(default_factory=list)
    """The oldest first."""
    drift: list[str] | None = None
    """Files of the template that were edited or deleted; None where that cannot be told."""
    failing: list[str] | None = None
    """Checks that fail; None where they were not run."""
    value: object = None
    """That of the setting which was asked for."""
    error: str = ""
    """Why the checkout, or its check, says nothing."""


@dataclass(frozen=True)
class Released:
    """What the template's clone knows."""

    days: dict[Version, date]
    """Each version that is tagged, with the day of its release (UTC)."""
    newest: dict[str, Any]
    """The policy of the newest release, by dotted names; of the working tree without one."""
    directions: dict[str, Any]


def today() -> date:
    """Return the day by which ages are counted."""
    return datetime.now(UTC).date()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, JSON or HTML; exit 1 if a service cannot be read."""
    parser = argparse.ArgumentParser("fleet", description=str(__doc__).partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--template", type=Path, default=ROOT, help="a clone of it, with its tags")
    parser.add_argument("--check", action="store_true", help="run the services' own `check`")
    parser.add_argument("--setting", metavar="NAME", help="show the value in force of a setting")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page, one file, as well")
    options = parser.parse_args(arguments)
    day, released = today(), read_template(options.template)
    if options.setting and options.setting not in released.newest:
        parser.error(f"no setting {options.setting}; security/baseline.toml has their names")

    def one(path: Path) -> Service:
        try:
            service = read(path, released, day, options.setting)
        except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
            said = error if isinstance(error, Unreadable) else f"{type(error).__name__}: {error}"
            return Service(path.resolve().name, error=str(said))
        return service

    drift_module()  # once, before there are threads
    paths = checkouts(options.folders)
    if not paths:
        sys.exit(f"fleet: no service in {', '.join(map(str, options.folders))}: none has {ANSWERS}")
    if options.html:
        # Now, not after the checks of all services.
        begin_page(options.html)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        services = list(pool.map(one, paths))
    if options.check:
        services = check_all(paths, services)
    services = told_apart(paths, services)
    services.sort(key=lambda each: (-(each.versions_behind or 0), each.name))
    if options.html:
        options.html.write_text(page(services, options.setting, day), "utf-8")
    if options.json:
        print(json.dumps([asdict(each) for each in services], indent=2, default=str))
    else:
        print(table(services, options.setting), end="")
    return 1 if any(each.error for each in services) else 0


def begin_page(file: Path) -> None:
    """Make the page's file, or end where that cannot be."""
    if not file.parent.is_dir():
        sys.exit(f"fleet: no folder {file.parent} for the page")
    try:
        file.open("a", encoding="utf-8").close()
    except OSError as error:
        sys.exit(f"fleet: --html {file}: {error.strerror}; name another file")


def checkouts(folders: Iterable[Path]) -> list[Path]:
    """Return the checkouts among the folders and below them, each once."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            sys.exit(f"fleet: no folder {folder}")
        found.extend(below(folder))
    return list(dict.fromkeys(path.resolve() for path in found))


def below(folder: Path) -> Iterator[Path]:
    """Yield the folder and those below it that are checkouts; services may be in services.

    Of a link only what it leads to is looked at, and not all below.
    """
    for place, names, files in os.walk(folder, onerror=unseen):
        links = [Path(place, name) for name in names if Path(place, name).is_symlink()]
        yield from sorted(link for link in links if (link / ANSWERS).is_file())
        left_out = set(LEFT_OUT)
        if ANSWERS in files:
            yield Path(place)
            left_out |= {"src", "tests", "docs", "deploy", "hooks", "var"}
        names[:] = sorted(name for name in names if name[0] != "." and name not in left_out)


def unseen(error: OSError) -> None:
    """Say that a folder cannot be looked into: a service in it would be missed in silence."""
    print(f"fleet: {error.filename}: {error.strerror}", file=sys.stderr)


def told_apart(paths: Sequence[Path], services: Sequence[Service]) -> list[Service]:
    """Return the services, those of one name with as much of their paths as tells them apart."""
    names = [path.name for path in paths]
    for depth in range(2, max((len(path.parts) for path in paths), default=0) + 1):
        number = Counter(names)
        names = [
            "/".join(path.parts[-depth:]) if number[name] > 1 else name
            for path, name in zip(paths, names, strict=True)
        ]
    return [replace(each, name=name) for each, name in zip(services, names, strict=True)]


def read_template(template: Path) -> Released:
    """Return what the template's clone knows of its releases."""
    form = "--format=%(refname:short) %(creatordate:unix)"
    days, tags = {}, {}
    for line in git(template, "for-each-ref", form, "refs/tags").splitlines():
        name, _, seconds = line.rpartition(" ")
        version = parse(name)
        if version is not None:
            days[version] = datetime.fromtimestamp(int(seconds), UTC).date()
            tags[version] = name
    newest = max((each for each in tags if not each.is_prerelease), default=None)
    texts = []
    for name in ("baseline.toml", "directions.toml"):
        path = template / SECURITY / name
        said = git(template, "show", f"{tags[newest]}:{SECURITY}/{name}") if newest else ""
        texts.append(said or (path.read_text("utf-8") if path.exists() else ""))
    baseline, directions = (flatten(tomllib.loads(text)) if text else {} for text in texts)
    return Released(days, baseline, directions)


def read(path: Path, released: Released, today: date, setting: str | None) -> Service:
    """Return what is known about the checkout at `path` without running its code."""
    with reading(ANSWERS):
        answers = yaml.safe_load((path / ANSWERS).read_text("utf-8"))
        version, package = str(answers["_commit"]), str(answers["package"])
    local, policy = path / "policy.toml", {}
    with reading("policy.toml"):
        if local.exists():
            policy = tomllib.loads(local.read_text("utf-8-sig"))
        exceptions = exemptions(path, policy, today)
    values = in_force(path, package, policy)
    weaker = [
        str(change)
        for change in compare(released.newest, values, released.directions)
        if change.verdict == WEAKER
    ]
    count, days = behind(version, released, today)
    return Service(
        path.name,
        version,
        count,
        days,
        weaker,
        sorted(exceptions, key=lambda each: -(each.age or 0)),
        drifted(path),
        value=values.get(setting) if setting else None,
    )


def behind(version: str, released: Released, today: date) -> tuple[int | None, int | None]:
    """Return how many newer releases there are, and since how many days."""
    mine = parse(version)
    if mine is None or mine not in released.days:
        return None, None
    newer = [
        day
        for other, day in released.days.items()
        if other > mine and not other.is_prerelease  # an update does not offer it
    ]
    return len(newer), (today - min(newer)).days if newer else 0


def in_force(path: Path, package: str, policy: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a service: those of its own baseline, edited or not, and exceptions."""
    baseline = path / "src" / package / "security" / "baseline.toml"
    if not baseline.exists():
        # As empty it would be no weaker than anything.
        raise Unreadable(f"{baseline.relative_to(path)} is missing, or this is of another template")
    with reading("security/baseline.toml"):
        values = flatten(tomllib.loads(baseline.read_text("utf-8")))
    for each in policy.get("exception", []):
        values[str(each["setting"])] = each.get("value")
    return values


def exemptions(path: Path, policy: dict[str, Any], today: date) -> list[Exemption]:
    """Return the exceptions of a service, both kinds, with their ages."""
    kinds = {"exception": "setting", "advisory-exception": "id"}
    listed = [
        (kind, str(each[key]), each) for kind, key in kinds.items() for each in policy.get(kind, [])
    ]
    since = ages(path, {(kind, name) for kind, name, _ in listed}, kinds) if listed else {}
    found = []
    for kind, name, each in listed:
        first, expires = since.get((kind, name)), day(each.get("expires"))
        found.append(
            Exemption(
                name,
                each.get("value"),
                str(each.get("owner", "")),
                str(each.get("reason", "")),
                (today - first).days if first else None,
                (expires - today).days if expires else None,
            )
        )
    return found


def day(value: object) -> date | None:
    """Return a date, also one with a time or in quotes, which the service's own `check` refuses."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, str):
        with suppress(ValueError):
            return date.fromisoformat(value)
    return value if isinstance(value, date) else None


class Unreadable(ValueError):
    """Raised with the file of a service that says nothing, and why."""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise `Unreadable`, which names the file, for what is raised within."""
    try:
        yield
    except KeyError as error:
        raise Unreadable(f"{name}: {error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise Unreadable(f"{name} has not the form that it should have: {error}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        words = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise Unreadable(f"{name}: {words}") from error


def ages(
    path: Path, wanted: set[tuple[str, str]], kinds: dict[str, str]
) -> dict[tuple[str, str], date]:
    """Return since when each exception is there without a break, by the history of policy.toml.

    Not by the line: it moves, and is written anew, while the exception stays.
    """
    since: dict[tuple[str, str], date] = {}
    form = "--format=%H %ct"
    for line in git(path, "log", form, "--", "policy.toml").splitlines():
        commit, _, seconds = line.partition(" ")
        try:
            text = git(path, "show", f"{commit}:./policy.toml")
            then = tomllib.loads(text.removeprefix("\ufeff"))
            there = {
                (kind, str(each.get(key)))
                for kind, key in kinds.items()
                for each in then.get(kind, [])
            }
        except (ValueError, AttributeError, TypeError):
            continue  # a mistake of that day
        wanted = wanted & there
        if not wanted:
            break
        for each in wanted:
            since[each] = datetime.fromtimestamp(int(seconds), UTC).date()
    return since


@cache
def drift_module() -> ModuleType:
    """Return this template's module `drift`."""
    return load_drift(ROOT)


def drifted(path: Path) -> list[str] | None:
    """Return which files of the template differ; not by the service's own module."""
    drift = drift_module()
    try:
        report = drift.compare(path)
    except drift.ManifestError:
        return None
    return [*report.edited, *(f"{name} (deleted)" for name in report.deleted)]


def check_all(paths: Sequence[Path], services: Sequence[Service]) -> list[Service]:
    """Add what each service's own `check` says fails; nothing where it is not installed.

    Services with the same packages share a Python that has loaded them: scripts/warm.py.
    """
    groups: dict[object, list[Path]] = {}
    found = dict(zip(paths, services, strict=True))
    for path, service in found.items():
        if not service.error and (path / PYTHON).exists():
            groups.setdefault(installed(path), []).append(path)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        alone = [group[0] for group in groups.values() if len(group) == 1]
        found |= zip(alone, pool.map(lambda path: checked(path, found[path]), alone), strict=True)
    for group in groups.values():
        if len(group) > 1:
            found |= checked_together(group, found)
    return list(found.values())


def installed(path: Path) -> object:
    """Return what two services have in common that can share a Python: it, and all packages."""
    own = f"{package_of(path)}-"
    venv = path / ".venv"
    names = {each.name for each in venv.glob("lib/*/site-packages/*.dist-info")}
    config = venv / "pyvenv.cfg"
    python = config.read_text("utf-8", "replace") if config.is_file() else str(path)
    lines = [line for line in python.splitlines() if line.startswith(("home", "version"))]
    others = frozenset(name for name in names if not name.startswith(own))
    return (*lines, others) if others else path


def package_of(path: Path) -> str:
    """Return the name of a service's package."""
    return str(yaml.safe_load((path / ANSWERS).read_text("utf-8"))["package"])


def checked_together(group: Sequence[Path], found: dict[Path, Service]) -> dict[Path, Service]:
    """Return services that share a Python, with what their checks say."""
    lines = "".join(f"{json.dumps([str(path), package_of(path)])}\n" for path in group)
    try:
        done = subprocess.run(
            [group[0] / PYTHON, ROOT / "scripts" / "warm.py", str(CHECK_SECONDS)],
            input=lines,
            capture_output=True,
            text=True,
            check=False,
            errors="replace",
        )
    except OSError:
        # That interpreter cannot be run; those of the others may.
        return {path: checked(path, found[path]) for path in group}
    said = {Path(row[0]): row[1:] for row in map(json.loads, done.stdout.splitlines())}
    lost = ["", done.stderr]
    return {path: judged(found[path], *said.get(path, lost)) for path in group}


def checked(path: Path, service: Service) -> Service:
    """Return a service with what its own `check` says fails."""
    try:
        running = subprocess.Popen(
            [path / PYTHON, "-m", package_of(path), "check", "--json"],
            cwd=path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        # Of another machine, or its Python is gone.
        return replace(service, error=f"check: {PYTHON}: {error.strerror}")
    with running:
        try:
            said, errors = running.communicate(timeout=CHECK_SECONDS)
        except subprocess.TimeoutExpired:
            # With what it started, which would keep the pipe open.
            os.killpg(running.pid, signal.SIGKILL)
            return judged(service, None, None)
    return judged(service, said, errors)


def judged(service: Service, said: str | None, errors: str | None) -> Service:
    """Return a service with what its `check` said; both are None if it did not end."""
    if said is None or errors is None:
        return replace(service, error=f"check: no answer in {CHECK_SECONDS} s")
    try:
        items = json.loads(said)
        failing = [f"{item['id']} {item['title']}" for item in items if item["state"] == "fail"]
    except (ValueError, LookupError, TypeError):
        return replace(service, error=f"check: {(errors.strip() or 'no output').splitlines()[-1]}")
    return replace(service, failing=failing)


def parse(version: str) -> Version | None:
    """Return the version that a tag names; None if it names none."""
    try:
        return Version(version)
    except InvalidVersion:
        return None


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints about a folder; empty if it cannot."""
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    return done.stdout


def rows(services: Sequence[Service], setting: str | None) -> Iterator[tuple[str, ...]]:
    """Yield the heading and then a row for each service."""
    own = (setting,) if setting else ()
    yield "service", "version", "behind", *own, "weaker", "drift", "exceptions", "failing checks"
    for each in services:
        late = "?" if each.versions_behind is None else "-"
        if each.versions_behind:
            late = f"{each.versions_behind} ({each.behind} days)"
        drift = "?" if each.drift is None else ", ".join(each.drift[:3]) or "-"
        more = f", {len(each.drift) - 3} more" if each.drift and len(each.drift) > 3 else ""
        failing = "not run" if each.failing is None else ", ".join(each.failing) or "-"
        own = (shown(each.value),) if setting else ()
        yield (
            each.name,
            each.version,
            late,
            *own,
            ", ".join(each.weaker) or "-",
            drift + more,
            ", ".join(map(brief, each.exceptions)) or "-",
            each.error or failing,
        )


def brief(each: Exemption) -> str:
    """Return an exception in a few words: name, value, days of age, whether it has expired."""
    value = "" if each.value is None else f" = {shown(each.value)}"
    age = "age unknown" if each.age is None else f"{each.age} days old"
    ended = ", NO DATE" if each.left is None else ", EXPIRED" if each.left < 0 else ""
    return f"{each.setting}{value} ({age}{ended})"


def sums(services: Sequence[Service]) -> str:
    """Return the line of sums."""
    late = sum(1 for each in services if each.versions_behind)
    every = [item for each in services for item in each.exceptions]
    expired = sum(1 for item in every if item.left is not None and item.left < 0)
    weaker = sum(1 for each in services if each.weaker)
    drift = sum(1 for each in services if each.drift)
    return (
        f"{len(services)} services, {late} behind, {weaker} with weaker values, {drift} with drift,"
        f" {len(every)} exceptions, {expired} expired"
    )


def plain(text: str) -> str:
    """Return a text of a service in one line, without what a terminal would obey."""
    line = "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))
    # Nor what it has no letter for, as one of Latin-1: no table at all would come.
    kind = sys.stdout.encoding or "utf-8"
    return line.encode(kind, "backslashreplace").decode(kind)


def table(services: Sequence[Service], setting: str | None) -> str:
    """Return the services as a table, those furthest behind first, exceptions, and the sums."""
    cells = [tuple(map(plain, row)) for row in rows(services, setting)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    details = [
        plain(
            f"{each.name}: {brief(item)}: {item.owner or 'no owner'}: {item.reason or 'no reason'}"
        )
        for each in services
        for item in each.exceptions
    ]
    parts = [lines, details, [sums(services)]]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def page(services: Sequence[Service], setting: str | None, today: date) -> str:
    """Return the same as one HTML file, which loads nothing."""
    heading, *others = rows(services, setting)

    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>\n"

    exceptions = [
        row(
            (
                each.name,
                brief(item),
                "no date" if item.left is None else f"{item.left} days left",
                item.owner,
                item.reason,
            ),
            "td",
        )
        for each in services
        for item in each.exceptions
    ]
    titles = ("service", "exception", "expires", "owner", "reason")
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Fleet</title>\n'
        "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}"
        "td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}"
        "th{position:sticky;top:0;background:#eee}</style>\n"
        f"<h1>Fleet, {today}</h1>\n<p>{html.escape(sums(services))}</p>\n<table>\n"
        + row(heading, "th")
        + "".join(row(each, "td") for each in others)
        + "</table>\n<h2>Exceptions</h2>\n<table>\n"
        + row(titles, "th")
        + "".join(exceptions)
        + "</table>\n"
    )


if __name__ == "__main__":
    sys.exit(main())
