"""What an update leaves to a person: the template's own change of files that are yours (OWN-2).

Owned by the template: extend, do not edit. That, and your edits of files that the template drops,
are found by making the old and the new version again from this project's answers.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from _steps import ROOT, Refused, Step, git, of_copier, prefix, run
from _template import ANSWERS, answer, copier, why
from _terms import is_yours

_DERIVED = re.compile(r"^(\.venv|var)/|(__pycache__|_cache)/$")
"""What git ignores and no template has: what programs make for themselves."""


@contextmanager
def made(version: str, answers: str, data: Sequence[str] = ()) -> Iterator[Path]:
    """Give the folder of a project that a version, or the newest, makes of these answers.

    `data` are Copier's options for answers that change.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ANSWERS).write_text(answers, "utf-8")
        options = ["recopy", "--defaults", "--overwrite", "--quiet", *data]
        options += ["--vcs-ref", version] if version else []
        done = run(Step("compare", [*copier(), *options, name]), of_copier())
        if done.code:
            raise Refused(f"{version} cannot be made again, to find what is yours: {why(done)}")
        yield folder


def keep_dropped_edits(base: Path) -> list[str]:
    """Return the files that the new version drops or renames though the user had edited them.

    Copier deletes them without a word. Here they stay, as git leaves a file that one side deleted
    and the other changed. An edit is what differs from `base`, what the old version makes.
    """
    kept = []
    gone = git("diff", "HEAD", "--relative", "--name-only", "--no-renames", "--diff-filter=D", "-z")
    for name in filter(None, gone.split("\0")):
        before = git("rev-parse", f"HEAD:{prefix()}{name}").strip()
        old = git("hash-object", "-w", f"--path={name}", str(base / name)).strip()
        if before != old:
            unmerge(name, before, old)
            kept.append(name)
    return kept


def keep_lost_edits(base: Path, new: Path) -> None:
    """Make a conflict of each edit that Copier has written over without a word.

    It cannot merge pictures and the like, and then takes the template's. Your file stays.
    """
    changed = git("diff", "HEAD", "--relative", "--name-only", "--diff-filter=M", "-z").split("\0")
    for name in filter(None, changed):
        path, sides = ROOT / name, [base / name, new / name]
        # The answers are Copier's, which always writes them anew.
        if name == ANSWERS or is_yours(name) or not all(map(Path.is_file, (path, *sides))):
            continue
        old, wanted = (side.read_bytes() for side in sides)
        mine = raw("cat-file", "--filters", f"HEAD:{prefix()}{name}")
        if path.read_bytes() != wanted or mine in (old, wanted) or old == wanted:
            continue
        with tempfile.NamedTemporaryFile() as edited:
            edited.write(mine)
            edited.flush()
            merge = ["git", "merge-file", "--stdout", edited.name, *map(str, sides)]
            if run(Step("merge", merge)).code:
                before = git("rev-parse", f"HEAD:{prefix()}{name}").strip()
                hashes = [
                    git("hash-object", "-w", f"--path={name}", str(side)).strip() for side in sides
                ]
                unmerge(name, before, *hashes)


def unmerge(name: str, mine: str, base: str, theirs: str = "") -> None:
    """Put a file back as it was committed, and say to git that it is in conflict.

    The sides are git's objects; "" for one that is not there.
    """
    git("checkout", "--quiet", "HEAD", "--", name)
    mode = git("ls-files", "--stage", "--", name).partition(" ")[0]
    place = f"{prefix()}{name}"
    sides = [f"0 {'0' * len(mine)}\t{place}"]
    for number, side in enumerate((base, mine, theirs), 1):
        sides += [f"{mode} {side} {number}\t{place}"] if side else []
    git("-C", str(top()), "update-index", "-z", "--index-info", typed="\0".join([*sides, ""]))


