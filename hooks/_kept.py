"""What the hooks keep: which steps passed on the files as they are, and what mypy learned.

Owned by the template: extend, do not edit. Standard library only. CI uses nothing of it: what it
says was run there and then.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from _steps import (
    ROOT,
    WITHOUT_SERVERS,
    Refused,
    Result,
    Step,
    environment,
    git,
    load_toml,
    run_each,
    show_failed,
)

TYPED = {".py", ".pyi", ".toml", ".ini", ".lock", ""}
"""Ends of the names of files that types depend on; programs in hooks/ have none."""
SETTINGS = ("APP_", "PYTEST", "PYTHON", "HYPOTHESIS", "MYPY")
"""How the variables begin that change what a step finds."""
FOLDERS = {"__pycache__", "node_modules", "var"}
OWN = re.compile(r"src/\w+/app/(?!migrations/|settings\.py)|tests/(?!contract/)|[^/]+\.md$")
"""Files of the application alone, an edit of which leaves `deep` steps out."""
NEWEST = 4
"""How many caches of mypy a machine keeps, of some 25 MB each."""


def run_changed(
    steps: Sequence[Step], *, everything: bool = False, lightly: bool = False, partly: str = ""
) -> bool:
    """Run the steps for which something has changed since they passed; say what is left out.

    With `everything`, all of them; `lightly`, no deep ones for an edit of the application alone.
    Steps called `partly` are parts of that one: that they passed is not remembered.
    """
    passed, cache = Passed(), MypyCache()
    now: list[Step] = []
    left: dict[str, str] = {}
    for step in steps:
        reason = "" if everything else passed.reason(step, lightly=lightly)
        if reason:
            left[step.name] = reason
        else:
            now.append(step)
    for name, reason in left.items():
        print(f"  left  {name:<9}         {reason}", flush=True)
    cache.fetch()
    results = run_each(now)
    if any(result.step.name == "types" and result.code == 0 for result in results):
        cache.leave()
    passed.keep([result for result in results if result.step.name != partly])
    without = any(WITHOUT_SERVERS[1] in step.command for step in now)
    if without:
        print("  left  servers           no Redis and PostgreSQL here: the tests of both")
    if without or len(now) < len(steps):
        print("  hooks/verify --all runs what was left out, and so does CI", flush=True)
    return show_failed(results)


class Passed:
    """The steps that passed, each with a fingerprint of what it looked at.

    It stands in the project's environment, and goes with it. A step that passed on another day
    counts for nothing: exceptions expire, and so do lines of Python.
    """

    def __init__(self) -> None:
        self._path = environment() / "passed.json"
        self._steps = {}
        self._files = {}
        if os.environ.get("CI") == "true":
            return
        self._files = {name: digest(ROOT / name) for name in files()}
        with suppress(OSError, ValueError):
            self._steps = dict(json.loads(self._path.read_text("utf-8")))

    def reason(self, step: Step, *, lightly: bool = False) -> str:
        """Return why the step is left out, "" if it is not."""
        kept = self._steps.get(step.name)
        if not step.repeats or not self._files or not isinstance(kept, dict):
            return ""
        if kept.get("fingerprint") == self._fingerprint(step):
            return f"nothing changed since {kept['at']}"
        if lightly and step.deep and kept.get("others") == self._fingerprint(step, own=False):
            return f"only the application changed since {kept['at']}: before a push"
        return ""

    def keep(self, results: Iterable[Result]) -> None:
        """Remember the steps that passed, unless a file was edited while they ran.

        Which of the two they looked at, nobody knows.
        """
        if any(digest(ROOT / name) != found for name, found in self._files.items()):
            return
        for result in results:
            if result.step.repeats and result.code == 0 and self._files:
                self._steps[result.step.name] = {
                    "fingerprint": self._fingerprint(result.step),
                    "others": self._fingerprint(result.step, own=False),
                    "at": time.strftime("%H:%M"),
                }
        with suppress(OSError):
            if self._files:
                self._path.write_text(json.dumps(self._steps), "utf-8")

    def _fingerprint(self, step: Step, *, own: bool = True) -> str:
        """Hash what the step depends on; without the application's `own` files, all others."""
        variables = {k: v for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)}
        looked_at = {
            name: value
            for name, value in self._files.items()
            if (step.name != "types" or Path(name).suffix in TYPED) and (own or not OWN.match(name))
        }
        facts = [time.strftime("%Y-%m-%d"), str(ROOT), variables, looked_at]
        facts.append(digest(environment() / "pyvenv.cfg"))
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def digest(path: Path) -> str:
    """Return the hash of a file's content, "" where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def files() -> list[str]:
    """Return the project's files: what git has or would take, else all that is not hidden."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed:
        return sorted(name for name in set(listed.split("\0")) if name)
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in FOLDERS and not name.startswith(".")]
        found += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in names]
    return sorted(found)


class MypyCache:
    """What mypy knows of the libraries, handed from project to project on one machine.

    Each project has a cache of its own, so two runs never write to one; a new project begins with a
    copy. mypy looks at the content of each file, so another project's cache can only be of no use.
    """

    def __init__(self) -> None:
        self._own = ROOT / ".mypy_cache"
        self._shared = None
        if os.environ.get("CI") == "true" or "MYPY_CACHE_DIR" in os.environ or self._own.exists():
            return
        with suppress(OSError, RuntimeError, Refused):
            self._shared = user_cache() / "service-hooks" / "mypy" / libraries()

    def fetch(self) -> None:
        """Begin with what another project has left, if this one has nothing."""
        if self._shared is not None and self._shared.is_dir():
            with suppress(OSError, shutil.Error):
                shutil.copytree(self._shared, self._own)

    def leave(self) -> None:
        """Leave a copy for other projects, unless they have one; drop the oldest."""
        if self._shared is None or self._shared.exists() or not self._own.is_dir():
            return
        with suppress(OSError, shutil.Error):
            self._shared.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(dir=str(self._shared.parent)))
            try:
                shutil.copytree(self._own, made / "cache")
                (made / "cache").rename(self._shared)
            finally:
                shutil.rmtree(made, ignore_errors=True)
            known = sorted(self._shared.parent.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in known[:-NEWEST]:
                shutil.rmtree(path, ignore_errors=True)


def user_cache() -> Path:
    """Return the folder in which programs of this user keep what they can make again."""
    named = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    if named:
        return Path(named)
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def libraries() -> str:
    """Return a name for what mypy's cache holds: its settings, Python, and what the lock names."""
    settings = (ROOT / "mypy.ini").read_text("utf-8") if (ROOT / "mypy.ini").exists() else ""
    python = [
        line
        for line in (environment() / "pyvenv.cfg").read_text("utf-8").splitlines()
        if line.startswith("version")
    ]
    names = [
        f"{each.get('name')} {each.get('version')}"
        for each in load_toml(ROOT / "uv.lock").get("package", [])
        if {"editable", "virtual"}.isdisjoint(each.get("source", {}))
    ]
    facts = [settings, *python, *names]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
