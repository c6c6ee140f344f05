"""Ways to break each line of the contract: one place in a generated project, and what that opens.

They are data, `families/*.toml`, a file for each family of lines, an entry for each way:

    [[mutation]]
    line = "SES-4"
    file = "security/sessions.py"  # from the package's folder; with `judge`, from the repository's
    old = 'self._rotate = True'    # exact text, there once
    new = 'pass'
    attack = "a stolen id survives the change of password"    # what it would let through
    answers = { framework = "django" }                        # left out: Flask, as generated
    judge = "tests/supply/test_ci.py::test_update_bots_wait"  # left out: the conformance suite

A change of the code makes `old` stale: `python -m tests.mutation.stale` says where it may be now.
Redis and the server on the socket have tests of their own; the rest of the contract is here. What
no test in the project can see, its CI and its gates, is broken in the template.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.projects import CHOICES, DEPENDENT, ROOT

FAMILIES = {
    **{"HDR": 5, "FPR": 4, "RED": 4, "SES": 12, "THR": 10, "CSR": 2, "PRX": 4, "BND": 8},
    **{"RTE": 6, "INP": 4, "ACC": 2, "OWN": 2, "LOG": 2, "CFG": 3, "DEP": 4},
    **{"DAT": 5, "PPL": 5},
}
"""How many lines of the contract each family has that a project itself must keep."""
ELSEWHERE = frozenset({"BND-7"})
"""Not broken here: planned, or seen at the socket alone, where the server answers by itself."""
LINES = tuple(
    line
    for name, count in FAMILIES.items()
    for line in (f"{name}-{number + 1}" for number in range(count))
    if line not in ELSEWHERE
)
"""Their ids; a project keeps them in its code or in what looks after it."""

Answers = frozenset[tuple[str, str]]

_NEEDED = ("line", "file", "old", "new", "attack")
_ALLOWED = (*_NEEDED, "answers", "judge")
_FRAMEWORK = "flask"


@dataclass(frozen=True)
class Mutation:
    """One change, which the tests must notice."""

    line: str
    """Contract id."""
    name: str
    """The id and a number."""
    file: str
    """Relative to the package's folder; in `GATES`, to the template repository."""
    old: str
    new: str
    attack: str
    """What the change would let through."""
    answers: Answers
    """What the project is generated with, its framework always among it."""
    judge: str
    """The test of the template repository that must notice; "" for the conformance suite."""
    place: str
    """Where the entry is: file and number of its first line."""

    @property
    def key(self) -> str:
        """What it is known by where entries may come, go and move."""
        content = json.dumps([self.file, self.old, self.new, sorted(self.answers)])
        return f"{self.line} {hashlib.sha256(content.encode()).hexdigest()[:12]}"


class TableError(ValueError):
    """Raised if an entry cannot be what its author meant."""


def project_name(answers: Answers) -> str:
    """Return a short name for a set of answers, its framework first."""
    # By their names: a set's order differs between the processes that run the tests.
    named = sorted(answers, key=lambda pair: (pair[0] != "framework", pair))
    return "-".join(value for _, value in named)


def one_each(mutations: Iterable[Mutation]) -> list[Mutation]:
    """Return one for each line, of the projects that most of the others need, too."""
    chosen: dict[str, Mutation] = {}
    for mutation in sorted(
        mutations, key=lambda each: (len(each.answers), project_name(each.answers))
    ):
        chosen.setdefault(mutation.line, mutation)
    return [*chosen.values()]


def load(paths: Iterable[Path]) -> tuple[Mutation, ...]:
    """Read families. Raises `TableError`, with file and line, for what is no good entry."""
    numbers: Counter[str] = Counter()
    places: dict[tuple[object, ...], str] = {}
    mutations = []
    for path in sorted(paths):
        for place, entry in _entries(path):
            try:
                mutation = _mutation(entry, place, path.stem.upper(), numbers)
            except TableError as error:
                raise TableError(f"{place}: {error}") from None
            same = (mutation.file, mutation.old, mutation.new, mutation.answers, mutation.judge)
            if first := places.get(same):
                raise TableError(f"{place}: the same change as in {first}; leave one out")
            places[same] = place
            mutations.append(mutation)
    return tuple(mutations)


def _entries(path: Path) -> Iterable[tuple[str, Any]]:
    """Return the entries of a file, each with its place."""
    text = path.read_text("utf-8")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{path.name}: {error}") from None
    entries = content.pop("mutation", [])
    if content or not isinstance(entries, list):
        raise TableError(f"{path.name}: only entries called [[mutation]] may be here")
    starts = [row for row, line in enumerate(text.split("\n"), 1) if line == "[[mutation]]"]
    if len(starts) != len(entries):
        raise TableError(f"{path.name}: each entry begins with a line that is [[mutation]] alone")
    return zip((f"{path.name}:{row}" for row in starts), entries, strict=True)


def _mutation(entry: Any, place: str, family: str, numbers: Counter[str]) -> Mutation:
    """Check an entry; `numbers` counts those of each line."""
    for key, value in entry.items():
        if key not in _ALLOWED:
            raise TableError(f"unknown key {key!r}; keys are {', '.join(_ALLOWED)}")
        if key != "answers" and not isinstance(value, str):
            raise TableError(f"{key} is {value!r}; write it as text")
        if value == "" and key != "new":
            raise TableError(f"{key} is empty; say what it is")
    if missing := [key for key in _NEEDED if key not in entry]:
        raise TableError(f"{', '.join(missing)} missing")
    line = entry["line"]
    if line not in LINES:
        raise TableError(f"unknown line {line!r}; FAMILIES of table.py says which there are")
    if not line.startswith(f"{family}-"):
        raise TableError(f"{line} belongs in {line[:3].lower()}.toml")
    if entry["old"] == entry["new"]:
        raise TableError("old and new are equal; such a change breaks nothing")
    if "judge" in entry and "answers" in entry:
        raise TableError("a judge looks at the template, not at a project; leave the answers out")
    answers = _answers(entry.get("answers", {}))
    numbers[line] += 1
    texts = {key: entry[key] for key in _NEEDED} | {"judge": entry.get("judge", "")}
    return Mutation(name=f"{line}.{numbers[line]}", answers=answers, place=place, **texts)


def _answers(given: Any) -> Answers:
    """Check answers: Copier takes a misspelt one without a word."""
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in given.values()):
        raise TableError(f'answers are {given!r}; write {{ name = "value" }}')
    for name, value in given.items():
        if name.startswith("_") or name not in _QUESTIONS:
            raise TableError(f"answers: copier.yml has no question {name!r}")
        values = {**CHOICES, **DEPENDENT}.get(name, (value,))
        if value not in values:
            raise TableError(f"answers: {name} is {value!r}, not of {', '.join(values)}")
    return frozenset({"framework": _FRAMEWORK, **given}.items())


_QUESTIONS: Mapping[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
_TABLE = load((Path(__file__).parent / "families").glob("*.toml"))

MUTATIONS = tuple(mutation for mutation in _TABLE if not mutation.judge)
"""Each is noticed by the conformance suite."""
GATES = tuple(mutation for mutation in _TABLE if mutation.judge)
"""Each is noticed by a test of the template repository."""
PROJECTS = tuple(sorted({mutation.answers for mutation in MUTATIONS}, key=project_name))
"""The sets of answers that some mutation asks for."""
