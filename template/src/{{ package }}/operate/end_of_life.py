# Owned by the template: extend, do not edit.
"""Lines of Python and frameworks that still get security fixes (guide: deprecated versions)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from ..security.policy import Supported

_LOWEST = re.compile(r">=\s*(3\.[0-9]+)")
_HASHED = {"hash": ""}


class Line(NamedTuple):
    """What the baseline says of a version in use."""

    state: Literal["ok", "warn", "fail"]
    text: str
    remedy: str = ""


Versions = Mapping[str, Sequence[str]]


def locked(lock: Path) -> Versions:
    """Return each package's versions in `uv.lock`, and the oldest Python that it allows.

    A package has several versions where not all run on each Python. Raises `OSError` if there is
    no lock and `ValueError` if it is damaged.
    """
    content = tomllib.loads(lock.read_text("utf-8"))
    lowest = _LOWEST.search(content.get("requires-python", ""))
    versions = {"python": [lowest[1] if lowest else ""]}
    for each in content.get("package", ()):
        versions.setdefault(each["name"], []).append(each.get("version", ""))
    return versions


def unhashed(lock: Path) -> list[str]:
    """Return the packages in `uv.lock` of which some file is installed whatever is in it.

    uv takes the hashes from the index, and writes none where that tells none. A commit of git is a
    hash, and a folder is the project's own. Raises as `locked`.
    """
    content = tomllib.loads(lock.read_text("utf-8"))
    return [
        each["name"]
        for each in content.get("package", ())
        if any("hash" not in file for file in (*each.get("wheels", ()), each.get("sdist", _HASHED)))
    ]


def judge(supported: Supported, versions: Versions, today: date) -> Iterator[Line]:
    """Judge each version of what the baseline lists."""
    for name, lines in supported.lines.items():
        for version in versions.get(name, ()):
            ends = (
                end
                for line, end in lines.items()
                if f"{version}.".startswith(line.replace("-", ".") + ".")
            )
            yield _judge(supported.warn_days, name, version, next(ends, None), today)


def _judge(
    warn_days: int, name: str, version: str, end: date | Literal["newest"] | None, today: date
) -> Line:
    upgrade = (
        "raise requires-python in pyproject.toml, then run uv lock"
        if name == "python"
        else f"raise {name} in pyproject.toml, then run uv lock --upgrade-package {name}"
    )
    if end is None:
        return Line("fail", f"{name} {version} is in no supported line", upgrade)
    if end == "newest":
        return Line("ok", f"{name} {version}: keep it the newest")
    if end < today:
        return Line("fail", f"{name} {version} got its last fixes on {end}", upgrade)
    if end - today <= timedelta(days=warn_days):
        return Line("warn", f"{name} {version} gets its last fixes on {end}", upgrade)
    return Line("ok", f"{name} {version} until {end}")
