"""Where the template is, what it offers, and why it could not be had.

Owned by the template: extend, do not edit.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

from _steps import ROOT, Refused, Result, Step, find_uv, of_git, run

ANSWERS = ".copier-answers.yml"
COPIER = "copier>=9.19,<10"
DOWNGRADE = re.compile(r"downgrading from (\S+) to (\S+?)\. ")
_SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_KNOWN_HOSTS = ("https://github.com/", "https://gitlab.com/")
_REMEDY = f"then change _src_path in {ANSWERS} and commit"
_OFFLINE = (
    r"Could not resolve host|Failed to connect|Connection (?:refused|timed out|reset)"
    r"|unable to look up|Network is unreachable|Couldn't connect"
)
_LOGIN = (
    r"Authentication failed|could not read (?:Username|Password)|\b401\b|\b403\b"
    r"|Permission denied \(|HTTP Basic: Access denied|terminal prompts disabled"
)
_GONE = r"not found|\b404\b|does not appear to be a git repository|does not exist"
_LOG_IN = (
    "the host of the template {address} asks for a login, and yours is missing, expired or may"
    " not read it: renew the token (in CI TEMPLATE_READ_TOKEN); `git ls-remote {address}` has"
    f" to work. Or the template has moved: {_REMEDY}"
)
_FIND = (
    "there is no template at {address}: it has moved, or you may not see it; ask for the"
    f" address, {_REMEDY}"
)
_SAYS = (
    (_OFFLINE, "offline: the template {address} cannot be reached"),
    (_LOGIN, _LOG_IN),
    (_GONE, _FIND),
    ("certificate|SSL|TLS", "the certificate of {address} is not trusted: {words}"),
)
"""What git says, and what that means; the first that is found counts."""
_UNKNOWN = "the template has no version {name}; `git ls-remote --tags {address}` lists those it has"
_OF_ANOTHER_KIND = (
    "{name} is a file of yours where the template has a folder, or a folder where it has a file:"
    " rename yours and commit"
)
_LEADS_OUT = (
    "{name} lies behind a symbolic link that leads out of the project: put the folder in its place"
    " and commit"
)
_MISSING = (
    "this clone is partial, and {name} could not be fetched: `git fetch --refetch --no-filter`"
    " brings all of it"
)
_HERE = (
    (r"fatal: unable to read ([0-9a-f]{40,})", _MISSING),
    (r"Unknown revision: '(.*)'|fatal: invalid reference: (\S+)", _UNKNOWN),
    (r"(?:FileExistsError|NotADirectoryError|IsADirectoryError): .*'(.+?)'", _OF_ANOTHER_KIND),
    (r'ForbiddenPathError: "(.+)" is forbidden', _LEADS_OUT),
)
"""The same of the last line of Copier."""


def answer(name: str, folder: Path = ROOT) -> str:
    """Return a fact that Copier stored: `_commit`, the version, or `_src_path`, the template."""
    text = (folder / ANSWERS).read_text("utf-8")
    # YAML folds a value at its spaces.
    found = re.search(rf"^{name}:(.*(?:\n[ \t].*)*)", text, re.MULTILINE)
    value = " ".join(found[1].split()) if found else ""
    found = re.match(r"'((?:[^']|'')*)'|\"([^\"]*)\"|([^'\"#].*?)(?= #|$)", value)
    single, double, plain = found.groups("") if found else ("", "", "")
    return single.replace("''", "'") or double or plain or "unknown"


def refuse_unless_known() -> None:
    """Raise `Refused` if the file does not say where the project comes from."""
    what = ""
    try:
        text = (ROOT / ANSWERS).read_text("utf-8")
    except UnicodeDecodeError:
        what = "is no text of UTF-8"
    else:
        lost = [name for name in ("_commit", "_src_path") if answer(name) == "unknown"]
        what = f"has no {' and no '.join(lost)}" if lost else ""
        if re.search("^(<{7}|={7}|>{7})", text, re.MULTILINE):
            what = "holds the marks of a conflict"
    if what:
        raise Refused(
            f"{ANSWERS} {what}, so the template is not known: bring back what Copier wrote"
            f" (`git log -p -- {ANSWERS}` has it) and commit"
        )


def copier() -> list[str]:
    """Return the command that runs Copier."""
    found = shutil.which("copier")
    return [found] if found else [find_uv(), "tool", "run", "--from", COPIER, "copier"]


def address() -> str:
    """Return the template's address as git takes it. Raises `Refused` where Copier cannot."""
    source = answer("_src_path")
    for short, long in _SHORT.items():
        if source.startswith(short):
            source = long + source.removeprefix(short)
    if source.startswith("git+"):
        return source.removeprefix("git+")
    if source.startswith(_KNOWN_HOSTS) and not source.endswith(".git"):
        return f"{source}.git"
    if re.match(r"(?:https?|ssh|file)://", source) and not source.endswith(".git"):
        raise Refused(
            f"Copier takes the address {source} for a folder, because it does not end in .git:"
            f" write git+{source}, or {source.rstrip('/')}.git, as _src_path in {ANSWERS}"
            " and commit"
        )
    if re.match(r"\w+://|[\w.-]+@", source):
        return source
    # From the project, where Copier runs, and not from where somebody calls the hook.
    folder = ROOT / Path(source).expanduser()
    if not folder.exists():
        raise Refused(f"there is no template at {source}: it has moved; {_REMEDY}")
    return str(folder)


