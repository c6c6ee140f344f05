"""What the hooks share: the project they stand in, the steps they run, and how they say so.

Owned by the template: extend, do not edit. Standard library only, because the hooks run before
anything is installed.
"""

import functools
import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

# Up to here nothing is newer than Python 3.6; tomllib came with 3.11, which the project needs too.
try:
    import tomllib
except ModuleNotFoundError:
    name, version = Path(sys.argv[0]).name, ".".join(map(str, sys.version_info[:3]))
    print(f"{name}: needs Python 3.11 or newer, this is {version}", file=sys.stderr)
    sys.exit(2)

if sys.platform == "win32":
    print(
        f"{Path(sys.argv[0]).name}: runs on Linux and macOS, like the service; on Windows work in"
        " WSL: https://learn.microsoft.com/windows/wsl/install",
        file=sys.stderr,
    )
    sys.exit(2)

ROOT = Path(__file__).resolve().parent.parent
FAILED, REFUSED, CONFLICTS = 1, 2, 3
INSTALL_UV = "install it with `pipx install uv` (other ways: https://docs.astral.sh/uv/)"

# git sets these for its hooks; a test that runs git would then work on this repository.
GIT_LOCAL = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    }
)
# What uv says when it cannot reach an index. An answer of the index (401, 404), or a certificate
# that is not trusted, is not among them: those have to be read.
OFFLINE = (
    "network was disabled",
    "Network connectivity is disabled",
    "dns error",
    "tcp connect error",
    "operation timed out",
)
# What else keeps uv from working, found in what it says, and the remedy.
UNDATED = re.compile(r"is missing an upload date")
NO_CACHE = re.compile(r"Failed to initialize cache at `([^`]+)`")
FORMER = re.compile(
    r"^ +(\S+:\d+): DeprecationWarning: (adapter\.\w+ is a former .+)$", re.MULTILINE
)
"""What pytest says of a former name of the door: no failure, but somebody has to read it."""
LOGIN = re.compile(r"(https?://)[^/@\s]+@")
"""What somebody wrote into an address to log in; `\\1` is what stays without it."""
SUITE = "tests/contract"
LONGER = {
    "longer": ("cfg", "dat", "dep", "inp", "log", "prx", "ses", "thr"),
    "accounts": ("acc", "ppl"),
}
"""Families of the contract whose tests take longer: hashes, processes, waiting."""
MEMORY = Path("/dev", "shm")
"""Where Linux keeps files in memory."""
MEMORY_MIB = 512
"""What has to be free there; the suite takes a few."""
WITHOUT_SERVERS = ("-m", "not servers")
DISTRIBUTED = re.compile("^storage: distributed$", re.MULTILINE)
AT_ONCE = 2
"""How many steps run side by side; a third one on two processors costs time."""
NOTHING: Mapping[str, str] = {}


class Refused(Exception):
    """Raised if a hook cannot begin, before it changed anything; the text holds the remedy.

    The login that an address may hold is left out: logs of CI and reports are read by many.
    """

    def __init__(self, text: object) -> None:
        """Keep the text without logins."""
        super().__init__(LOGIN.sub(r"\1", str(text)))


class Step(NamedTuple):
    """One command with the name under which it is reported."""

    name: str
    command: Sequence[str]
    warns: bool = False
    """Its failure is a warning, except in CI."""
    repeats: bool = False
    """On the same files it ends the same way, so that a second run proves nothing."""
    deep: bool = False
    """An edit of the application alone seldom shows there: left for the push, and for CI."""


class Result(NamedTuple):
    """How a step ended: exit code, duration in seconds, and both its output streams."""

    step: Step
    code: int
    seconds: float
    output: str

    @property
    def offline(self) -> bool:
        """Tell whether the step failed because there is no network."""
        return self.code != 0 and any(sign in self.output for sign in OFFLINE)

    @property
    def remedy(self) -> str:
        """Return in a sentence why uv cannot work here and what helps, "" if that is not known."""
        if self.code == 0:
            return ""
        if self.offline:
            return "offline: uv cannot reach the package index"
        if UNDATED.search(self.output):
            return (
                "the package index does not say when a release was uploaded, so all are too new:"
                " delete the line `exclude-newer` of pyproject.toml and write `cooldown_days: '0'`"
                " in .copier-answers.yml (a new project: the answer cooldown_days=0)"
            )
        found = NO_CACHE.search(self.output)
        if found:
            return f"uv cannot write {found[1]}: name a folder of yours by UV_CACHE_DIR"
        return ""

    @property
    def failed(self) -> bool:
        """Tell whether the step failed, and that is no warning."""
        return self.code != 0 and not (self.step.warns and os.environ.get("CI") != "true")

    @property
    def last_line(self) -> str:
        """Return the last line that is not empty, without pytest's frame."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1].strip("= ") if lines else ""


def hook(main: Callable[[], int]) -> None:
    """Run a hook's `main`, turn its refusal into one line, and exit with its code."""
    name = Path(sys.argv[0]).name
    for stream in (sys.stdout, sys.stderr):
        # Names and words of others: in a terminal of Latin-1 one letter would end it halfway.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(main())
    except Refused as refusal:
        print(f"{name}: {refusal}", file=sys.stderr)
        sys.exit(REFUSED)
    except OSError as error:
        # A full disk, a file that may not be written: its name and the reason say more than a
        # traceback, whose exit code would be that of a check that fails.
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)


