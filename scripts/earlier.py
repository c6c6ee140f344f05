"""Does the application of each earlier version run on today's template? `make earlier`.

Services keep their `app/` when they update. So that of each earlier tag, as it was generated then,
is put on a project of today, and the whole suite runs there. What breaks needs a bridge in the
template, or an entry **Breaking:** in the changelog with the step that mends it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import copier
import yaml
from _terms import is_yours
from copier.errors import DirtyLocalWarning
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


class Broken(NamedTuple):
    """An application of an earlier version that does not run on today's template."""

    tag: str
    framework: str
    output: str

    def __str__(self) -> str:
        """Return the last lines of what was said, after what it is about."""
        said = "\n".join(line for line in self.output.splitlines() if line.strip())
        last = "\n    ".join(said.splitlines()[-12:])
        return f"{self.tag}'s app/ with {self.framework} does not run on this template:\n    {last}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check all earlier versions and frameworks; exit 1 if one breaks."""
    parser = argparse.ArgumentParser("earlier", description=str(__doc__).partition("\n")[0])
    parser.add_argument("tags", nargs="*", help="default: all of the newest one's first number")
    options = parser.parse_args(arguments)
    found = list(check(ROOT, options.tags or tags(ROOT)))
    for each in found:
        print(f"earlier: {each}")
    return 1 if found else 0


def tags(root: Path) -> list[str]:
    """Return the versions from which services update: of the newest one's first number."""
    done = subprocess.run(
        ["git", "-C", str(root), "tag", "--list", "v*"], capture_output=True, text=True, check=False
    )
    versions = {}
    for name in done.stdout.split():
        try:
            version = Version(name)
        except InvalidVersion:
            continue
        if not version.is_prerelease:
            versions[version] = name
    newest = max(versions, default=None)
    return [
        name
        for version, name in sorted(versions.items())
        if newest and version.major == newest.major
    ]


def frameworks(root: Path) -> list[str]:
    """Return the frameworks of the template."""
    questions = yaml.safe_load((root / "copier.yml").read_text("utf-8"))
    return list(questions["frameworks"]["default"])


def check(
    root: Path,
    names: Sequence[str],
    only: Sequence[str] = (),
    suite: Sequence[str] = ("tests",),
) -> Iterator[Broken]:
    """Yield what breaks; `only` names frameworks, `suite` what pytest runs."""
    for tag in names:
        for framework in only or frameworks(root):
            with tempfile.TemporaryDirectory() as folder:
                output = run(root, tag, framework, Path(folder), suite)
            if output:
                yield Broken(tag, framework, output)


def run(root: Path, tag: str, framework: str, folder: Path, suite: Sequence[str]) -> str:
    """Put the application of a tag on a project of today and test it; return what fails, or ""."""
    old, new = folder / "old", folder / "new"
    make(root, old, tag, {"framework": framework})
    stored = yaml.safe_load((old / ".copier-answers.yml").read_text("utf-8"))
    answers = {name: text for name, text in stored.items() if not name.startswith("_")}
    questions = yaml.safe_load((root / "copier.yml").read_text("utf-8"))
    make(root, new, "HEAD", {name: text for name, text in answers.items() if name in questions})
    for side in (new, old):
        for path in sorted(side.rglob("*")):
            name = path.relative_to(side)
            if path.is_file() and is_yours(name.as_posix()):
                if side is new:
                    path.unlink()
                else:
                    (new / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, new / name)
    uv = shutil.which("uv", path=str(BIN)) or "uv"
    for command in ([uv, "sync", "--quiet"], [uv, "run", "--quiet", "pytest", "-q", *suite]):
        done = subprocess.run(
            command,
            cwd=new,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            return done.stdout or f"{command[0]} ended with {done.returncode}"
    return ""


def make(root: Path, target: Path, ref: str, answers: dict[str, str]) -> None:
    """Make a project of a version, the working tree for HEAD, with git, as the suite needs it."""
    with warnings.catch_warnings():
        # What is not yet committed is meant.
        warnings.simplefilter("ignore", DirtyLocalWarning)
        copier.run_copy(
            str(root),
            target,
            data=answers,
            defaults=True,
            quiet=True,
            unsafe=False,
            vcs_ref=ref,
            settings=copier.Settings(),
        )
    subprocess.run(["git", "init", "--quiet", str(target)], check=True)


if __name__ == "__main__":
    sys.exit(main())
