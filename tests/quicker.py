"""Copier in this process, without what it does anew for each file: most of the time of a render.

For each part of each path it compiles a template and gathers all answers, three times over, and it
asks git about each file (`git config`, some 230 times) whether modes count there. An update clones
the template five times, reads copier.yml as often, and to tell that a folder is no git bundle takes
a repository.
"""

from __future__ import annotations

import copy
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from copier import _template, _vcs
from copier._main import Worker
from jinja2 import Environment

_compile: Any = Environment.compile
_known: dict[tuple[object, ...], Any] = {}
_render_template: Any = Worker._render_template
_answers_relpath: Any = Worker.answers_relpath
_load_config: Any = _template.load_template_config
_configs: dict[bytes, Any] = {}
_is_git_bundle = _vcs.is_git_bundle
_clone = _vcs.clone
_clones: dict[tuple[str, str, bytes], str] = {}
_folder = tempfile.TemporaryDirectory(prefix="clones-")


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


def gather_once(self: Any) -> None:
    """Stand in for `Worker._render_template`: while files are written, no answer changes."""
    context = self._render_context()
    vars(self)["_render_context"] = lambda: dict(context)
    try:
        _render_template(self)
    finally:
        del vars(self)["_render_context"]


def answers_relpath(self: Any) -> Path:
    """Stand in for `Worker.answers_relpath`: what has no brace renders to itself."""
    path = self.answers_file or self.template.answers_relpath
    return _answers_relpath.fget(self) if "{" in str(path) else Path(path)


def load_config(path: Path, quiet: bool = False) -> Any:
    """Stand in for Copier's own: the same text says the same, as long as it includes nothing."""
    text = path.read_bytes()
    if b"!include" in text:
        return _load_config(path, quiet)
    if text not in _configs:
        _configs[text] = _load_config(path, quiet)
    return copy.deepcopy(_configs[text])


def is_git_bundle(path: Path) -> bool:
    """Stand in for Copier's own: a folder is none."""
    return not path.is_dir() and _is_git_bundle(path)


def clone_once(url: str, ref: str = "HEAD", location: str | None = None) -> str:
    """Stand in for Copier's own: a repository of the same refs is cloned once, and only read.

    Of HEAD Copier also takes what is not committed: that is cloned each time.
    """
    if ref == "HEAD" or not Path(url).is_dir():
        return _clone(url, ref, location)
    refs = subprocess.run(["git", "-C", url, "show-ref"], capture_output=True, check=True).stdout
    key = (url, ref, refs)
    if key not in _clones:
        _clones[key] = _clone(url, ref, tempfile.mkdtemp(dir=_folder.name))
    return _clones[key]


def begin() -> None:
    """Begin to; of programs, that of tests/loaded.py does, too."""
    Environment.compile = compile_once  # type: ignore[method-assign] # in its place
    worker: Any = Worker
    worker._render_template = gather_once
    worker.answers_relpath = property(answers_relpath)
    # Its answer counts in repositories with core.fileMode=false, which no test makes.
    worker._sync_git_index_executable_bit = lambda _self, _path, _mode: None
    template: Any = _template
    template.load_template_config = load_config
    template.clone = clone_once
    _vcs.is_git_bundle = is_git_bundle