def project() -> tuple[str, str]:
    """Return the project's command and its package, by `[project.scripts]`."""
    scripts = load_toml(ROOT / "pyproject.toml").get("project", {}).get("scripts")
    if not scripts:
        raise Refused("pyproject.toml names no command in [project.scripts]")
    command, target = next(iter(scripts.items()))
    return command, target.split(":")[0].split(".")[0]


def load_toml(path: Path) -> dict[str, Any]:
    """Return the content of one of the project's TOML files."""
    try:
        return parse_toml(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Refused(f"{path.relative_to(ROOT)}: {reason}; mend it first") from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return what the text holds, or raise `ValueError`."""
    # Some editors begin a file with a mark.
    return tomllib.loads(text.removeprefix("\ufeff"))


def find_uv() -> str:
    """Return the path of uv: variable `UV`, PATH, where installers put it, the project's own."""
    places = [environment() / "bin", environment() / "Scripts"]
    with suppress(RuntimeError):  # a user without a home
        places = [Path.home() / ".local/bin", Path.home() / ".cargo/bin", *places]
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, places)])
    found = shutil.which(os.environ.get("UV") or "uv", path=path)
    if found is None:
        raise Refused(f"uv is not there, nothing was changed; {INSTALL_UV}")
    return found


def environment() -> Path:
    """Return the folder of the project's virtual environment, as uv decides it."""
    return ROOT / os.environ.get("UV_PROJECT_ENVIRONMENT", ".venv")


def installed_python() -> str:
    """Return the interpreter of the project's virtual environment."""
    for name in ("bin/python", "Scripts/python.exe"):
        if (environment() / name).exists():
            return str(environment() / name)
    raise Refused("the project is not installed; run hooks/verify")


def checks(python: str, package: str, *, everything: bool = False) -> list[Step]:
    """Return what `verify` checks, in the order in which they take least side by side.

    `everything`: also what needs servers that the service has not.
    `check` is early: it compiles the libraries, which the tests would do once for each process.
    """
    return [
        Step("format", [python, "-m", "ruff", "format", "--check", "."]),
        Step("lint", [python, "-m", "ruff", "check", "."]),
        Step("check", [python, "-m", package, "check"]),
        Step("types", [python, "-m", "mypy"], repeats=True),
        *tests(python, everything=everything),
        # Models without a migration: they would meet tables that are not theirs.
        Step("tables", [python, "-m", package, "db", "check"], repeats=True),
        # An edit in a file of the template is for the next update to meet: no reason to stop work.
        Step("drift", [python, "-m", package, "drift"], warns=True),
    ]


def tests(python: str, *, everything: bool) -> list[Step]:
    """Return the steps that run the tests: the longer families of the suite, then all the others.

    Plain runs side by side take a third less of two cores than xdist's workers do; with more cores,
    each has some. PYTEST_XDIST_AUTO_NUM_WORKERS says how many.
    """
    pytest = [python, "-m", "pytest", "-q", "-n", workers(), "--dist", "worksteal"]
    if not (everything or on_servers()):
        pytest += WITHOUT_SERVERS
    if os.environ.get("PYTEST_ADDOPTS"):
        # Options of the user's may leave nothing of a part, which pytest takes for a failure.
        return [Step("tests", pytest, repeats=True)]
    steps, others = [], []
    for name, families in LONGER.items():
        files = [
            path for each in families for path in sorted(ROOT.glob(f"{SUITE}/test_{each}_*.py"))
        ]
        others += [f"--ignore-glob={SUITE}/test_{each}_*.py" for each in families]
        if files:
            names = [path.relative_to(ROOT).as_posix() for path in files]
            steps.append(Step(name, [*pytest, *names], repeats=True, deep=True))
    return [*steps, Step("tests", [*pytest, *others], repeats=True)]