def page(old: str, new: str) -> str:
    """Return the address at which a browser shows what changed between two versions, or ""."""
    try:
        found = address()
    except Refused:
        return ""
    ssh = re.fullmatch(r"[\w.-]+@([\w.-]+):(.+)", found)
    found = f"https://{ssh[1]}/{ssh[2]}" if ssh else found
    if not found.startswith("https://"):
        return ""
    # Without a login that somebody wrote into it.
    parts = urlsplit(found.removesuffix(".git").rstrip("/"))
    host = parts.netloc.rpartition("@")[2]
    # Of a GitLab of one's own the name seldom says it, but who has one has CI there.
    is_gitlab = "gitlab" in host or (host != "github.com" and answer("ci") == "gitlab")
    between = "/-/compare/" if is_gitlab else "/compare/"
    return f"https://{host}{parts.path}{between}{old}...{new}"


def package_url(version: str) -> str:
    """Return the package URL of a version of the template, for bills of materials."""
    source = answer("_src_path").removesuffix(".git").removeprefix("git+")
    for kind, short, host in (
        ("github", "gh:", _KNOWN_HOSTS[0]),
        ("gitlab", "gl:", _KNOWN_HOSTS[1]),
    ):
        if source.startswith((short, host)):
            path = source.removeprefix(short).removeprefix(host).strip("/").lower()
            return f"pkg:{kind}/{path}@{quote(version)}"
    found = f"pkg:generic/prodsec-template@{quote(version)}"
    # A path of the machine on which it was generated says nothing to others, nor may a login.
    parts = urlsplit(source)
    if parts.scheme != "https":
        return found
    where = f"git+https://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"{found}?vcs_url={quote(where, safe='')}"


def why(failed: Result) -> str:
    """Return in one line why Copier did not do what was asked, and the remedy."""
    downgrade = DOWNGRADE.search(failed.output)
    if downgrade:
        way = "use git to go back to the commit before the update"
        return f"downgrade from {downgrade[1]} to {downgrade[2]}: a template only goes up; {way}"
    try:
        where = address()
    except Refused as refusal:
        return str(refusal)
    if failed.offline:
        return _SAYS[0][1].format(address=where)
    return why_git(where) or why_here(failed, where)


def why_here(failed: Result, where: str) -> str:
    """Return what is in the way though the template can be read."""
    for pattern, meaning in _HERE:
        found = re.search(pattern, failed.last_line)
        if found:
            name = str(found[found.lastindex or 0]).removeprefix(f"{ROOT}{os.sep}")
            return meaning.format(name=name, address=where)
    return failed.last_line


def why_git(where: str) -> str:
    """Return why git cannot read the template, or does not find the project's version; else ""."""
    os.environ |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}  # nobody types, and we read
    listed = run(Step("look", ["git", "ls-remote", "--tags", where]), of_git())
    if listed.code:
        words = " ".join(listed.output.split())
        meanings = [meaning for pattern, meaning in _SAYS if re.search(pattern, words)]
        meanings.append("git cannot read the template {address}: {words}")
        return meanings[0].format(address=where, words=words)
    old = answer("_commit")
    if re.fullmatch(r"v?[0-9]+(\.[0-9]+)+", old) and f"refs/tags/{old}\n" not in (
        f"{listed.output}\n"
    ):
        return (
            f"the template {where} has no tag {old}, from which this project comes: a fork needs"
            " the tags (`git push --tags` there), or its history was rewritten"
        )
    return ""


def refuse_another_line(old: str, new: str) -> None:
    """Raise `Refused` if the version `new` does not build on `old`.

    A fork that fetched the original's tags would offer the higher number, with the original's
    policy instead of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Commits are enough.
        clones = ["git", "clone", "--quiet", "--bare", "--filter=tree:0", address(), folder]
        clone = run(Step("look", clones), of_git())
        if clone.code:
            raise Refused(why(clone))
        asked = ["git", "-C", folder, "merge-base", "--is-ancestor", f"{old}^0", f"{new}^0"]
        if run(Step("look", asked)).code == 1:
            raise Refused(
                f"{new} does not build on {old}: a tag of another line, as a fork has it after"
                " `git fetch --tags` of the original; delete it there, or name the version you"
                f" mean: hooks/update {new}"
            )
