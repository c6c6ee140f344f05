"""What stands in the fences of a page, and the files that it goes to.

The line before a fence names the file and what becomes of it: `app/main.py` (changed): and so on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.projects import Project

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_PLACE = re.compile(r"`(?P<file>[\w./-]+)` \((?P<how>new|whole|at its end|changed)\):")
_SHOWN = frozenset({"console", "text"})
"""What a reader sees and does not write."""


@dataclass(frozen=True)
class Snippet:
    """One fence of a page."""

    language: str
    text: str
    file: str = ""
    how: str = ""

    def write(self, project: Project) -> None:
        """Write it where it belongs. Raises `ValueError` where that is not as the page says."""
        path = _path(project, self.file)
        there = path.exists()
        if there is (self.how == "new"):
            raise ValueError(f"{self.file}: {self.how}, but it is {'' if there else 'not '}there")
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8") if there else ""
        if self.how == "changed":
            text = _changed(before, self.text, self.file)
        elif self.how == "at its end":
            # Two lines between what stands at the left edge of a module, as formatters want it.
            gap = "\n\n" if path.suffix == ".py" else "\n"
            text = f"{before}{gap}{self.text}"
        else:
            text = self.text
        path.write_text(text, "utf-8")


def read(page: str) -> Iterator[Snippet]:
    """Yield the fences of a page in their order. Raises `ValueError` for one without a place."""
    for fence in _FENCE.finditer(page):
        language, text = fence["language"], fence["text"]
        place = _PLACE.fullmatch(page[: fence.start()].rstrip().rpartition("\n")[2])
        if place:
            yield Snippet(language, text, place["file"], place["how"])
        elif language in _SHOWN:
            yield Snippet(language, text)
        else:
            raise ValueError(f"name the file before this fence:\n{text}")


def _path(project: Project, file: str) -> Path:
    folder = project.path / "src" / project.package if file.startswith("app/") else project.path
    return folder / file


def _changed(before: str, diff: str, file: str) -> str:
    """Return the text with each part of the diff in the place of what it was made from."""
    text = before
    for part in re.split(r"^@@\n", diff, flags=re.M):
        lines = part.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        if text.count(old) != 1:
            raise ValueError(f"{file}: {text.count(old)} places for this change:\n{part}")
        text = text.replace(old, new)
    return text
