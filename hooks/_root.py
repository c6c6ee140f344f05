"""What a service in a folder of a larger repository needs at the root of that repository.

Owned by the template: extend, do not edit. Everything is made from the service's own files, so that
an update reaches it.
"""

import json
import re
import stat
from pathlib import Path

from _steps import ROOT, git, prefix

MARK = "# Written by hooks/monorepo from the services' own files: do not edit."
DISPATCH = """\
#!/bin/sh
# Written by hooks/monorepo: runs this hook of each service of this repository that it concerns.
cd "$(git rev-parse --show-toplevel)" || exit 2
case "${GIT_INDEX_FILE:-/}" in /*) ;; *) export GIT_INDEX_FILE="$PWD/$GIT_INDEX_FILE" ;; esac
status=0
# A line is a name: folders have spaces, and letters that git would quote.
set -f
IFS='
'
for answers in $(git -c core.quotePath=false ls-files -- '*.copier-answers.yml'); do
  folder=$(dirname "$answers")
  [ -x "$folder/hooks/NAME" ] || continue
  CONDITION
  "$folder/hooks/NAME" "$@" || status=1
done
exit $status
"""
CONDITIONS = {
    "pre-commit": 'git diff --cached --quiet -- ":(literal)$folder" && continue',
    "pre-push": 'git diff --quiet "@{push}" HEAD -- ":(literal)$folder" 2>/dev/null && continue',
}


def write(root: Path) -> list[str]:
    """Write everything; return a line for each file, and for what is left to do by hand."""
    lines: list[str] = []
    folder = prefix().rstrip("/")
    everywhere = services(root)
    same = [name for name in everywhere if slug(name) == slug(folder) and name != folder]
    if same:
        names = f"{folder} and {' and '.join(same)}"
        return [f"{names} would have the same files at the root: rename a folder, then again"]
    written = set()
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        name = f".github/workflows/{slug(folder)}-{path.name}"
        written.add(name)
        lines.append(put(root, name, workflow(path.read_text("utf-8"), folder, name)))
    bots = {name: read(root, f"{name}/.github/dependabot.yml") for name in everywhere}
    bots = {name: text for name, text in bots.items() if text}
    lines += put_or_remove(root, ".github/dependabot.yml", dependabot(bots) if bots else "")
    found = [name for name in everywhere if read(root, f"{name}/.gitlab-ci.yml")]
    jobs = "".join(map(child, found))
    lines += put_or_remove(root, ".gitlab-ci.yml", f"{MARK}\n{jobs}" if found else "")
    for path in sorted((root / ".github" / "workflows").glob("*.yml")):
        name = f".github/workflows/{path.name}"
        text = read(root, name)
        of = re.search(r'(?m)^name: "(.+): [^:"]+"$', text) if text.startswith(MARK) else None
        if of and name not in written and (of[1] == folder or of[1] not in everywhere):
            path.unlink()
            lines.append(f"removed {name}: {of[1]} has it no more")
    return lines + hooks()


def is_written(root: Path) -> bool:
    """Tell whether this has been done for this service."""
    places = (root / ".github/workflows").glob(f"{slug(prefix().rstrip('/'))}-*.yml")
    names = [path.relative_to(root).as_posix() for path in places]
    return any(MARK in read(root, name) for name in [*names, ".gitlab-ci.yml"])


def put_or_remove(root: Path, name: str, text: str) -> list[str]:
    """Write a file at the root, or remove it where no service needs it; return what to say."""
    if text:
        return [put(root, name, text)]
    if (root / name).exists() and MARK in read(root, name):
        (root / name).unlink()
        return [f"removed {name}: no service has it any more"]
    return []


def put(root: Path, name: str, text: str) -> str:
    """Write a file at the root, unless it is somebody else's; return what to say."""
    path, there = root / name, read(root, name)
    if there and MARK not in there:
        return f"{name} is yours and stays; it should hold:\n\n{text}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return f"wrote {name}"


