"""Say what it takes to bring an existing service under the template: `make adopt DEST=../service`.

DEST is a service that was not made by the template, in git. ANSWERS as for `make new`. Without
`--write` nothing is changed. docs/adopt.md leads through the rest.
"""

from __future__ import annotations

import argparse
import codecs
import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from _terms import is_shared, is_yours
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from scripts.new import answer_options

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = ".copier-answers.yml"
BESIDE = ".template-version"
"""Ends the name of the template's version of a file that has to be merged by hand."""
ENTRIES = ("manage.py", "asgi.py", "wsgi.py", "main.py", "app.py", "Procfile", "gunicorn.conf.py")
SERVERS = {"gunicorn", "gevent", "eventlet", "hypercorn", "uvicorn", "uwsgi", "waitress"}
"""Packages that `run` takes the place of."""
WORDS = (
    (
        "a login of its own: users, passwords and sessions are the template's",
        (".py",),
        r"flask_login|flask_security|fastapi_users|passlib|bcrypt|werkzeug\.security"
        r"|OAuth2Password|SessionMiddleware|contrib\.auth\.(views|urls|forms)",
    ),
    (
        "headers, CSRF, CORS or limits of its own: the boundary does that (policy.toml)",
        (".py",),
        r"CORSMiddleware|flask_cors|corsheaders|CSRFProtect|flask_talisman|flask_limiter|slowapi"
        r"|after_request|middleware\(.http.\)|BaseHTTPMiddleware|MAX_CONTENT_LENGTH",
    ),
    (
        "a script or style inside HTML: to a file, or with the nonce (docs/build.md)",
        (".html", ".jinja", ".jinja2", ".j2"),
        r"<script(?![^>]*(nonce|src))|<style|\s(on[a-z]+|style)=[\"']",
    ),
)
"""What to look for in which files, and what it means."""
LOCKS = ("poetry.lock", "pdm.lock", "Pipfile.lock")
LISTS = {
    "delete it": ("*requirements*.txt", "requirements/*.txt", *LOCKS),
    "take them out of it": ("setup.cfg",),
    "`uv add` what it asks for, then delete it": ("Pipfile", "setup.py", "environment.y*ml"),
}
"""Other lists of dependencies, by what to do with them: some are not read here."""
NOT_CODE = {"node_modules", "venv", "env", "build", "dist", "__pycache__"}
"""Folders that no repository has, for a service that is in none."""
_IN_THE_WAY = r" is a (file|folder|symbolic link), where |^git ignores files "
"""Demands that come before anything is written."""


