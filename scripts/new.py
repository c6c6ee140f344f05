"""Generate a project and verify it: `make new DEST=../myapp`.

DEST is the folder to make. ANSWERS, if set, holds the answers, and nothing is asked: words of the
form `name=value` in shell quoting, or the name of a YAML file. What is left out keeps its default.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
USAGE = 'usage: make new DEST=../myapp [ANSWERS="project_name=myapp framework=flask" | answers.yml]'


def main() -> int:
    """Generate, verify, and return the exit code."""
    if not os.environ.get("DEST"):
        sys.exit(USAGE)
    target = Path(os.environ["DEST"]).expanduser().resolve()
    if is_project(target):
        print(
            f"make new: {target} was made before, its answers stay; now it is verified", flush=True
        )
        return verify(target)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        sys.exit(f"make new: {target} exists and is not empty; choose another DEST")
    if target.is_relative_to(ROOT):
        sys.exit(f"make new: {target} is inside the template; choose a DEST outside, like ../myapp")
    options = answer_options(os.environ.get("ANSWERS", "").strip())
    if not options and not sys.stdin.isatty():
        sys.exit(f"make new: there is no terminal to ask on; give ANSWERS\n{USAGE}")
    # HEAD: the newest tag would win over what this clone holds.
    copy = [str(BIN / "copier"), "copy", "--vcs-ref", "HEAD", *options, str(ROOT), str(target)]
    # Copier commits in a folder of its own: a company's hooks are about people's commits.
    hooks = {"GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": os.devnull}
    environment = {**os.environ, "GIT_CONFIG_COUNT": "1", **hooks}
    if options:
        # An answer that a validator refuses ends in a traceback whose last line is the message.
        done = subprocess.run(copy, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit("make new: " + (done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
    elif subprocess.run(copy, env=environment, check=False).returncode:
        return 1
    return verify(target)


def is_project(target: Path) -> bool:
    """Tell whether a project was generated there, perhaps by a run that did not come to its end."""
    answers = target / ".copier-answers.yml"
    return answers.is_file() and (target / "hooks" / "verify").is_file()


def verify(target: Path) -> int:
    """Run the project's `hooks/verify`, and say how to go on if it fails."""
    command = [sys.executable, str(target / "hooks" / "verify")]
    code = subprocess.run(
        command, env={**os.environ, "UV": str(BIN / "uv")}, check=False
    ).returncode
    if code:
        print(f"make new: {target} is there; {target}/hooks/verify goes on", file=sys.stderr)
    return code


def answer_options(answers: str) -> list[str]:
    """Return Copier's options for the answers; without answers none, so that it asks."""
    if not answers:
        return []
    if "=" not in answers:
        if not Path(answers).is_file():
            sys.exit(f"make new: no file {answers}\n{USAGE}")
        given = yaml.safe_load(Path(answers).read_text("utf-8"))
        check_names(list(given) if isinstance(given, dict) else [answers])
        return ["--defaults", "--data-file", answers]
    try:
        words = shlex.split(answers)
    except ValueError as error:
        sys.exit(f"make new: ANSWERS: {error}")
    check_names([word.partition("=")[0] for word in words])
    return ["--defaults", *(f"--data={word}" for word in words)]


def check_names(names: list[str]) -> None:
    """Refuse an answer to a question that is not asked: Copier would ignore a mistyped name."""
    template = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    questions = [
        name
        for name, question in template.items()
        if not name.startswith("_")
        and not (isinstance(question, dict) and question.get("when") is False)
    ]
    for name in names:
        if name not in questions:
            sys.exit(f"make new: no question {name!r}; there are {', '.join(questions)}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("make new: interrupted; the same command goes on", file=sys.stderr)
        sys.exit(130)
