"""Lists the entries whose text is not in its file exactly once, or that would leave no Python.

    python -m tests.mutation.stale           # all, in projects rendered from the working tree
    python -m tests.mutation.stale FOLDER    # those for a project that was generated before

For each it says where the text is now, or which lines are most like it. Exit code 1 if any is.
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from functools import cached_property
from os.path import relpath
from pathlib import Path
from typing import NamedTuple

from tests.mutation.table import GATES, MUTATIONS, PROJECTS, Mutation
from tests.projects import Project, copy_template, render

_COMPARED = 12
"""So many places are compared letter by letter, those with most words in common."""
_ALIKE = 0.4
"""From 0 to 1: what is less alike is no hint."""


class Block(NamedTuple):
    """Some lines of a file."""

    file: str
    row: int
    """Of its first line, from 1."""
    text: str


class Tree:
    """The files in which entries look for their text."""

    def __init__(self, root: Path, base: Path) -> None:
        """Take all files below `root`; entries name theirs from `base`."""
        self._root = root
        self._base = base

    @cached_property
    def files(self) -> dict[str, str]:
        """Each file's text by its name in the table; none that is made while tests run."""
        made = {".git", ".venv", "__pycache__", ".hypothesis", "uv.lock"}
        texts = {}
        for path in sorted(self._root.rglob("*")):
            parts = path.relative_to(self._root).parts
            if path.is_file() and made.isdisjoint(parts) and not path.is_symlink():
                name = Path(relpath(path, self._base)).as_posix()
                texts[name] = path.read_text("utf-8", errors="replace")
        return texts

    @cached_property
    def _words(self) -> list[tuple[str, list[str], list[Counter[str]]]]:
        lines = [(name, text.splitlines()) for name, text in self.files.items()]
        return [(name, rows, [_words(row) for row in rows]) for name, rows in lines]

    def stale(self, mutations: Iterable[Mutation]) -> Iterator[str]:
        """Yield what is to be said about each that does not find its text exactly once."""
        for mutation in mutations:
            rows = [block.row for block in self.exact(mutation) if block.file == mutation.file]
            if len(rows) != 1:
                yield "\n".join(self._report(mutation, rows))
            elif fault := self._fault(mutation):
                yield f"{mutation.place}: {mutation.name}, {mutation.attack}\n  leaves {fault}"

    def _fault(self, mutation: Mutation) -> str:
        """Return why the changed file is no Python; "" if it is, or never was."""
        if mutation.file.endswith(".py"):
            try:
                ast.parse(self.files[mutation.file].replace(mutation.old, mutation.new))
            except SyntaxError as error:
                return f"{mutation.file}:{error.lineno} invalid: {error.msg}"
        return ""

    def exact(self, mutation: Mutation) -> list[Block]:
        """Return where the text is, in any file."""
        places = []
        for name, text in self.files.items():
            start = text.find(mutation.old)
            while start >= 0:
                places.append(Block(name, text.count("\n", 0, start) + 1, mutation.old))
                start = text.find(mutation.old, start + len(mutation.old))
        return places

    def closest(self, mutation: Mutation) -> Block | None:
        """Return the lines most like the text, rather in its own file than in another."""
        wanted = _words(mutation.old)
        height = len(mutation.old.splitlines())
        likely: list[tuple[float, Block]] = []
        for name, rows, words in self._words:
            for row in range(len(rows) - height + 1):
                known = sum((each & wanted).total() for each in words[row : row + height])
                if known:
                    text = "\n".join(rows[row : row + height])
                    score = min(known, wanted.total()) + (name == mutation.file) - len(text) / 1e4
                    likely.append((score, Block(name, row + 1, text)))
        likely.sort(key=lambda pair: -pair[0])
        rated = [
            (_alike(mutation.old, block.text) + (block.file == mutation.file) / 10, block)
            for _, block in likely[:_COMPARED]
        ]
        score, best = max(rated, key=lambda pair: pair[0], default=(0.0, None))
        return best if score >= _ALIKE else None

    def _report(self, mutation: Mutation, rows: list[int]) -> Iterator[str]:
        yield f"{mutation.place}: {mutation.name}, {mutation.attack}"
        yield _quote("  wants ", mutation.old)
        if rows:
            lines = ", ".join(map(str, rows))
            yield f"  {mutation.file} has it {len(rows)} times, in lines {lines}"
            return
        has = "does not have it" if mutation.file in self.files else "does not exist"
        yield f"  {mutation.file} {has}"
        if elsewhere := self.exact(mutation):
            yield "  it is in " + ", ".join(f"{each.file}:{each.row}" for each in elsewhere)
        elif best := self.closest(mutation):
            yield _quote(f"  closest, {best.file}:{best.row} ", best.text)


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def _alike(old: str, text: str) -> float:
    """Return from 0 to 1 how much of `old` is in `text`, which may be longer."""
    blocks = SequenceMatcher(None, old, text, autojunk=False).get_matching_blocks()
    whole = sum(block.size for block in blocks if block.size > 1) / len(old)
    return whole - abs(len(text) - len(old)) / 2000


def _quote(label: str, text: str) -> str:
    """Return text as it stands in its file: on one line after `label`, or below it."""
    rows = text.rstrip("\n").split("\n")
    return f"{label}| {rows[0]}" if len(rows) == 1 else "\n    | ".join([label.rstrip(), *rows])


def in_project(project: Project) -> Iterator[str]:
    """Look for the entries that the answers of a generated project fit."""
    answers = project.answers.items()
    tree = Tree(project.path, project.path / "src" / project.package)
    return tree.stale(each for each in MUTATIONS if each.answers <= answers)


def in_projects(projects: Iterable[Project]) -> Iterator[str]:
    """Look for each entry in the project that was generated for it, as `PROJECTS` lists them."""
    for answers, project in zip(PROJECTS, projects, strict=True):
        tree = Tree(project.path, project.path / "src" / project.package)
        yield from tree.stale(each for each in MUTATIONS if each.answers == answers)


def in_template(template: Path) -> Iterator[str]:
    """Look for the entries of CI and gates, in a copy of the template."""
    return Tree(template, template).stale(GATES)


def main(arguments: list[str]) -> int:
    """Print what is stale and return the exit code."""
    if len(arguments) > 1 or any(each.startswith("-") for each in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments:
        project = Project(Path(arguments[0]).resolve())
        if not (project.path / ".copier-answers.yml").is_file():
            print(f"{project.path} is no generated project; name its folder", file=sys.stderr)
            return 2
        reports = [*in_project(project)]
    else:
        with tempfile.TemporaryDirectory() as folder:
            template = copy_template(Path(folder, "template"))
            projects = [
                render(template, Path(folder, str(number)), dict(answers))
                for number, answers in enumerate(PROJECTS)
            ]
            reports = [*in_projects(projects), *in_template(template)]
    print("\n\n".join([*reports, f"{len(reports)} stale"]))
    return 1 if reports else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
