"""Where a bot of the service and the template have both moved a pin, the newer one wins.

Owned by the template: extend, do not edit. A pin is the version of an action or an image, or the
bound of a dependency. Only files that an update left in conflict are looked at, and only those are
settled in which nothing else is in conflict.
"""

import re
import subprocess
import tempfile
from pathlib import Path

from _steps import ROOT, git, prefix

# Each has the groups "name" and "pin".
_ACTION = r"(?P<name>\buses: +[\w./-]+)(?P<pin>@[\w./-]+(?: +# v?[0-9][\w.]*)?)"
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
    """Return base, yours and the template's text with the newest pin of each name in all three.

    A name that occurs more than once is matched by its place among them, if each side has as many.
    """
    found = [pins(kind, side) for side in sides]
    newest: dict[tuple[str, int], str] = {}
    for name in {*found[0], *found[1], *found[2]}:
        lists = [each.get(name, []) for each in found]
        if len({len(each) for each in lists if each}) > 1:
            continue
        for place in range(max(map(len, lists))):
            # Yours comes last: of equal versions the bot's has the newer digest.
            there = [each[place] for each in (lists[0], lists[2], lists[1]) if each]
            newest[name, place] = max(reversed(there), key=version)
    return [put(kind, side, newest) for side in sides]


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


def version(pin: str) -> tuple[tuple[int, ...], bool]:
    """Return what orders pins: the numbers of the version, then whether there is a digest."""
    if pin.startswith("@") and not pin.startswith("@sha256"):
        text = pin.partition("#")[2] or pin
    else:
        # Of a bound the lower end counts, then the upper one.
        text = pin.partition("@")[0]
    numbers = tuple(map(int, re.findall(r"\d+", text)))
    return numbers, "@" in pin


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
