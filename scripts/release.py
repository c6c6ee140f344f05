"""Release a version of the template: `make release VERSION=1.2.0`.

Checks, dates the changelog, commits and tags; pushing is left to you. `make release` alone only
checks. A tag is signed where git has a key (`user.signingkey`).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from _terms import Change, compare, flatten
from packaging.version import InvalidVersion, Version

from scripts import earlier

ROOT = Path(__file__).resolve().parent.parent
SECURITY = "template/src/{{ package }}/security"
UNRELEASED = "## Unreleased\n"
BREAKING = "**Breaking:**"
ORIGIN = "origin"
DUTY = re.compile(r"\bWho: \S.*\bDo: \S", re.DOTALL)


class Refused(Exception):
    """Raised with what is in the way of a release, one line each; nothing was changed."""


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Check or release, and return the exit code: 0, or 1 if something is in the way."""
    parser = argparse.ArgumentParser("release", description=str(__doc__).partition("\n")[0])
    parser.add_argument("version", nargs="?", help="without one, only check")
    options = parser.parse_args(arguments)
    try:
        last = last_release(root)
        problems = changelog_problems(root, last) + tag_problems(root) + form_problems(root)
        if options.version:
            problems += version_problems(root, last, options.version)
            problems += remote_problems(root)
        if not problems:
            problems = earlier_problems(root)
        if problems:
            raise Refused("\n".join(problems))
        if options.version:
            release(root, options.version)
        else:
            print(f"release: ready; the last one is {tag_of(last) if last else 'none'}")
    except Refused as refusal:
        print("".join(f"release: {line}\n" for line in str(refusal).splitlines()), end="")
        return 1
    return 0


def changelog_problems(root: Path, last: Version | None) -> list[str]:
    """Return what the changelog's part Unreleased lacks: entries, and those on the policy."""
    part = unreleased(root)
    entries = re.split(r"^- ", part, flags=re.MULTILINE)[1:]
    if not entries:
        return ["CHANGELOG.md: nothing stands under Unreleased, nor in a section without a tag"]
    problems = []
    for change in policy_changes(root, last):
        about = [entry for entry in entries if f"`{change.name}`" in entry]
        if not about:
            problems.append(f"CHANGELOG.md: no entry names `{change.name}`: {change}")
        elif not any(DUTY.search(entry) for entry in about):
            problems.append(
                f"CHANGELOG.md: the entry on `{change.name}` does not end with who must do what:"
                ' "Who: ... Do: ..."'
            )
    return problems


def tag_problems(root: Path) -> list[str]:
    """Return which tags look like versions of this template and are another one's.

    Services take the highest: those of a fork would leave its policy for the original's.
    """
    ours = set(git(root, "rev-list", "--first-parent", "HEAD").split())
    problems = []
    for name in git(root, "tag", "--list").split():
        if version_of(name) is None:
            continue  # as original/v1.3.0
        if git(root, "rev-parse", f"{name}^{{commit}}") not in ours:
            problems.append(
                f"the tag {name} is not of this line, and services would be offered it:"
                f" git tag --delete {name}; git push origin :refs/tags/{name}; follow the original"
                " by `make original URL=...`"
            )
    return problems


def form_problems(root: Path) -> list[str]:
    """Return which tags services read as versions though they have not the form of ours.

    Copier offers `1.5.0` as it does `v1.5.0`, and what looks for `v...` does not see it.
    """
    problems = []
    for name in git(root, "tag", "--list").split():
        version = version_of(name)
        if version is not None and name != tag_of(version):
            problems.append(
                f"the tag {name} has not the form {tag_of(version)}, and services read it as"
                f" {version}: git tag {tag_of(version)} {name}^{{}}; git tag --delete {name};"
                f" git push origin {tag_of(version)} :refs/tags/{name}"
            )
    return problems


def version_of(tag: str) -> Version | None:
    """Return the version that Copier sees in a tag; None if it is for something else."""
    try:
        return Version(tag)
    except InvalidVersion:
        return None


def earlier_problems(root: Path) -> list[str]:
    """Return which applications of earlier versions break without a word of it in the changelog."""
    names = earlier.tags(root) if (root / "copier.yml").exists() else []
    broken = [str(each) for each in earlier.check(root, names)]
    entries = re.split(r"^- ", unreleased(root), flags=re.MULTILINE)
    if any(entry.startswith(BREAKING) and DUTY.search(entry) for entry in entries):
        print("".join(f"release: told as {BREAKING} {each}\n" for each in broken), end="")
        return []
    remedy = f'add a bridge, or an entry {BREAKING} that ends with "Who: ... Do: ..."'
    return [*broken, f"CHANGELOG.md: {remedy}"] if broken else []