def in_the_way(version: str, data: Sequence[str]) -> list[str]:
    """Return files of yours that git ignores, and that the new version has one of its own for.

    Copier would write over them, and git could not bring them back. What came with an earlier
    version, and was not edited since, is not yours.
    """
    hidden = git("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    if not any(name and not _DERIVED.search(name) for name in hidden.split("\0")):
        return []
    answers = (ROOT / ANSWERS).read_text("utf-8")
    known = {name for name in git("ls-files", "-z").split("\0") if name}
    try:
        with made(version, answers, data) as new:
            names = {each.relative_to(new).as_posix() for each in new.rglob("*") if each.is_file()}
            found = [
                name
                for name in sorted(names - known)
                if os.path.lexists(ROOT / name) and differs(ROOT / name, new / name)
            ]
        if not found:
            return []
        with made(answer("_commit"), answers) as base:
            return [name for name in found if differs(ROOT / name, base / name)]
    except Refused:
        # The update that follows says why.
        return []


def differs(path: Path, other: Path) -> bool:
    """Tell whether two paths are not the same file; what is no file is none."""
    both = path.is_file() and other.is_file()
    return not both or path.read_bytes() != other.read_bytes()


def not_taken(base: Path, new: Path) -> list[str]:
    """Return a line for each file of the new version that a commit of this update would lack."""
    names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
    there = [name for name in names if (ROOT / name).exists()]
    hidden = git("check-ignore", "-z", "--stdin", typed="\0".join(there)).split("\0")
    lines = []
    for name in filter(None, hidden):
        way = f"mend .gitignore, or `git add --force {shlex.quote(name)}`"
        lines.append(f"ignored by git, so in no commit: {name}; {way}")
    for name in names:
        old = base / name
        changed = old.is_file() and old.read_bytes() != (new / name).read_bytes()
        if changed and not is_yours(name) and (ROOT / name).is_symlink():
            lines.append(
                f"changed there, a symbolic link here, so it is as it was: {name}; to have it, put"
                " a file in its place"
            )
        elif changed and not is_yours(name) and not (ROOT / name).exists():
            gone = git("log", "-1", "--format=%h", "--diff-filter=D", "--", name).strip()
            way = f"`git checkout {gone}^ -- {shlex.quote(name)}`" if gone else "bring it back"
            lines.append(
                f"changed there, deleted by you: {name}; to have it, undo this update, {way},"
                " commit, and update again"
            )
    return lines


def said_of(dropped: str) -> str:
    """Return what to do with a file that the template has dropped and the user had edited."""
    base, mine, name = (shlex.quote(mark + dropped) for mark in (":1:./", ":2:./", ""))
    way = f"your edit: `git diff {base} {mine}`; when it is elsewhere: `git rm {name}`"
    return f"{dropped}: the template has dropped it; {way}"


def for_your_hand(base: Path, new: Path, patch: Path) -> list[str]:
    """Write the template's own change of your files as a patch; return what to say of it.

    Left out is what cannot be applied: git would then apply nothing at all.
    """
    sides = [contents(base), contents(new)]
    lines, taken = [], []
    for name in sorted({*sides[0], *sides[1]}):
        before, after = (side.get(name) for side in sides)
        path = ROOT / name
        mine = path.read_bytes() if path.is_file() else None
        if after in (before, mine):
            continue
        if before is None and mine is not None:
            lines.append(f"new there, and you have one of your own: {name}")
        elif before is not None and mine is None:
            lines.append(f"changed there, deleted by you: {name}")
        elif after is None and mine != before:
            lines.append(f"dropped there, edited by you: {name}")
        else:
            verb = "new" if before is None else "dropped" if after is None else "changed"
            edited = ", edited by you: look for conflicts" if mine != before else ""
            lines.append(f"in the patch, {verb}: {name}{edited}")
            taken.append(name)
    patch.unlink(missing_ok=True)
    if taken:
        trees = [
            tree(folder, [name for name in taken if name in side])
            for folder, side in zip((base, new), sides, strict=True)
        ]
        shape = [f"--src-prefix=a/{prefix()}", f"--dst-prefix=b/{prefix()}"]
        more = ["--full-index", "--binary", "--no-renames", "--no-color", "--no-ext-diff"]
        patch.parent.mkdir(parents=True, exist_ok=True)
        patch.write_bytes(raw("diff-tree", "-p", *more, *shape, *trees))
        place = patch.relative_to(ROOT) if patch.is_relative_to(ROOT) else patch
        way = f"git apply -3 {shlex.quote(str(place))}"
        lines.append(f"take it, after this update is committed, by: {way}")
    return lines


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder that are the user's, by their names."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: path.read_bytes() for name, path in found.items() if path.is_file() and is_yours(name)
    }


def tree(folder: Path, names: list[str]) -> str:
    """Return a tree of git with these files, kept in this repository so that `-3` finds them."""
    with tempfile.TemporaryDirectory() as place:
        typed = "".join(f"{name}\0" for name in names).encode()
        variables = {
            "GIT_INDEX_FILE": str(Path(place, "index")),
            "GIT_DIR": git("rev-parse", "--absolute-git-dir").strip(),
            "GIT_WORK_TREE": str(folder),
            "GIT_LITERAL_PATHSPECS": "1",
        }
        if names:
            add = ["add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul"]
            raw(*add, folder=folder, typed=typed, variables=variables)
        return raw("write-tree", folder=folder, variables=variables).decode().strip()


def raw(
    *arguments: str,
    folder: Path = ROOT,
    typed: bytes = b"",
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """Return what git prints, or raise `Refused` with its words."""
    program = shutil.which("git") or "git"
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        input=typed,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Refused(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def top() -> Path:
    """Return the root of the repository."""
    return Path(git("rev-parse", "--show-toplevel").strip())
