# Owned by the template: extend, do not edit.
r"""Finds regular expressions on which a hostile text costs too much time (ReDoS; ASVS 1.3.12).

A backtracking engine tries each way in which a text may match. This module builds the automaton of
an expression and looks for texts that match in a number of ways that grows exponentially (two
ways around one loop: `(a+)+`, `(a|a)*`) or at least with the square of the length, which makes the
time cubic (three loops for one text: `(.*a){20}`); after Weber and Seidl, "On the degree of
ambiguity of finite automata" (1991).

Limits: a match is taken to begin at a fixed place, so `re.search`, which tries each, costs once
more the length. Look-arounds are judged by themselves, a back-reference counts as empty,
a possessive repetition and an atomic group as one character; a repetition of more than 20 times
counts as unbounded. Only expressions that stand in the source as text are found.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import count, product
from pathlib import Path
from typing import Any, NamedTuple

# Private, but there in each Python that the project supports; the public one is deprecated.
_parser: Any = importlib.import_module("re._parser")

MOST_COPIES = 20
MOST_STATES = 150
EXPONENTIAL, CUBIC, TOO_LARGE = "exponential time", "cubic time or worse", "too large to judge"
_FUNCTIONS = {
    "compile",
    "findall",
    "finditer",
    "fullmatch",
    "match",
    "search",
    "split",
    "sub",
    "subn",
}
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\|", re.DOTALL)
_CLASSES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
_Graph = dict[Any, set[Any]]


class Place(NamedTuple):
    """A regular expression in a source file."""

    path: Path
    line: int
    pattern: str


class _Part(NamedTuple):
    """The states in which a part begins and ends, and whether it may be empty (Glushkov)."""

    first: frozenset[int]
    last: frozenset[int]
    empty: bool


_EMPTY = _Part(frozenset(), frozenset(), True)


def in_source(folder: Path) -> Iterator[Place]:
    """Yield the expressions given as text to `re`, or to any call as `pattern` or `regex`."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            given = [each.value for each in node.keywords if each.arg in {"pattern", "regex"}]
            if isinstance(node.func, ast.Attribute) and node.func.attr in _FUNCTIONS:
                given += node.args[:1] if ast.unparse(node.func.value) in {"re", "regex"} else []
            for each in given:
                text = each.value if isinstance(each, ast.Constant) else None
                if isinstance(text, str | bytes):
                    known = text if isinstance(text, str) else text.decode("latin-1")
                    yield Place(path, node.lineno, known)


def fault(pattern: str) -> str:
    """Return what is wrong with an expression, or nothing. Raises `re.error` if it is none."""
    found = set()
    # Only Python 3.14 and pydantic know \z. Alternatives are kept apart, because Python's parser
    # joins equal ones, but other engines do not.
    numbers = count()
    text = _TOKEN.sub(lambda each: _apart(each[0], numbers), pattern)
    waiting = [_parser.parse(text)]
    while waiting:
        automaton = _Automaton()
        automaton.build(waiting.pop())
        waiting += automaton.apart
        found.add(automaton.fault())
    return next((each for each in (EXPONENTIAL, TOO_LARGE, CUBIC) if each in found), "")


def _apart(token: str, numbers: Iterator[int]) -> str:
    return f"|(?={next(numbers)})" if token == "|" else r"\Z" if token == r"\z" else token