def version_problems(root: Path, last: Version | None, text: str) -> list[str]:
    """Return why the version cannot be released from this state."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        return [f"{text}: a version is three numbers, like 1.2.0"]
    version, problems = Version(text), []
    if last and version <= last:
        problems.append(f"{text} is not above {last}: copier would not update to it")
    if last and BREAKING in unreleased(root) and version.major == last.major and last.major:
        problems.append(
            f"{text}: the changelog has a {BREAKING} entry, so the first number goes up"
        )
    if git(root, "status", "--porcelain", "--untracked-files=normal"):
        problems.append("commit or stash your changes first")
    if git(root, "branch", "--show-current") != "main":
        problems.append("a release is made on main")
    written = written_section(root)
    if written and written != version:
        problems.append(f"CHANGELOG.md: the section on top is {written}'s, which has no tag")
    if written and re.search(r"^- ", _parts(root)[0], re.MULTILINE):
        problems.append(f"CHANGELOG.md: move what stands under Unreleased to the section {written}")
    return problems


def remote_problems(root: Path) -> list[str]:
    """Return what the repository that services follow has, and this clone has not.

    A version that a colleague has tagged would be released again, and could not be pushed.
    """
    if ORIGIN not in git(root, "remote").split():
        return []
    try:
        listed = git(root, "ls-remote", ORIGIN, "refs/heads/main", "refs/tags/*")
    except Refused as refusal:
        return [f"{refusal}; a release has to know which versions {ORIGIN} has"]
    kept = git(root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/tags")
    here = dict(line.split() for line in kept.splitlines())
    problems = []
    for line in listed.splitlines():
        commit, name = line.split()
        if name == "refs/heads/main":
            if commit not in git(root, "rev-list", "HEAD").split():
                problems.append(f"main of {ORIGIN} has commits that are not here: git pull")
        elif not name.endswith("^{}") and version_of(name.removeprefix("refs/tags/")):
            tag = name.removeprefix("refs/tags/")
            if name not in here:
                problems.append(f"{ORIGIN} has the tag {tag}, which is not here: git fetch --tags")
            elif here[name] != commit:
                problems.append(
                    f"the tag {tag} is another one in {ORIGIN}: compare them by"
                    f" git ls-remote {ORIGIN} {name}; git rev-parse {tag}"
                )
    return problems


def release(root: Path, version: str) -> None:
    """Date the changelog, commit and tag."""
    path = root / "CHANGELOG.md"
    before, heading = path.read_text("utf-8"), f"## {version} - {datetime.now(UTC).date()}\n"
    if written_section(root):
        after = re.sub(rf"^## {re.escape(version)}\b.*\n", heading, before, count=1, flags=re.M)
    else:
        after = before.replace(UNRELEASED, f"{UNRELEASED}\n{heading}", 1)
    start = git(root, "rev-parse", "HEAD")
    signed = bool(git(root, "config", "--default", "", "--get", "user.signingkey"))
    kind = "--sign" if signed else "--annotate"
    try:
        if after != before:
            path.write_text(after, "utf-8")
            git(root, "commit", "--quiet", "--message", f"Release {version}", "--", "CHANGELOG.md")
        git(root, "tag", kind, "--message", f"Version {version}", f"v{version}")
        # git 2.39 ends with 0 and an unsigned tag if it cannot load an SSH key.
        if signed and "\n-----BEGIN " not in git(root, "cat-file", "tag", f"v{version}"):
            git(root, "tag", "--delete", f"v{version}")
            raise Refused("git could not sign by its user.signingkey; nothing was changed")
    except Refused as refusal:
        # The tree was clean, so only the commit above is undone.
        git(root, "reset", "--quiet", "--hard", start)
        if "nothing was changed" in str(refusal):
            raise
        raise Refused(f"{refusal}; nothing was changed") from refusal
    note = "" if signed else " (not signed: git has no user.signingkey)"
    print(f"release: v{version} is tagged{note}; publish it: git push origin main v{version}")


def unreleased(root: Path) -> str:
    """Return the changelog's part for the next version, with a section that has no tag yet."""
    return "".join(_parts(root)[: 2 if written_section(root) else 1])


def written_section(root: Path) -> Version | None:
    """Return the version whose section is written already, ahead of its tag."""
    for part in _parts(root)[1:2]:
        name = part.partition("\n")[0].split()[0]
        try:
            version = Version(name)
        except InvalidVersion:
            return None
        tagged = map(version_of, git(root, "tag", "--list").split())
        return None if version in tagged else version
    return None


def _parts(root: Path) -> list[str]:
    """Return what stands under Unreleased, and the sections after it."""
    text = read(root, "CHANGELOG.md")
    if UNRELEASED not in text:
        raise Refused(f"CHANGELOG.md: the heading {UNRELEASED.strip()!r} is missing")
    return re.split(r"^## ", text.partition(UNRELEASED)[2], flags=re.MULTILINE)


def policy_changes(root: Path, last: Version | None) -> list[Change]:
    """Return the settings of the policy that differ from the last release."""
    if last is None:
        return []
    # By the tag as it is written, which may be v1.3.0-rc1.
    tag = next(name for name in git(root, "tag", "--list").split() if version_of(name) == last)
    old = tomllib.loads(git(root, "show", f"{tag}:{SECURITY}/baseline.toml"))
    try:
        baseline, directions = (
            flatten(tomllib.loads(read(root, f"{SECURITY}/{name}")))
            for name in ("baseline.toml", "directions.toml")
        )
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{SECURITY}: {error}; mend it first") from error
    return compare(flatten(old), baseline, directions)


def last_release(root: Path) -> Version | None:
    """Return the highest version that is tagged; none that comes before one, as v1.3.0rc1.

    Services have the release below it, and are to be told of what has changed since that.
    """
    versions = map(version_of, git(root, "tag", "--list").split())
    return max((each for each in versions if each and not each.is_prerelease), default=None)


def read(root: Path, name: str) -> str:
    """Return the text of a file; raise `Refused` if there is none."""
    try:
        return (root / name).read_text("utf-8")
    except OSError as error:
        raise Refused(f"{name}: {error.strerror}") from error


def tag_of(version: Version) -> str:
    """Return the tag of a version."""
    return f"v{version}"


def git(root: Path, *arguments: str) -> str:
    """Return what git prints; raise `Refused` with its words if it fails."""
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