def workflow(text: str, folder: str, place: str) -> str:
    """Return a workflow as it has to be at the root: for this folder, and only for its changes."""
    paths = f'    paths: ["{folder}/**", "{place}"]\n'
    text = re.sub(r"(?m)^name: (.+)$", rf'name: "{folder}: \1"', text, count=1)
    text = re.sub(r"(?m)^  pull_request:\n", f"  pull_request:\n{paths}", text, count=1)
    text = re.sub(r"(?m)^(  push:\n(?:    .*\n)*)", rf"\g<1>{paths}", text, count=1)
    here = f"defaults:\n  run:\n    working-directory: {word(folder)}\n\njobs:\n"
    text = re.sub(r"(?m)^jobs:\n", here, text, count=1)
    # What actions take is named from the root.
    text = re.sub(r"(?m)^( +(?:path: )?)var/", rf"\1{folder}/var/", text)
    return f"{MARK}\n{text}"


def dependabot(texts: dict[str, str]) -> str:
    """Return one file for the bot from those of all services."""
    parts = [f"{MARK}\nversion: 2\nupdates:\n"]
    for folder, text in texts.items():
        entries = text.partition("\nupdates:\n")[2]
        parts.append(entries.replace("    directory: /\n", f"    directory: /{folder}\n"))
    return "".join(parts)


def child(folder: str) -> str:
    """Return the job that runs a service's own pipeline for its changes, and by schedules."""
    changes = f"      changes: [{word(f'{folder}/**/*')}]\n"
    return (
        f"\n{slug(folder)}:\n"
        f"  trigger:\n    include: {word(f'{folder}/.gitlab-ci.yml')}\n    strategy: depend\n"
        "    forward: {pipeline_variables: true}\n"
        f"  variables:\n    SERVICE_FOLDER: {word(folder)}\n"
        "  rules:\n"
        '    - if: $CI_PIPELINE_SOURCE == "schedule"\n'
        '    - if: $CI_PIPELINE_SOURCE == "merge_request_event"\n'
        f"{changes}"
        "    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH\n"
        f"{changes}"
    )


def hooks() -> list[str]:
    """Make git run the hooks of all services, unless somebody has hooks of their own."""
    if git("config", "core.hooksPath"):
        return ["git keeps the hooks of core.hooksPath; call hooks/pre-commit of this folder there"]
    common = Path(git("rev-parse", "--path-format=absolute", "--git-common-dir").strip())
    lines = []
    for name, condition in CONDITIONS.items():
        path = common / "hooks" / name
        if path.exists() and "hooks/monorepo" not in path.read_text("utf-8"):
            lines.append(f"git keeps your hook {name}; call {prefix()}hooks/{name} there")
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(DISPATCH.replace("NAME", name).replace("CONDITION", condition), "utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        lines.append(f"git runs the services' hooks/{name}")
    return lines


def services(root: Path) -> list[str]:
    """Return the folders of the services in this repository, by what git has."""
    listed = git("-C", str(root), "ls-files", "-z", "--", "*.copier-answers.yml").split("\0")
    return sorted({str(Path(name).parent) for name in listed if "/" in name})


def slug(folder: str) -> str:
    """Return a folder as a part of a file's name, of a branch and of a job."""
    return re.sub(r"[^\w.-]", "-", folder)


def word(text: str) -> str:
    """Return a text as YAML takes it."""
    return text if re.fullmatch(r"[\w./*-]+", text) else json.dumps(text, ensure_ascii=False)


def read(root: Path, name: str) -> str:
    """Return the text of a file of the repository; empty if there is none.

    One that a sparse checkout leaves out is read from git's index: it is there for all others.
    """
    path = root / name
    if path.exists():
        return path.read_text("utf-8")
    if not git("-C", str(root), "ls-files", "-t", "--", f":(literal){name}").startswith("S "):
        return ""
    return git("-C", str(root), "show", f":{name}")
