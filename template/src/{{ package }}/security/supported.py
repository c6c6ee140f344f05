# Owned by the template: extend, do not edit.
"""Lines of Python and frameworks that still get security fixes (guide: deprecated versions)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from .policy import Supported

_LOWEST = re.compile(r">=\s*(3\.[0-9]+)")


class Line(NamedTuple):
    """What the baseline says of a version in use."""

    state: Literal["ok", "warn", "fail"]
    text: str
    remedy: str = ""


def locked(lock: Path) -> dict[str, str]:
    """Return the version of each package in `uv.lock`, and of the oldest Python it allows.

    Raises `OSError` if there is no lock and `ValueError` if it is damaged.
    """
    content = tomllib.loads(lock.read_text("utf-8"))
    versions = {each["name"]: each.get("version", "") for each in content.get("package", ())}
    lowest = _LOWEST.search(content.get("requires-python", ""))
    return {**versions, "python": lowest[1] if lowest else ""}


def judge(supported: Supported, versions: Mapping[str, str], today: date) -> Iterator[Line]:
    """Judge each version whose lines the baseline lists."""
    for name, lines in supported.lines.items():
        if name not in versions:
            continue
        version = versions[name]
        prefixes = {line: f"{line.replace('-', '.')}." for line in lines}
        line = next((each for each in lines if f"{version}.".startswith(prefixes[each])), None)
        end = lines[line] if line else None
        upgrade = (
            "raise requires-python in pyproject.toml, then run uv lock"
            if name == "python"
            else f"raise {name} in pyproject.toml, then run uv lock --upgrade-package {name}"
        )
        if end is None:
            yield Line("fail", f"{name} {version} is in no supported line", upgrade)
        elif end == "newest":
            yield Line("ok", f"{name} {version}: keep it the newest")
        elif end < today:
            yield Line("fail", f"{name} {version} got its last fixes on {end}", upgrade)
        elif end - today <= timedelta(days=supported.warn_days):
            yield Line("warn", f"{name} {version} gets its last fixes on {end}", upgrade)
        else:
            yield Line("ok", f"{name} {version} until {end}")
