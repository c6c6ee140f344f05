"""What an update changed, in the terms of the security policy and of who owns a file.

Owned by the template: extend, do not edit. The policy is `security/baseline.toml`; which direction
of a setting is stricter stands beside it in `security/directions.toml`, which explains the words.
"""

import fnmatch
import json
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

WEAKER, REMOVED, REVIEW, STRICTER, NEW = "weaker", "removed", "review", "stricter", "new"
ORDER = (WEAKER, REMOVED, REVIEW, STRICTER, NEW)
NUMBERS = (int, float)
LIFE = "supported."
"""Below it stand dates of end of life, which are facts rather than policy."""

# A name, and its value with the lines that YAML folded.
_ANSWER = re.compile(r"^([a-z]\w*):(.*(?:\n[ \t].*)*)", re.MULTILINE)
# Exit codes of the service's `audit`; any other is no answer, and no answer is not clean.
_AUDIT = {0: "clean, or excused in policy.toml", 1: "findings", 4: "an exception has expired"}
_LINES_IN_USE = "PS002"

_RELEASE = r"v?(\d+(?:\.\d+)+)"
_BEFORE = re.compile(_RELEASE + r"[-_.]?(?:a|alpha|b|beta|c|rc|dev|pre)")
_DUTY = re.compile(r"\bWho: \S.*\bDo: (?!nothing\b)\S")

# As in copier.yml, where a test of the template compares them. All others are the template's.
YOURS = ("README.md", "CHANGELOG.md", "policy.toml", "src/*/app/*", "tests/app/*")
SHARED = (".gitattributes", ".gitignore", "mypy.ini", "pyproject.toml", "pytest.ini")


