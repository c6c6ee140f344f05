"""The mark of an update that was cut off, so that what it left does not pass for the user's work.

Owned by the template: extend, do not edit. The mark lies in git's own folder, where neither a
commit nor a stash takes it along, from before the first file changes until all was judged.
"""

import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from _hand import raw
from _steps import Refused, git, git_folder, prefix
from _terms import is_shared, is_yours

BOT = {"NAME": "Template update", "EMAIL": "template-update@bot.invalid"}
AT_ROOT = (".github/", ".gitlab-ci.yml")
"""What an update writes outside of a service's folder: hooks/monorepo."""


def mark_file() -> Path:
    """Return where the mark of this project is."""
    return git_folder() / "update"


def begin(version: str, arguments: list[str]) -> int:
    """Mark that an update from `version` begins, on a clean tree.

    Returns what locks out others, for as long as this process lives, or one it is handed to: the
    number of a process says little, for after a restart of the machine another one has it.
    """
    mark_file().parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(mark_file().with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused("an update is running; wait for its end") from None
    stashed = stashes()
    mark = {
        "commit": git("rev-parse", "HEAD").strip(),
        "version": version,
        "arguments": arguments,
        "process": os.getpid(),
        "resets": resets(),
        "stashes": len(stashed),
        "stashed": stashed,
    }
    # Whole or not at all.
    new = mark_file().with_suffix(".new")
    new.write_text(json.dumps(mark), "utf-8")
    new.replace(mark_file())
    return lock


def end() -> None:
    """Take the mark away: what is in the tree is whole, or as it was before."""
    mark_file().unlink(missing_ok=True)


def unfinished() -> dict[str, Any] | None:
    """Return the mark of an update that was cut off and not yet undone; None without one."""
    if not mark_file().exists():
        return None
    try:
        mark: dict[str, Any] = json.loads(mark_file().read_text("utf-8"))
        commit, undone = str(mark["commit"]), resets() > mark["resets"]
        stashed = bool(stashed_since(mark))
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{mark_file()} cannot be read; compare with git, then delete it") from None
    if alive():
        return mark  # it may not have changed anything yet
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
    if alive():
        raise Refused(f"an update is running (process {mark['process']}); wait for its end")
    stash = "; first " + stash_remedy(mark) if stashed_since(mark) else ""
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
    if alive():
        raise Refused(f"the update is running (process {mark['process']}); interrupt it there")
    if stashed_since(mark):
        raise Refused(stash_remedy(mark))
    head = git("rev-parse", "HEAD").strip()
    base = git("merge-base", mark["commit"], head).strip()
    if base != mark["commit"]:
        raise Refused(f"it was committed; undo that by hand: {mark['commit']} was before it")
    # Also what a person has written since then, who did not know that the update was cut off.
    keep_tree(mark["commit"])
    if head != mark["commit"]:
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


def keep_tree(commit: str) -> None:
    """Keep all that has come since a commit in a branch, as the way back deletes it; say so."""
    variables = {f"GIT_{role}_{key}": BOT[key] for role in ("AUTHOR", "COMMITTER") for key in BOT}
    head = git("rev-parse", "HEAD").strip()
    with tempfile.TemporaryDirectory() as place:
        # Not git's own index: it may be locked, or hold conflicts.
        variables["GIT_INDEX_FILE"] = str(Path(place, "index"))
        raw("read-tree", "HEAD", variables=variables)
        raw("add", "--all", "--", ":/", variables=variables)
        tree = raw("write-tree", variables=variables).decode().strip()
        if tree == git("rev-parse", commit + "^{tree}").strip():
            return
        if tree != git("rev-parse", "HEAD^{tree}").strip():
            words = ("-m", "What was there when an update was undone")
            made = raw("commit-tree", tree, "-p", head, *words, variables=variables)
            head = made.decode().strip()
    kept = f"update-cut-off-{head[:10]}"
    raw("branch", "--force", kept, head)
    print(
        f"update: what was there is kept in the branch {kept}:"
        f" `git diff HEAD {kept}` shows it, `git branch -D {kept}` deletes it"
    )


def somebodys(*, policy: bool) -> bool:
    """Tell whether a change is no update's: somebody went on working while it ran.

    `policy` says that the update itself wrote to policy.toml.
    """
    changed = git("diff", "--name-only", "-z", "HEAD").split("\0")
    changed += git("ls-files", "--others", "--exclude-standard", "-z", "--full-name", ":/").split(
        "\0"
    )
    for name in filter(None, changed):
        inside = name.removeprefix(prefix())
        if not name.startswith(prefix()):
            if not name.startswith(AT_ROOT):
                return True
        elif is_yours(inside) and not (policy and inside == "policy.toml"):
            return True
    return False


def alive() -> bool:
    """Tell whether an update is running here; where that cannot be asked, it is not."""
    try:
        lock = os.open(mark_file().with_suffix(".lock"), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(lock)
    return False


def resets() -> int:
    """Return how often HEAD was reset: the way back by hand leaves that trace, as a stash does."""
    moves = git("log", "--walk-reflogs", "--format=%gs", "HEAD", "--").splitlines()
    return sum(move.startswith("reset: ") for move in moves)


def stashes() -> list[str]:
    """Return the stashes, the newest first."""
    return git("stash", "list", "--format=%H").split()


def stashed_since(mark: dict[str, Any]) -> list[str]:
    """Return the names of stashes since the mark that may hold a part of the update.

    Those with nothing but files of the user are work, perhaps of another worktree.
    """
    listed = stashes()
    # The mark may be of a version that only counted.
    known = mark.get("stashed", listed[max(0, len(listed) - int(mark["stashes"])) :])
    found = []
    for number, stash in enumerate(listed):
        names = git("diff", "--relative", "--name-only", "-z", f"{stash}^1", stash).split("\0")
        names += git("ls-tree", "-r", "--name-only", "-z", f"{stash}^3").split("\0")
        if stash not in known and any(name and not is_yours(name) for name in names):
            found.append("stash@{" + str(number) + "}")
    return found


def stash_remedy(mark: dict[str, Any]) -> str:
    """Return what to do with a stash that may hold a part of the update."""
    name = stashed_since(mark)[0]
    return (
        f"a stash holds a part of it, or work on files of the template: look at it by `git stash"
        f" show -p {name}`, take what is yours out of it, and `git stash drop {name}`"
    )