class _Automaton:
    """One state for each place of the expression that takes a character."""

    def __init__(self) -> None:
        self.takes: list[frozenset[str]] = []
        """Which of the alphabet's characters lead into a state."""
        self.follows: dict[int, set[int]] = defaultdict(set)
        self.double: set[tuple[int, int]] = set()
        """Steps that two repetitions make possible."""
        self.apart: list[Any] = []
        """What is judged by itself: look-arounds and what is never tried again."""
        self.alphabet: list[str] = []

    def build(self, tree: Any) -> _Part:
        edges = {ord("\n"), ord("a"), ord("0"), ord("_"), ord(" "), ord("-"), 0x2603}
        self.alphabet = sorted({chr(each) for each in edges | _edges(tree) if 0 <= each < 0xD800})
        return self._sequence(tree)

    def _sequence(self, items: Iterable[Any]) -> _Part:
        return reduce(self._join, (self._item(*item) for item in items), _EMPTY)

    def _join(self, left: _Part, right: _Part) -> _Part:
        for step in product(left.last, right.first):
            if step[1] in self.follows[step[0]]:
                self.double.add(step)
            self.follows[step[0]].add(step[1])
        return _Part(
            left.first | (right.first if left.empty else frozenset()),
            right.last | (left.last if right.empty else frozenset()),
            left.empty and right.empty,
        )

    def _state(self, matches: Callable[[str], object]) -> _Part:
        self.takes.append(frozenset(each for each in self.alphabet if matches(each)))
        only = frozenset({len(self.takes) - 1})
        return _Part(only, only, False)

    def _item(self, code: Any, value: Any) -> _Part:
        # An anchor or a back-reference takes no character.
        build = getattr(self, f"_{str(code).lower()}", None)
        return build(value) if build else _EMPTY

    def _subpattern(self, value: Any) -> _Part:
        return self._sequence(value[-1])

    def _branch(self, value: Any) -> _Part:
        return self._either([self._sequence(each) for each in value[1]])

    def _groupref_exists(self, value: Any) -> _Part:
        return self._either([self._sequence(each or ()) for each in value[1:]])

    def _assert(self, value: Any) -> _Part:
        self.apart.append(value[1])
        return _EMPTY

    def _atomic_group(self, value: Any) -> _Part:
        self.apart.append(value)
        return self._state(lambda _: True)

    def _possessive_repeat(self, value: Any) -> _Part:
        self.apart.append(value[2])
        return self._state(lambda _: True)._replace(empty=not value[0])

    def _literal(self, value: int) -> _Part:
        return self._state(lambda each: ord(each) == value)

    def _not_literal(self, value: int) -> _Part:
        return self._state(lambda each: ord(each) != value)

    def _any(self, _: None) -> _Part:
        return self._state(lambda each: each != "\n")

    def _in(self, value: Any) -> _Part:
        return self._state(lambda each: _in(value, each))

    def _either(self, parts: list[_Part]) -> _Part:
        none: frozenset[int] = frozenset()
        first, last = (
            none.union(*(each.first for each in parts)),
            none.union(*(each.last for each in parts)),
        )
        return _Part(first, last, any(each.empty for each in parts))

    def _max_repeat(self, value: Any) -> _Part:
        least, most, items = value
        part, copies = _EMPTY, min(least, MOST_COPIES)
        bounded = most <= MOST_COPIES
        for number in range(most if bounded else max(copies, 1)):
            last = self._sequence(items)
            if not bounded and number == max(copies, 1) - 1:
                self._join(last, last)
            part = self._join(part, last._replace(empty=last.empty or number >= least))
            if len(self.takes) > MOST_STATES:
                break
        return part

    _assert_not = _assert
    _min_repeat = _max_repeat

    def fault(self) -> str:
        """Return what is wrong, or nothing."""
        if len(self.takes) > MOST_STATES:
            return TOO_LARGE
        loops = self._loops()
        if any(self._twice_around(loop) for loop in loops):
            return EXPONENTIAL
        # Ways for one text from loop to loop: one such step makes the time quadratic, two cubic.
        steps = {
            (one, other)
            for one, other in product(range(len(loops)), repeat=2)
            if one != other and self._both(loops[one], loops[other])
        }
        return CUBIC if any(end == start for _, end in steps for start, _ in steps) else ""

    def _loops(self) -> list[set[int]]:
        reach = {state: _reachable(self.follows, {state}) for state in range(len(self.takes))}
        loops: list[set[int]] = []
        for state, others in reach.items():
            if state in others and not any(state in loop for loop in loops):
                loops.append({each for each in others if state in reach[each]})
        return loops

    def _moves(self, *states: int) -> Iterator[tuple[int, ...]]:
        """Yield where states get to together by one character."""
        for to in product(*(self.follows[state] for state in states)):
            if frozenset.intersection(*(self.takes[state] for state in to)):
                yield to

    def _walk(self, start: tuple[int, ...], within: list[set[int]]) -> _Graph:
        graph: _Graph = {}
        waiting = [start]
        while waiting:
            here = waiting.pop()
            if here in graph:
                continue
            graph[here] = {
                to
                for to in self._moves(*here)
                if all(state in allowed for state, allowed in zip(to, within, strict=True))
            }
            waiting += graph[here]
        return graph

    def _twice_around(self, loop: set[int]) -> bool:
        """Tell whether one text leads from a state of the loop back to it in two ways."""
        if any(set(step) <= loop for step in self.double):
            return True
        for state in loop:
            graph = self._walk((state, state), [loop, loop])
            apart = {pair for pair in graph if pair[0] != pair[1]}
            if any((state, state) in _reachable(graph, {pair}) for pair in apart):
                return True
        return False

    def _both(self, one: set[int], other: set[int]) -> bool:
        """Tell whether one text leads around either loop and from the first to the second."""
        anywhere = set(range(len(self.takes)))
        return any(
            (start, end, end) in _reachable(self._walk((start, start, end), walk), None)
            for walk in [[one, anywhere, other]]
            for start, end in product(one, other)
        )


def _reachable(graph: _Graph, starts: set[Any] | None) -> set[Any]:
    """Return the nodes after at least one step from `starts`; None: all that a step leads to."""
    found: set[Any] = set()
    waiting = list(graph if starts is None else starts)
    while waiting:
        for to in graph.get(waiting.pop(), ()):
            if to not in found:
                found.add(to)
                waiting.append(to)
    return found


def _in(items: Iterable[tuple[Any, Any]], character: str) -> bool:
    negated, found = False, False
    for code, value in items:
        match str(code):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found |= ord(character) == value
            case "RANGE":
                found |= value[0] <= ord(character) <= value[1]
            case "CATEGORY":
                found |= bool(re.match(_CLASSES[str(value)], character))
    return found != negated


def _edges(tree: Any) -> set[int]:
    """Return the code points at which what an expression takes may change, and one beside each."""
    if isinstance(tree, int) and not hasattr(tree, "name"):
        return {tree - 1, int(tree), tree + 1}
    if isinstance(tree, (list, tuple)) or hasattr(tree, "data"):
        return set().union(*(_edges(each) for each in tree))
    return set()