class Change(NamedTuple):
    """One setting that differs; None is a setting that is not there (TOML has no null)."""

    name: str
    before: Any
    after: Any
    verdict: str

    def __str__(self) -> str:
        """Return the change as one line."""
        if self.before is None:
            return f"{self.name} = {shown(self.after)} ({self.verdict})"
        if self.after is None:
            return f"{self.name} was {shown(self.before)}, is gone ({self.verdict})"
        if isinstance(self.before, list) and isinstance(self.after, list):
            gone = [f"-{shown(each)}" for each in self.before if each not in self.after]
            come = [f"+{shown(each)}" for each in self.after if each not in self.before]
            return f"{self.name} {' '.join(gone + come) or 'in another order'} ({self.verdict})"
        return f"{self.name} {shown(self.before)} -> {shown(self.after)} ({self.verdict})"


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested tables under their dotted names."""
    if not isinstance(node, dict):
        return {prefix: node}
    values: dict[str, Any] = {}
    for name, value in node.items():
        values.update(flatten(value, f"{prefix}.{name}" if prefix else name))
    return values


def compare(
    old: Mapping[str, Any], new: Mapping[str, Any], directions: Mapping[str, Any]
) -> list[Change]:
    """Return the settings that differ, weaker ones first; all three have dotted names."""
    changes = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before != after:
            changes.append(Change(name, before, after, judge(name, before, after, directions)))
    return sorted(changes, key=lambda change: ORDER.index(change.verdict))


def judge(name: str, before: Any, after: Any, directions: Mapping[str, Any]) -> str:
    """Tell whether a change makes the policy weaker or stricter, or is for a person to judge."""
    if before is None:
        return NEW
    if after is None:
        table = name.rpartition(".")[0] + ".*"
        return WEAKER if directions.get(table) == "more entries" else REMOVED
    direction = direction_of(name, directions)
    # What the change has of each side, weaker and stricter; neither or an unknown one is reviewed.
    worse = better = False
    if (
        direction in ("higher", "lower")
        and isinstance(before, NUMBERS)
        and isinstance(after, NUMBERS)
    ):
        worse, better = after < before, after > before
    elif direction in ("more entries", "fewer entries"):
        worse, better = (
            bool(entries(before) - entries(after)),
            bool(entries(after) - entries(before)),
        )
    elif isinstance(direction, list) and before in direction and after in direction:
        better = direction.index(after) > direction.index(before)
        worse = not better
    if direction in ("lower", "fewer entries"):
        worse, better = better, worse
    return WEAKER if worse else STRICTER if better else REVIEW


def direction_of(name: str, directions: Mapping[str, Any]) -> Any:
    """Return the direction of a setting, or of the nearest table above it; None without one."""
    while name:
        if name in directions:
            return directions[name]
        name = name.rpartition(".")[0]
    return None


def entries(value: Any) -> set[str]:
    """Return the entries of a list, or the words of a text, where 'none' is no entry (CSP3)."""
    if isinstance(value, list):
        return {shown(each) for each in value}
    return set(str(value).split()) - {"'none'"}


def shown(value: Any) -> str:
    """Return a value in one line."""
    return value.isoformat() if hasattr(value, "isoformat") else json.dumps(value, default=str)


def overrides(changes: Iterable[Change], exceptions: Iterable[Any]) -> list[str]:
    """Return a line for each exception of this service whose setting has changed below it."""
    own = {each.get("setting"): each for each in exceptions if isinstance(each, dict)}
    lines = []
    for change in changes:
        if change.name in own:
            value, until = own[change.name].get("value"), own[change.name].get("expires")
            if change.after is None:
                fate = "the setting is gone: remove it"
            elif change.after == value:
                fate = "that is the policy now: remove it"
            else:
                fate = f"the policy now has {shown(change.after)}"
            lines.append(f"{change.name} = {shown(value)} here until {shown(until)}; {fate}")
    return lines


def questions(old: str, new: str) -> list[str]:
    """Return a line for each question that came, went, or has another answer.

    Takes both versions of `.copier-answers.yml`; answers stay as YAML writes them.
    """
    before, after = (
        {name: " ".join(value.split()) for name, value in _ANSWER.findall(text)}
        for text in (old, new)
    )
    lines = []
    for name in sorted({*before, *after}):
        if name not in before:
            lines.append(f"question: {name} = {after[name]} (new, default)")
        elif name not in after:
            lines.append(f"question: {name} is gone, the answer was {before[name]}")
        elif before[name] != after[name]:
            lines.append(f"question: {name} {before[name]} -> {after[name]}")
    return lines


def lines_in_use(checked: str) -> list[str]:
    """Return what `check --json` says of the end of life of what this service has locked."""
    start = max(checked.find("[\n"), 0)
    try:
        items, _ = json.JSONDecoder().raw_decode(checked[start:])
        (found,) = (each for each in items if each["id"] == _LINES_IN_USE)
    except (ValueError, TypeError, KeyError):
        return ["could not be judged: see `check`"]
    return [
        f"{found['state']}: {found['evidence']}",
        *([found["remedy"]] if found["remedy"] else []),
    ]


def audited(code: int, output: str) -> list[str]:
    """Return the outcome of `audit` and what it printed; a crash has exit code 1 too."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    answered = any(line.startswith("audit: ") for line in lines)
    outcome = _AUDIT.get(code) if answered else None
    return [outcome or "could not be asked, so nothing is known", *lines]


def is_yours(name: str) -> bool:
    """Tell whether a file is the user's, which no update touches."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in YOURS)


def is_shared(name: str) -> bool:
    """Tell whether a file is the template's and, after a line "Yours", the user's."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in SHARED)


def by_owner(names: Iterable[str]) -> list[str]:
    """Return the names of files with their owner, those that are yours first."""
    owners: dict[str, list[str]] = {"yours": [], "shared": [], "template": []}
    for name in sorted(names):
        owner = "yours" if is_yours(name) else "shared" if is_shared(name) else "template"
        owners[owner].append(name)
    return [f"{owner}: {name}" for owner, listed in owners.items() for name in listed]


