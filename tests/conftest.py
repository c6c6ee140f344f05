"""Fixtures of all suites: projects rendered once for each set of answers."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import loaded, projects, weekly
from tests.mutation import killers
from tests.projects import Project, shared

collect_ignore = ["unit"]
"""Part of a generated project, and run there: see tests/generated/test_unit.py."""

# Thousands of processes start here, most of them of a generated project. Where they may not write
# down what they compiled, each of them compiles all libraries again, for longer than it runs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts what runs in its background deaf to Ctrl-C, and what that starts is deaf, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Render = Callable[..., Project]
"""Called with answers by name; defaults stand for the rest."""


LONG = ("tests/generated/", "tests/supply/test_ci", "tests/update/")
LEFT = "left to `make weekly`"
left: dict[str, int] = {}
"""How many tests, by process: each of xdist's collects all."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what waits for the weekly job, and put the others in an order in which nobody waits."""
    left[""] = weekly.leave(config, items)
    items[:] = _dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _dealt(items: list[pytest.Item], hands: int) -> list[pytest.Item]:
    """Order tests so that each of xdist's processes begins with its share of the long ones.

    Each is given one piece of the list. What takes a minute would otherwise all be in the first
    piece, and its end be waited for; the rest is short at last, for the same reason.
    """
    ranked: list[list[pytest.Item]] = [[], [], []]
    for item in items:
        ranked[_turn(item.nodeid)].append(item)
    long, others, short = ranked
    begins: list[list[pytest.Item]] = [[] for _ in range(hands)]
    # By modules, which share what they have made.
    modules = itertools.groupby(long, key=lambda item: item.nodeid.partition("::")[0])
    for number, (_, module) in enumerate(modules):
        begins[number % hands] += module
    dealt: list[pytest.Item] = []
    for number, begin in enumerate(begins):
        # As many as its piece will have.
        last = short[number::hands]
        size = (len(items) - len(dealt)) // (hands - number) - len(begin) - len(last)
        dealt += begin + others[: max(size, 0)] + last
        del others[: max(size, 0)]
    return dealt + others


def _turn(nodeid: str) -> int:
    if nodeid.startswith(LONG):
        return 0
    return 2 if nodeid.startswith("tests/mutation/") else 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that starts the others what was left."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[LEFT] = left.get("", 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it there."""
    left[node.gateway.id] = getattr(node, "workeroutput", {}).get(LEFT, 0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Hear what noticed a mutation."""
    killers.note(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left, and which mutations took longer than they need."""
    if number := max(left.values(), default=0):
        terminalreporter.write_line(f"{number} {'test' if number == 1 else 'tests'} {LEFT}")
    if says := killers.end():
        terminalreporter.write_line(says)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the template, as a plain folder without git."""
    return shared(tmp_path_factory, "template", projects.copy_template)


@pytest.fixture(scope="session")
def versioned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the template under git, with the tag v1.0.0: only read it."""

    def make(folder: Path) -> None:
        made = Project(projects.copy_template(folder))
        made.commit()
        made.git("tag", "v1.0.0")

    return Project(shared(tmp_path_factory, "versioned", make))


@pytest.fixture(scope="session")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Return a function that renders a project once for each set of answers: only read it."""
    return projects.once_for_each(tmp_path_factory, "rendered", partial(projects.render, template))


@pytest.fixture(scope="session")
def installed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Return a function that renders and installs a project once for each set of answers.

    Tests may run its commands, but not change its files: other processes run them too.
    """

    def make(folder: Path, answers: dict[str, str]) -> None:
        projects.render(template, folder, answers).install()

    return projects.once_for_each(tmp_path_factory, "installed", make)


@pytest.fixture(scope="session")
def loaded_copier() -> Iterator[Path]:
    """Return a folder with Copier as a program that is loaded already: put it first in the PATH."""
    with loaded.served() as folder:
        yield folder


@pytest.fixture(scope="session")
def typed(installed: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what mypy knows of the libraries, as a cache of its own: copy it, do not write to it.

    mypy looks at the content of each file, so that another project's can only be of no use.
    """

    def make(folder: Path) -> None:
        project = installed(framework="fastapi")
        project.run(project.python, "-m", "mypy", "--cache-dir", str(folder))

    return shared(tmp_path_factory, "typed", make)


@pytest.fixture(scope="session")
def mypy(typed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return how mypy is called: what it knows of the libraries goes from project to project."""
    own = tmp_path_factory.getbasetemp() / "mypy"
    shutil.copytree(typed, own)
    return ("-m", "mypy", "--cache-dir", str(own))


@pytest.fixture
def knowing(typed: Path, tmp_path: Path) -> str:
    """Return `MYPY_CACHE_DIR` for a hook or `make new`, whose mypy then knows the libraries too."""
    return str(shutil.copytree(typed, tmp_path / "typed"))