def workers() -> str:
    """Return how many processes of xdist each step has, "0" for none."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return "auto"
    own = (os.cpu_count() or 1) // AT_ONCE
    return str(own if own > 1 else 0)


def on_servers() -> bool:
    """Tell whether tests on Redis and PostgreSQL belong here: the service has them, or it is CI."""
    if os.environ.get("CI") == "true":
        return True
    with suppress(OSError):
        text = (ROOT / ".copier-answers.yml").read_text("utf-8", errors="replace")
        return bool(DISTRIBUTED.search(text))
    return True


def git(*arguments: str, typed: str = "") -> str:
    """Return what git prints about this project; empty where git or the repository is missing.

    `typed` is its standard input.
    """
    program = shutil.which("git")
    if program is None:
        return ""
    command = [program, "-C", str(ROOT), *arguments]
    done = subprocess.run(command, input=typed.encode(), capture_output=True, check=False)
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def trouble() -> str:
    """Return why git says nothing here, "" if it does."""
    program = shutil.which("git")
    if program is None:
        return "git is not there; install it"
    asked = [program, "-C", str(ROOT), "rev-parse", "--show-toplevel"]
    english = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(asked, env=english, capture_output=True, check=False)
    words = done.stderr.decode(errors="replace").strip()
    if done.returncode == 0:
        return ""
    if "not a git repository" in words:
        return "this is no git repository; git init, git add, git commit, then again"
    # As of a folder that belongs to somebody else: git names the remedy.
    return " ".join(words.split())


def is_repository() -> bool:
    """Tell whether the project itself is a git repository, not a folder in one."""
    top = git("rev-parse", "--show-toplevel").strip()
    return bool(top) and Path(top).resolve() == ROOT


@functools.cache
def prefix() -> str:
    """Return the project's folder in the repository, like "services/tea/"; empty at its root."""
    return git("rev-parse", "--show-prefix").rstrip("\n")


@functools.cache
def git_folder() -> Path:
    """Return the folder in git's own where the hooks keep what belongs to this checkout."""
    return Path(git("rev-parse", "--absolute-git-dir").strip(), "prodsec-template", prefix())


def of_git() -> dict[str, str]:
    """Return variables for git that reads the template, by itself or for Copier.

    Settings of the machine given by variables, which `run` leaves out, may say how to log in there.
    """
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    return {"GIT_CONFIG_COUNT": given} if given else {}


def of_copier() -> dict[str, str]:
    """Return variables for Copier, which commits in folders of its own.

    A company's hooks are about people's commits, and git takes no objects of another kind of hash.
    """
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    number = int(given) if given.isdecimal() else 0
    variables = {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": "core.hooksPath",
        f"GIT_CONFIG_VALUE_{number}": os.devnull,
        "LANGUAGE": "C",  # what git says is read
    }
    kind = git("rev-parse", "--show-object-format").strip()
    return variables | ({"GIT_DEFAULT_HASH": kind} if kind else {})


def run(step: Step, more: Mapping[str, str] = NOTHING, keep: Sequence[int] = ()) -> Result:
    """Run one step in the project's folder without input.

    `more` are variables, `keep` open files that it holds as well, for as long as it lives.
    """
    # VIRTUAL_ENV of another project makes uv warn at every call.
    left_out = GIT_LOCAL | {"VIRTUAL_ENV"}
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    variables.update(more)
    if any(word.startswith(SUITE) for word in step.command) and has_memory(MEMORY):
        # Hundreds of small databases, which wait for the disk otherwise. Not where tests of the
        # application are among them: nobody knows how much those write.
        variables.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    start = time.monotonic()
    done = subprocess.run(
        step.command,
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        pass_fds=keep,
    )
    output = done.stdout.decode(errors="replace")
    return Result(step, done.returncode, time.monotonic() - start, output)


def has_memory(folder: Path) -> bool:
    """Tell whether files in memory have room, and may be run: in containers they often may not."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    free = found.f_bavail * found.f_frsize // 2**20
    allowed = os.access(folder, os.W_OK | os.X_OK)
    return allowed and free >= MEMORY_MIB and not found.f_flag & getattr(os, "ST_NOEXEC", 0)


def report(result: Result) -> None:
    """Print a step's line: whether it passed, its name, its seconds, and what it counted."""
    state = "FAIL" if result.failed else "warn" if result.code else "ok  "
    counts = result.step.name in ("tests", *LONGER)
    detail = f"  {result.last_line}" if counts or state == "warn" else ""
    print(f"  {state}  {result.step.name:<9}{result.seconds:5.1f} s{detail}", flush=True)
    for place, said in sorted(set(FORMER.findall(result.output))):
        print(f"  warn  {place.removeprefix(f'{ROOT}{os.sep}')}: {said}", flush=True)


def run_all(steps: Sequence[Step]) -> bool:
    """Run independent steps side by side, report each as it ends, then show what failed."""
    return show_failed(run_each(steps))


def run_each(steps: Sequence[Step]) -> list[Result]:
    """Run independent steps side by side, and report each as it ends."""
    results = []
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        for future in as_completed([pool.submit(run, step) for step in steps]):
            results.append(future.result())
            report(results[-1])
    return results


def show_failed(results: Sequence[Result]) -> bool:
    """Show the output of each step that failed; tell whether none did."""
    failed = [result for result in results if result.failed]
    for result in failed:
        show(result)
    return not failed


def show(result: Result) -> None:
    """Print the whole output of a step that failed, with the command that repeats it."""
    command = " ".join(result.step.command).replace(f"{ROOT}{os.sep}", "")
    print(f"\n--- {result.step.name}: {command} (exit code {result.code})\n", flush=True)
    print(result.output.rstrip(), flush=True)