def opened(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a line for each fact that one `policy.toml` has and another, older one has not.

    Facts open something: a path, a header, an origin. No exception is among them.
    """
    lines = []
    old, new = (
        {(str(fact.get("path")), _methods(fact)): fact for fact in _routes(policy)}
        for policy in (before, after)
    )
    for (path, methods), fact in sorted(new.items()):
        known = old.get((path, methods), {})
        said = [
            f"{name} {shown(fact[name])}"
            for name in sorted(fact.keys() - {"path", "methods"})
            if fact[name] != known.get(name)
        ]
        if said or (path, methods) not in old:
            place = " ".join(part for part in (methods, path) if part)
            lines.append(f"[[route]] {place}: {', '.join(said) or 'what holds without a fact'}")
    old_facts, new_facts = (flatten(policy.get("service", {})) for policy in (before, after))
    for name, value in sorted(new_facts.items()):
        listed = old_facts.get(name) or []
        more = [each for each in value if each not in listed] if isinstance(value, list) else []
        if more:
            lines.append(f"[service] {name} {' '.join(f'+{shown(each)}' for each in more)}")
    return lines


def _routes(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the facts on routes; none of another form, as `[route]`, which `check` refuses."""
    listed = policy.get("route")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _methods(fact: Mapping[str, Any]) -> str:
    listed = fact.get("methods")
    return " ".join(sorted(map(str, listed))) if isinstance(listed, list) else ""


class News(NamedTuple):
    """What the template's changelog says of the versions between two."""

    duties: list[str]
    """Entries that need somebody's hand: **Breaking:**, or "Who: ... Do: ..."."""
    others: list[str]


NOTHING = News([], [])


def news(changelog: str, old: str, new: str) -> News:
    """Return the entries of the versions after `old` up to `new`, each in one line."""
    found = News([], [])
    first, last = release_of(old), release_of(new)
    # What stands in the release may have come after the version that was tried before it.
    since = operator.ge if _BEFORE.match(old) else operator.gt
    # What stands under Unreleased belongs to a version only where `new` has no tag of its own.
    tagged = re.fullmatch(_RELEASE, new) is not None
    for part in re.split(r"(?m)^## ", changelog)[1:]:
        heading, _, text = part.partition("\n")
        version = release_of(heading)
        if version == () and (tagged or not heading.startswith("Unreleased")):
            continue
        if version and not (since(version, first) and version <= last):
            continue
        for entry in re.split(r"(?m)^- ", text)[1:]:
            line = " ".join(re.split(r"(?m)^#", entry)[0].split())
            needed = line.startswith("**Breaking:**") or _DUTY.search(line)
            (found.duties if needed else found.others).append(f"{heading.split()[0]}: {line}")
    return found


def release_of(version: str) -> tuple[int, ...]:
    """Return the numbers of the release that a text begins with; empty if with none."""
    found = re.match(_RELEASE, version)
    # A tag may be v1.3 where the changelog says 1.3.0.
    return tuple(map(int, re.sub(r"(\.0+)+$", "", found[1]).split("."))) if found else ()


def sections(
    changes: Sequence[Change],
    exceptions: Iterable[Any],
    asked: Sequence[str],
    files: Mapping[str, Sequence[str]],
    *,
    told: News = NOTHING,
    opened: Sequence[str] = (),
    by_hand: Sequence[str] = (),
) -> list[tuple[str, list[str]]]:
    """Return the report as titles with their lines; what needs a person stands first.

    `asked` are the lines of `questions`; `files` are the names that are new, changed and deleted;
    `opened` says which routes and facts were opened since, `by_hand` what is left to a person.
    """
    weaker = [str(change) for change in changes if change.verdict == WEAKER]
    others = [change for change in changes if change.verdict != WEAKER]
    life = [change for change in others if change.name.startswith(LIFE)]
    return [
        ("Weaker policy values", weaker),
        ("Who must do what", told.duties),
        ("For your hand", list(by_hand)),
        ("Policy values changed", [str(change) for change in others if change not in life]),
        ("Exceptions in policy.toml over a changed value", overrides(changes, exceptions)),
        ("Opened since the last update", list(opened)),
        ("End of life", [str(change).removeprefix(LIFE) for change in life]),
        ("Why", told.others),
        ("Questions of the template", list(asked)),
        ("Files new, by owner", by_owner(files.get("new", ()))),
        ("Files changed, by owner", by_owner(files.get("changed", ()))),
        ("Files deleted, by owner", by_owner(files.get("deleted", ()))),
    ]


def as_text(parts: Iterable[tuple[str, list[str]]]) -> str:
    """Return the parts that have lines, for a terminal."""
    return "".join(
        f"\n{title}: {len(lines)}\n" + "".join(f"  {line}\n" for line in lines)
        for title, lines in parts
        if lines
    )


def as_markdown(
    title: str, outcome: str, parts: Iterable[tuple[str, list[str]]], link: str = ""
) -> str:
    """Return the parts that have lines, for a pull request; `link` shows all of the change."""
    text = f"# {title}\n\n{outcome}\n" + (f"\n<{link}>\n" if link else "")
    for name, lines in parts:
        # Indented code: a value can hold whatever it likes and stays text.
        if lines:
            text += f"\n## {name}\n\n" + "".join(f"    {line}\n" for line in lines)
    return text