@dataclass
class Plan:
    """What the template's files meet in an existing service, by their names."""

    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    give_up: list[str] = field(default_factory=list)
    """There, another, and the template's from then on."""
    stay: list[str] = field(default_factory=list)
    """There, and yours; of what lies at the root the template's version is written beside it."""
    merge: list[str] = field(default_factory=list)
    """There, and shared: the template's version is written beside it."""
    move: list[str] = field(default_factory=list)
    """Python code that the template does not know: it moves below src/<package>/app."""
    demands: list[str] = field(default_factory=list)
    """What else the service must give up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Report, or with `--write` adopt; exit 1 where it cannot be done."""
    parser = argparse.ArgumentParser("adopt", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the files")
    options = parser.parse_args(arguments)
    given = os.environ.get("DEST", "")
    folder = Path(given).expanduser().resolve()
    if not given or not folder.is_dir():
        sys.exit(f"adopt: no folder {given or 'given'}; usage: make adopt DEST=../service")
    if folder.is_relative_to(ROOT):
        sys.exit(f"adopt: {folder} is the template; name the folder of your service as DEST")
    if (folder / ANSWERS).exists():
        sys.exit(f"adopt: {folder} comes from a template; it updates by its hooks/update")
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "project"
        render(made, answer_options(os.environ.get("ANSWERS", "").strip()))
        found = plan(made, folder)
        print(as_text(found, folder), end="")
        if not options.write:
            print("\nadopt: nothing was changed; `make adopt ADOPT_ARGS=--write` writes it")
            return 0
        refuse_unless_clean(folder)
        write(found, made, folder)
    # In that folder, wherever it is typed: here it would clean the template.
    git = f"git -C {shlex.quote(str(folder))}"
    print(f"\nadopt: written; the way back: {git} reset --hard && {git} clean -fd")
    return 0


def render(target: Path, options: Sequence[str]) -> None:
    """Make a new project with these answers, elsewhere, so that nothing is half-written."""
    command = [str(Path(sys.executable).parent / "copier"), "copy", "--quiet", "--defaults"]
    command += [each for each in options if each != "--defaults"]
    command += ["--vcs-ref", "HEAD", str(ROOT), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit("adopt: " + (done.stderr.strip() or done.stdout.strip()).splitlines()[-1])


def plan(made: Path, folder: Path) -> Plan:
    """Compare what the template makes with what is there."""
    found = Plan()
    for path in sorted(path for path in made.rglob("*") if path.is_file()):
        name = path.relative_to(made).as_posix()
        there = folder / name
        links = [each for each in [name, *parents(name)] if (folder / each).is_symlink()]
        blocked = [each for each in there.relative_to(folder).parents if (folder / each).is_file()]
        if links:
            # What is written through it lies elsewhere, where git takes nothing back.
            line = f"{links[-1]} is a symbolic link, where the template has files: put it elsewhere"
            found.demands += [] if line in found.demands else [line]
        elif blocked:
            found.demands.append(f"{blocked[0]} is a file, where {name} needs a folder: rename it")
        elif not there.exists():
            found.new.append(name)
        elif there.is_dir():
            found.demands.append(f"{name} is a folder, where the template has a file: rename it")
        elif there.read_bytes() == path.read_bytes():
            found.same.append(name)
        elif is_yours(name):
            found.stay.append(name)
        else:
            (found.merge if is_shared(name) else found.give_up).append(name)
    answers = yaml.safe_load((made / ANSWERS).read_text("utf-8"))
    package = str(answers["package"])
    code = tracked(folder, "*.py")
    home = f"src/{package}/app/"
    found.move = sorted(
        {
            top(name, package)
            for name in code
            if not name.startswith((home, "tests/app/")) and name not in found.give_up
        }
    )
    found.demands += demands(made, folder, package) + ignored(found, folder)
    return found


def demands(made: Path, folder: Path, package: str) -> list[str]:
    """Return what the service must give up besides files."""
    lines = []
    if (folder / package).is_dir():
        lines.append(f"{package}/: move it first, Python finds it before src/{package}/")
    new = load(made / "pyproject.toml")
    old = load(folder / "pyproject.toml")
    floor = str(old.get("project", {}).get("requires-python", ""))
    wanted = str(new["project"]["requires-python"])
    if floor and floor != wanted:
        lines.append(f"requires-python {floor}: the template's is {wanted}")
    bounds = {
        canonicalize_name(Requirement(text).name): text
        for text in new["project"]["dependencies"] + new["dependency-groups"]["dev"]
    }
    lacking = []
    others = {
        way: [each for name in names for each in sorted(folder.glob(name))]
        for way, names in LISTS.items()
    }
    asked, unread = [*declared(old), *of_setup(folder / "setup.cfg")], []
    for path in others["delete it"]:
        if path.suffix == ".txt":
            known, other = listed(path.resolve())
            asked += known
            unread += other
    for text in dict.fromkeys(asked):
        try:
            name = canonicalize_name(Requirement(text).name)
        except InvalidRequirement:
            lines.append(f"pyproject.toml: {text!r} is no requirement; mend it")
            continue
        if name not in bounds:
            lacking += [text] if name not in SERVERS else []
        elif bounds[name] != text:
            lines.append(f"{text}: the template's is {bounds[name]}")
    if lacking:
        lines.append(
            f"its other dependencies, once the files are merged: uv add {shlex.join(lacking)}"
        )
    lines += [f"{text}: only pip knows that; `uv add` what it is" for text in dict.fromkeys(unread)]
    lines += [
        f"{path.relative_to(folder)}: dependencies are in pyproject.toml alone; {way}"
        for way, paths in others.items()
        for path in paths
    ]
    lines += [
        f"{name}: the service is started by `run`, and its application made in app/main.py"
        for name in ENTRIES
        if (folder / name).exists() and not (made / name).exists()
    ]
    for what, suffixes, words in WORDS:
        names = [each for end in suffixes for each in tracked(folder, f"*{end}")]
        found = [each for each in names if re.search(words, text_of(folder / each), re.I)]
        if found:
            lines.append(f"{what}: {', '.join(sorted(found))}")
    lines.append("each route that nobody logged in may see says so: docs/build.md")
    return lines


def declared(pyproject: dict[str, Any]) -> list[str]:
    """Return what pyproject.toml asks for, in any of its tables; of Poetry's the names alone."""
    project, poetry = pyproject.get("project", {}), pyproject.get("tool", {}).get("poetry", {})
    groups = [*pyproject.get("dependency-groups", {}).values()]
    groups += pyproject.get("tool", {}).get("pdm", {}).get("dev-dependencies", {}).values()
    groups += [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    asked = [text for group in groups for text in group if isinstance(text, str)]
    tables = [poetry, *poetry.get("group", {}).values()]
    names = [name for table in tables for name in table.get("dependencies", {})]
    return asked + [name for name in names if name != "python"]


def of_setup(file: Path) -> list[str]:
    """Return what setup.cfg asks for."""
    config = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error):
        config.read_string(text_of(file))
    part = "options.extras_require"
    texts = [config.get("options", "install_requires", fallback="")]
    texts += dict(config[part]).values() if config.has_section(part) else []
    lines = [line.partition(" #")[0].strip() for text in texts for line in text.splitlines()]
    return [line for line in lines if line and line[0] != "#"]


def listed(file: Path, above: tuple[Path, ...] = ()) -> tuple[list[str], list[str]]:
    """Return what a requirements.txt asks for, with those that it names, and what only pip knows.

    Options are left out. A line may go on in the next, as where each has its hashes.
    """
    asked: list[str] = []
    unread: list[str] = []
    for line in re.sub(r"\\\r?\n", " ", text_of(file)).splitlines():
        text = re.sub(r"(^|\s)(#|--hash).*", "", line).strip()
        further = re.match(r"(?:-r|--requirement)[ =]*(\S+)", text)
        wanted = re.sub(r"^(-e|--editable)[ =]+", "", text)
        if further and file not in above:
            found = listed((file.parent / further[1]).resolve(), (*above, file))
            asked += found[0]
            unread += found[1]
        elif wanted and not wanted.startswith(("-", ".")):
            try:
                asked.append(str(Requirement(wanted)))
            except InvalidRequirement:
                unread.append(text)
    return asked, unread


def parents(name: str) -> list[str]:
    """Return the folders that a file is in, the nearest first, without the root."""
    return [each.as_posix() for each in Path(name).parents][:-1]


def text_of(path: Path) -> str:
    """Return what a file holds; nothing if there is none, or it is no text."""
    try:
        held = path.read_bytes()
        # As PowerShell writes what `pip freeze` says.
        is_wide = held.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return held.decode("utf-16" if is_wide else "utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def tracked(folder: Path, pattern: str) -> list[str]:
    """Return the files that git has; all where it is no repository."""
    command = ["git", "-C", str(folder), "ls-files", "-z", "--", pattern]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        found = [path.relative_to(folder) for path in folder.rglob(pattern)]
        return [
            path.as_posix()
            for path in found
            if not any(part in NOT_CODE or part[0] == "." for part in path.parts[:-1])
        ]
    return [name for name in done.stdout.split("\0") if name]


def top(name: str, package: str) -> str:
    """Return the package or the file at the root, or below src/, that a file is part of.

    Below src/<package>/ lies the template's code as well, so that it cannot be moved as a whole.
    """
    parts = name.split("/")
    depth = 2 if parts[0] == "src" and len(parts) > 2 else 1
    depth += parts[:2] == ["src", package]
    return "/".join(parts[:depth]) + ("/" if len(parts) > depth else "")


def ignored(found: Plan, folder: Path) -> list[str]:
    """Return which new files git would not see: neither committed, nor taken back."""
    command = ["git", "-C", str(folder), "check-ignore", "--stdin", "-z", "--no-index"]
    names = "\0".join(found.new)
    done = subprocess.run(command, input=names, capture_output=True, text=True, check=False)
    hidden = ", ".join(name for name in done.stdout.split("\0") if name)
    return [f"git ignores files of the template: mend .gitignore for {hidden}"] if hidden else []


def load(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; nothing if there is none."""
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    except ValueError as error:
        sys.exit(f"adopt: {path.name}: {error}; mend it first")


def refuse_unless_clean(folder: Path) -> None:
    """End unless git can bring everything back."""
    command = ["git", "-C", str(folder), "status", "--porcelain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stdout:
        why = (
            "has changes: commit them" if done.stdout else "is no git repository: git init, commit"
        )
        sys.exit(f"adopt: {folder} {why}; nothing was changed")


def write(found: Plan, made: Path, folder: Path) -> None:
    """Write the files: what is yours stays, what is shared lies beside."""
    blocked = [line for line in found.demands if re.search(_IN_THE_WAY, line)]
    if blocked:
        sys.exit(f"adopt: {'; '.join(blocked)}; nothing was changed")
    names = {name: name for name in [*found.new, *found.give_up]}
    beside = found.merge + [name for name in found.stay if "/" not in name]
    names |= {name: name + BESIDE for name in beside}
    for source, name in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(made / source, folder / name)


def as_text(found: Plan, folder: Path) -> str:
    """Return the plan for a terminal."""
    parts = (
        ("Collide: the template's from then on", found.give_up),
        (f"Merge by hand: the template's lies beside, ending in {BESIDE}", found.merge),
        ("Yours, stay: of what is at the root, the template's lies beside", found.stay),
        ("Code to move below src/<package>/app/, or to delete", found.move),
        ("To give up", found.demands),
    )
    text = f"adopt: {folder}: {len(found.new)} new files, {len(found.same)} the same\n"
    for title, lines in parts:
        if lines:
            text += f"\n{title}: {len(lines)}\n" + "".join(f"  {line}\n" for line in lines)
    return text


if __name__ == "__main__":
    sys.exit(main())
