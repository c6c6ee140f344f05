"""The mark of an update that was cut off, so that what it left does not pass for the user's work.

Owned by the template: extend, do not edit. The mark lies in git's own folder, where neither a
commit nor a stash takes it along, from before the first file changes until all was judged.
"""

import json
import os
from pathlib import Path
from typing import Any

from _steps import Refused, git, git_folder
from _terms import is_shared, is_yours


def mark_file() -> Path:
    """Return where the mark of this project is."""
    return git_folder() / "update"


def begin(version: str, arguments: list[str]) -> None:
    """Mark that an update from `version` begins, on a clean tree."""
    mark_file().parent.mkdir(parents=True, exist_ok=True)
    mark = {
        "commit": git("rev-parse", "HEAD").strip(),
        "version": version,
        "arguments": arguments,
        "process": os.getpid(),
        "resets": resets(),
        "stashes": stashes(),
    }
    # Whole or not at all.
    new = mark_file().with_suffix(".new")
    new.write_text(json.dumps(mark), "utf-8")
    new.replace(mark_file())


def end() -> None:
    """Take the mark away: what is in the tree is whole, or as it was before."""
    mark_file().unlink(missing_ok=True)


def unfinished() -> dict[str, Any] | None:
    """Return the mark of an update that was cut off and not yet undone; None without one."""
    if not mark_file().exists():
        return None
    try:
        mark: dict[str, Any] = json.loads(mark_file().read_text("utf-8"))
        commit, stashed, undone = (
            str(mark["commit"]),
            stashes() > mark["stashes"],
            resets() > mark["resets"],
        )
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{mark_file()} cannot be read; compare with git, then delete it") from None
    if git("merge-base", commit, "HEAD").strip() != commit:
        return None  # another branch, which the update never saw
    if not stashed and not may_be_of_it(commit, undone=undone):
        end()
        return None
    return mark


def may_be_of_it(commit: str, *, undone: bool) -> bool:
    """Tell whether a change since `commit` may be the update's: it touches no file of the user.

    Where HEAD was reset since, somebody has gone back; then only a file of the template tells,
    as it comes back with a stash.
    """
    changed = git("diff", "--relative", "--name-only", "-z", commit).split("\0")
    if undone:
        before = set(git("ls-tree", "-r", "--name-only", "-z", commit).split("\0"))
        changed = [name for name in changed if name in before and not is_shared(name)]
    else:
        changed += git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
    return any(name and not is_yours(name) for name in changed)


def refuse_unfinished() -> None:
    """Raise `Refused` after an update that was cut off, with the only two ways on."""
    mark = unfinished()
    if mark is None:
        return
    if alive(mark["process"]):
        raise Refused(f"an update is running (process {mark['process']}); wait for its end")
    stash = "; first `git stash drop` what was stashed of it" if mark["stashes"] < stashes() else ""
    raise Refused(
        f"an update from {mark['version']} was cut off, and nobody has judged what it left: neither"
        " commit nor stash it; `hooks/update --back` undoes it, `hooks/update --again` repeats it"
        f"{stash} (if you have undone it yourself: rm {mark_file()})"
    )


def go_back() -> list[str] | None:
    """Undo the update that was cut off and return its arguments; None if there is none."""
    mark = unfinished()
    if mark is None:
        return None
    if alive(mark["process"]):
        raise Refused(f"the update is running (process {mark['process']}); interrupt it there")
    if mark["stashes"] < stashes():
        raise Refused("a stash holds a part of it: `git stash drop` it first")
    head = git("rev-parse", "HEAD").strip()
    if head != mark["commit"]:
        if git("merge-base", mark["commit"], head).strip() != mark["commit"]:
            raise Refused(f"it was committed; undo that by hand: {mark['commit']} was before it")
        kept = f"update-cut-off-{head[:10]}"
        git("branch", "--force", kept, head)
        print(f"update: what was committed since then is kept in the branch {kept}")
        git("reset", "--soft", mark["commit"])
    if not restore():
        raise Refused("git cannot undo it: is another git running here? Then again")
    end()
    return [str(each) for each in mark["arguments"]]


def restore() -> bool:
    """Undo all changes to the last commit, and tell whether that is done."""
    for _ in range(2):
        # An update begins only where the whole repository is clean.
        git("reset", "--hard", "--quiet")
        git("clean", "-fdq", "--", ":/")
        if not git("status", "--porcelain", "--untracked-files=normal"):
            return True
        # A lock of a git that was killed with the update; a living one would hold it for moments.
        Path(git("rev-parse", "--absolute-git-dir").strip(), "index.lock").unlink(missing_ok=True)
    return False


def alive(process: int) -> bool:
    """Tell whether a process is there; where that cannot be asked, it is not."""
    if os.name != "posix" or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def resets() -> int:
    """Return how often HEAD was reset: the way back by hand leaves that trace, as a stash does."""
    moves = git("log", "--walk-reflogs", "--format=%gs", "HEAD", "--").splitlines()
    return sum(move.startswith("reset: ") for move in moves)


def stashes() -> int:
    """Return how many stashes there are."""
    return len(git("stash", "list").splitlines())
