"""Where a bot of the service and the template have both moved a pin, the newer one wins.

Owned by the template: extend, do not edit. A pin is the version of an action or an image, or the
bounds of a dependency. Only files that an update left in conflict are looked at, and only those are
settled in which nothing else is in conflict. A pin that one side alone has moved is that side's,
up or down. Left in conflict is what no bot does: a pin that goes down, another variant of an image,
other operators, and what says no version, of which nobody knows which is newer.
"""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _steps import ROOT, git, prefix

# Each has the groups "name" and "pin".
_ACTION = r"(?P<name>\buses: +[\w./-]+)(?P<pin>@[\w./-]+(?: +# v?[0-9][\w.+-]*)?)"
_IMAGE = (
    r"(?P<name>\b(?:FROM|image:|name:) +[\w./-]+(?=[:@]))"
    r"(?P<pin>(?::[\w.$-]+)?(?:@sha256:[0-9a-f]+)?)"
)
_BOUND = r"(?P<name>\"[A-Za-z0-9][\w.-]*(?:\[[\w,-]+\])?)(?P<pin>(?:[<>=~!]=?=?[\w.*]+,?)+)(?=\")"
_KINDS = {
    ".yml": (_ACTION, _IMAGE),
    ".yaml": (_ACTION, _IMAGE),
    "Dockerfile": (_IMAGE,),
    "pyproject.toml": (_BOUND,),
}
_DIGEST = re.compile(r"@sha256:[0-9a-f]+|@[0-9a-f]{40}\b")
_VERSION = re.compile(r"(\d+(?:\.\d+)*)(?:[-._]?(?:a|alpha|b|beta|c|rc|dev|pre)[-._]?(\d+))?")
"""The numbers of a release, and that of a version before it."""


def settle(names: set[str]) -> list[str]:
    """Settle the conflicts that are pins alone; return a line for each file."""
    lines = []
    for name in sorted(names):
        kinds = next((found for end, found in _KINDS.items() if name.endswith(end)), ())
        sides = [git("show", f":{number}:{prefix()}{name}") for number in (1, 2, 3)]
        if not kinds or not all(sides):
            continue
        for kind in kinds:
            sides = agreed(kind, sides)
        merged = merge(sides)
        if merged is not None:
            (ROOT / name).write_text(merged, "utf-8", newline="")
            git("add", "--", name)
            lines.append(f"settled by the newer pin: {name}")
    return lines


def agreed(kind: str, sides: list[str]) -> list[str]:
    """Return base, yours and the template's text with one pin for each name, where one is known.

    A name that occurs more than once is matched by its place among them, if each side has as many;
    the base may have none.
    """
    found = [pins(kind, side) for side in sides]
    chosen: dict[tuple[str, int], str] = {}
    for name in found[1].keys() & found[2].keys():
        yours, theirs = found[1][name], found[2][name]
        base: Sequence[str | None] = found[0].get(name) or [None] * len(yours)
        if len(base) == len(yours) == len(theirs):
            for place, three in enumerate(zip(base, yours, theirs, strict=True)):
                pin = choice(*three)
                if pin is not None:
                    chosen[name, place] = pin
    return [put(kind, side, chosen) for side in sides]


def choice(base: str | None, yours: str, theirs: str) -> str | None:
    """Return the pin that holds; None if that is for a person to say."""
    if theirs in (yours, base):
        return yours
    if base == yours:
        return theirs
    if not yours.startswith((":", "@")):
        # Each end of a bound by itself: one side may have moved the lower, the other the upper one.
        ends = [each.split(",") for each in (base or yours, yours, theirs)]
        if len({len(each) for each in ends}) == 1 and "," in yours:
            found = [choice(base and was, *end) for was, *end in zip(*ends, strict=True)]
            return ",".join(map(str, found)) if None not in found else None
    mine, its = version(yours), version(theirs)
    if not (mine and its) or (base is not None and not () < version(base) <= min(mine, its)):
        return None
    newer = yours if mine >= its else theirs  # of equal versions the bot's has the newer digest
    same = variant(yours) == variant(base or yours) and variant(newer) == variant(theirs)
    return newer if same else None


def pins(kind: str, text: str) -> dict[str, list[str]]:
    """Return the pins of each name in the order in which they stand."""
    found: dict[str, list[str]] = {}
    for each in re.finditer(kind, text):
        found.setdefault(each["name"], []).append(each["pin"])
    return found


def put(kind: str, text: str, newest: dict[tuple[str, int], str]) -> str:
    """Return the text with these pins."""
    seen: dict[str, int] = {}

    def pin(found: re.Match[str]) -> str:
        place = seen[found["name"]] = seen.get(found["name"], -1) + 1
        return found["name"] + newest.get((found["name"], place), found["pin"])

    return re.sub(kind, pin, text)


def version(pin: str) -> tuple[Any, ...]:
    """Return what orders pins; empty for one that says no version, as a digest alone or `@main`.

    That are the numbers of the release, whether it is one and not before it, which one before it,
    the other numbers of a tag, and whether there is a digest.
    """
    text = told(pin)
    found = _VERSION.search(text)
    if found is None:
        return ()
    # 6.0 is 6.
    release = tuple(map(int, re.sub(r"(\.0+)+$", "", found[1]).split(".")))
    others = tuple(map(int, re.findall(r"\d+", text[found.end() :])))
    return release, found[2] is None, int(found[2] or 0), others, "@" in pin


def variant(pin: str) -> str:
    """Return what a pin says besides numbers, as `-slim` or `>=`; of an action nothing."""
    if pin.startswith("@"):
        return ""
    return re.sub(r"[\d.]+", "0", _VERSION.sub("0", told(pin), count=1))


def told(pin: str) -> str:
    """Return the part of a pin that a person reads: without digest, of an action the comment."""
    return pin.partition("#")[2] or _DIGEST.sub("", pin)


def merge(sides: list[str]) -> str | None:
    """Return the three-way merge of base, yours and the template's; None if it conflicts."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("base", "yours", "theirs")]
        for path, text in zip(paths, sides, strict=True):
            path.write_text(text, "utf-8", newline="")
        base, yours, theirs = map(str, paths)
        command = ["git", "merge-file", "--stdout", "--quiet", yours, base, theirs]
        done = subprocess.run(command, capture_output=True, check=False)
        return done.stdout.decode() if done.returncode == 0 else None
