"""hooks/verify: what it proves, and that it changes nothing where it cannot begin."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.hooks.conftest import ROOT, Project, furnish, make_project
from tests.package_index import Index, running

HOOKS = sorted(path.name for path in (ROOT / "hooks").iterdir() if path.is_file())
COMMANDS = [name for name in HOOKS if not name.startswith("_")]
CLOSED_PORT = "http://127.0.0.1:9/simple"


def test_passes_and_says_what_next(project: Project) -> None:
    before = project.files()
    done = project.hook("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  ok ")]
    named = ["lock", "install", "format", "lint", "types", "tables", "tests", "check", "drift"]
    assert sorted(steps) == sorted(named)
    assert "uv run demo-service run" in done.stdout
    assert "http://localhost:8000" in done.stdout
    kept = {
        name: content
        for name, content in project.files().items()
        if not name.startswith(".") or name in before
    }
    assert kept.keys() - before.keys() == {"uv.lock"}
    assert before.items() <= kept.items()


ASKED = """\
import os
from pathlib import Path


def test_where() -> None:
    said = os.environ.get("PYTEST_DEBUG_TEMPROOT", "disk")
    Path(__file__).with_suffix(".said").write_text(said)
"""


@pytest.mark.parametrize("own", [False, True], ids=["here", "where the user says"])
@pytest.mark.usefixtures("at_hand")
def test_the_longer_families_write_to_memory_where_there_is_room(
    project: Project, tmp_path: Path, own: bool
) -> None:
    names = ("tests/contract/test_ses_it.py", "tests/contract/test_acc_it.py", "tests/test_it.py")
    for name in names:
        project.write(name, ASKED)
    asked = {"PYTEST_DEBUG_TEMPROOT": str(tmp_path)} if own else {}
    done = project.hook("verify", **asked)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [(project.path / name).with_suffix(".said").read_text() for name in names]
    probe = (
        "import sys; sys.path.insert(0, 'hooks'); import _steps as s; print(s.has_memory(s.MEMORY))"
    )
    room = project.run(sys.executable, "-c", probe).stdout == "True\n"
    memory = "/dev/shm" if room else "disk"  # noqa: S108 - compared
    # What the application's tests write may be more than there is room for.
    assert said == ([str(tmp_path)] * 3 if own else [memory, memory, "disk"])


@pytest.mark.parametrize(
    ("change", "room"),
    [({}, True), ({"f_bavail": 100}, False), ({"f_flag": os.ST_NOEXEC}, False)],
    ids=["room", "64 MiB, as in a container", "nothing may be run there"],
)
def test_memory_is_used_where_it_is_of_use(
    project: Project, tmp_path: Path, change: dict[str, int], room: bool
) -> None:
    of_memory = {"f_bavail": 1_000_000, "f_frsize": 4096, "f_flag": 0} | change
    probe = (
        "import sys; sys.path.insert(0, 'hooks'); import _steps, types; from pathlib import Path;"
        f"_steps.os.statvfs = lambda _: types.SimpleNamespace(**{of_memory});"
        f"print(_steps.has_memory(Path({str(tmp_path)!r})))"
    )
    assert project.run(sys.executable, "-c", probe).stdout == f"{room}\n"


def test_a_machine_without_it_uses_the_disk(project: Project) -> None:
    probe = (
        "import sys; sys.path.insert(0, 'hooks'); import _steps; from pathlib import Path;"
        "print(_steps.has_memory(Path('/nowhere')))"
    )
    assert project.run(sys.executable, "-c", probe).stdout == "False\n"


@pytest.mark.parametrize(
    ("name", "text", "steps"),
    [
        ("tests/test_it.py", "def test_it() -> None:\n    assert 1 == 2\n", ["tests"]),
        ("src/demo/it.py", "x  = 1\n", ["format"]),
        ("src/demo/it.py", "import os\n", ["lint"]),
        ("src/demo/it.py", 'x: int = "text"\n', ["types"]),
        ("src/demo/__main__.py", "raise SystemExit(1)\n", ["check", "tables"]),
    ],
    ids=["tests", "format", "lint", "types", "the command"],
)
def test_fails_by_the_steps_that_fail(
    project: Project, packages: Path, name: str, text: str, steps: list[str]
) -> None:
    project.write(name, text)
    before = project.files()
    furnish(project, packages)
    done = project.hook("verify")
    assert done.returncode == 1
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  FAIL")]
    assert sorted(failed) == steps
    assert all(f"--- {step}: " in done.stdout for step in steps)
    assert "uv run" not in done.stdout
    assert before.items() <= project.files().items()


def left_out(project: Project, *arguments: str, **variables: str) -> set[str]:
    """Verify again, insist on success, and return the steps that were left out."""
    done = project.hook("verify", *arguments, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("  left ")]
    assert all("nothing changed since " in line for line in lines)
    assert ("--all" in done.stdout) == bool(lines)
    return {line.split()[1] for line in lines}


@pytest.mark.parametrize("in_git", [True, False])
@pytest.mark.usefixtures("at_hand")
def test_leaves_out_what_passed_on_the_same_files(project: Project, *, in_git: bool) -> None:
    if in_git:
        project.git("init", "--quiet")
    assert left_out(project) == set()
    assert left_out(project) == {"types", "tables", "tests"}
    project.write("notes.txt", "A text that a test may read.\n")
    assert left_out(project) == {"types"}
    project.write("src/demo/more.py", '"""More."""\n')
    assert left_out(project) == set()
    assert left_out(project, "--all") == set()
    assert left_out(project, CI="true") == set()
    assert left_out(project, PYTEST_ADDOPTS="-v") == set()
    (project.path / ".venv" / "passed.json").write_text("[")
    assert left_out(project) == set()


@pytest.mark.usefixtures("at_hand")
def test_what_was_edited_while_it_was_checked_is_checked_again(project: Project) -> None:
    project.write("src/demo/it.py", '"""One."""\n')
    edit = r"""Path("src/demo/it.py").write_text('"Two."\n')"""
    test = f"from pathlib import Path\n\n\ndef test_it() -> None:\n    {edit}\n"
    project.write("tests/test_it.py", test)
    assert left_out(project) == set()
    project.write("src/demo/it.py", '"""One."""\n')
    assert left_out(project) == set()


@pytest.mark.usefixtures("at_hand")
def test_an_edit_of_the_application_leaves_the_longer_families(project: Project) -> None:
    passing = '"""It."""\n\n\ndef test_it() -> None:\n    assert True\n'
    project.write("tests/contract/test_thr_throttle.py", passing)
    project.write("tests/contract/test_ppl_people.py", passing)
    assert left_out(project) == set()
    for name in ("src/demo/app/it.py", "tests/app/it.py", "NOTES.md"):
        project.write(name, f'"""{name}"""\n')
        done = project.hook("verify")
        for step in ("longer", "accounts"):
            why = r"only the application changed since \d\d:\d\d: before a push"
            assert re.search(f"(?m)^  left  {step} +{why}$", done.stdout), done.stdout
        assert "hooks/verify --all runs what was left out, and so does CI" in done.stdout
        assert "  ok    tests" in done.stdout
    pushed = project.hook("pre-push")
    assert {"longer", "accounts"} <= set(re.findall(r"(?m)^  ok +(\w+)", pushed.stdout))
    for name in ("src/demo/app/migrations/m.py", "src/demo/app/settings.py", "src/demo/it.py"):
        project.write(name, f'"""{name}"""\n')
        assert {"longer", "accounts"}.isdisjoint(left_out(project))


@pytest.mark.parametrize("storage", ["embedded", "distributed"])
@pytest.mark.usefixtures("at_hand")
def test_servers_are_tested_where_the_service_has_them(project: Project, storage: str) -> None:
    project.write(".copier-answers.yml", f"framework: flask\nstorage: {storage}\n")
    project.write("pytest.ini", "[pytest]\nmarkers =\n    servers: needs them\n")
    test = "@pytest.mark.servers\ndef test_it() -> None:\n    assert 0\n"
    project.write("tests/test_it.py", f'"""It."""\n\nimport pytest\n\n\n{test}')
    project.write("tests/test_other.py", '"""It."""\n\n\ndef test_it() -> None:\n    assert 1\n')
    for arguments, variables in (((), {}), (("--all",), {}), ((), {"CI": "true"})):
        done = project.hook("verify", *arguments, **variables)
        runs = storage == "distributed" or bool(arguments) or bool(variables)
        assert ("FAIL  tests" in done.stdout) == runs, done.stdout
        assert ("  left  servers" in done.stdout) != runs


@pytest.mark.parametrize(("cores", "workers"), [(1, "0"), (2, "0"), (3, "0"), (4, "2"), (9, "4")])
def test_each_step_has_workers_where_there_are_cores(
    project: Project, cores: int, workers: str
) -> None:
    code = (
        "import os, sys; sys.path.insert(0, 'hooks'); import _steps;"
        f"os.environ.pop('PYTEST_XDIST_AUTO_NUM_WORKERS'); os.cpu_count = lambda: {cores};"
        "print(_steps.workers())"
    )
    assert project.run(sys.executable, "-c", code).stdout == f"{workers}\n"


@pytest.mark.usefixtures("at_hand")
def test_gate_runs_what_needs_servers(project: Project) -> None:
    """As CI does, wherever it is called."""
    project.write(".copier-answers.yml", "framework: flask\nstorage: embedded\n")
    project.write("pytest.ini", "[pytest]\nmarkers =\n    servers: needs them\n")
    test = "@pytest.mark.servers\ndef test_it() -> None:\n    assert 0\n"
    project.write("tests/test_it.py", f'"""It."""\n\nimport pytest\n\n\n{test}')
    project.git("init", "--quiet")
    assert project.hook("verify").returncode == 0
    done = project.hook("gate", "tests")
    assert done.returncode == 1
    assert "FAIL  tests" in done.stdout


@pytest.mark.usefixtures("at_hand")
def test_what_failed_is_run_again(project: Project) -> None:
    project.write("tests/test_it.py", "def test_it() -> None:\n    assert 0\n")
    for _ in range(2):
        done = project.hook("verify")
        assert done.returncode == 1
        assert "FAIL  tests" in done.stdout
    assert "  left  types" in done.stdout


@pytest.mark.usefixtures("at_hand")
def test_what_passed_another_day_is_run_again(project: Project) -> None:
    assert left_out(project) == set()
    kept = project.path / ".venv" / "passed.json"
    before = kept.read_text("utf-8")
    # A zone in which it is never the same day as in the first.
    for zone in ("<+14>-14", "<-12>+12"):
        kept.write_text(before)
        if left_out(project, TZ=zone) == set():
            return
    pytest.fail("no zone is on another day")


def test_unknown_argument_is_refused(project: Project) -> None:
    done = project.hook("verify", "--everything")
    assert done.returncode == 2
    assert done.stderr == (
        "verify: unknown argument '--everything'; there is --all, which leaves nothing out\n"
    )


def caches(folder: Path) -> list[str]:
    """Return the caches of mypy that the machine has, without half-made ones."""
    return sorted(path.name for path in folder.glob("service-hooks/mypy/*"))


def test_cache_of_mypy_goes_from_project_to_project(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    machine = tmp_path / "cache"
    first = make_project(tmp_path / "first", environment | {"XDG_CACHE_HOME": str(machine)})
    assert left_out(first) == set()
    (name,) = caches(machine)
    second = make_project(tmp_path / "second", first.environment)
    second.write("src/demo/it.py", 'x: int = "text"\n')
    done = second.hook("verify")
    assert "FAIL  types" in done.stdout
    assert caches(machine) == [name]
    third = make_project(tmp_path / "third", first.environment)
    third.write("mypy.ini", "[mypy]\nfiles = src\nstrict = true\n")
    assert left_out(third) == set()
    assert len(caches(machine)) == 2


@pytest.mark.parametrize("case", ["ci", "file", "none"])
@pytest.mark.usefixtures("at_hand")
def test_types_without_a_cache_of_the_machine(project: Project, tmp_path: Path, case: str) -> None:
    machine = tmp_path / "cache"
    if case == "file":
        machine.write_text("no folder")
    place = "/dev/null/none" if case == "none" else str(machine)
    ci = "true" if case == "ci" else ""
    assert left_out(project, XDG_CACHE_HOME=place, CI=ci) == set()
    assert caches(machine) == []


def test_failing_install_shows_why(project: Project) -> None:
    text = project.files()["pyproject.toml"].decode()
    project.write("pyproject.toml", text.replace('"mypy"', '"mypy>=999"'))
    done = project.hook("verify")
    assert done.returncode == 1
    assert "FAIL  lock" in done.stdout
    assert "mypy>=999" in done.stdout


def test_without_uv(project: Project, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    git = shutil.which("git")
    assert git is not None
    (programs / "git").symlink_to(git)
    before = project.files()
    done = project.hook("verify", PATH=str(programs))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "uv is not there, nothing was changed" in done.stderr
    assert "pipx install uv" in done.stderr
    assert project.files() == before


@pytest.mark.parametrize(
    "variables",
    [{"UV_OFFLINE": "1"}, {"UV_DEFAULT_INDEX": CLOSED_PORT, "UV_HTTP_RETRIES": "0"}],
    ids=["forbidden", "unreachable"],
)
@pytest.mark.parametrize("locked", [False, True], ids=["new", "locked"])
def test_offline(
    project: Project, tmp_path: Path, variables: dict[str, str], *, locked: bool
) -> None:
    if locked:
        assert project.run("uv", "lock").returncode == 0
    before = project.files()
    done = project.hook("verify", UV_CACHE_DIR=str(tmp_path / "empty"), **variables)
    assert done.returncode == 2
    assert done.stderr == (
        "verify: offline: uv cannot reach the package index, nothing was changed\n"
    )
    assert project.files() == before
    assert not (project.path / ".venv").exists()


WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class _Undated(Index):
    """An index that has every package, in version 1.0, and says no dates."""

    def answer(self) -> tuple[str, bytes]:
        page = re.fullmatch(r"/simple/([^/]+)/", self.path)
        name = page[1].replace("-", "_") if page else Path(self.path).name.partition("-")[0]
        file = f"{name}-1.0-py3-none-any.whl"
        body = f'<!DOCTYPE html><a href="/files/{file}">{file}</a>'.encode()
        if not page:
            buffer = BytesIO()
            with zipfile.ZipFile(buffer, "w") as wheel:
                about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
                wheel.writestr(f"{name}-1.0.dist-info/METADATA", about)
                wheel.writestr(f"{name}-1.0.dist-info/WHEEL", WHEEL)
                wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
            body = buffer.getvalue()
        return "text/html" if page else "application/octet-stream", body


@pytest.fixture
def undated() -> Iterator[str]:
    """Run that index on loopback, and return its address."""
    with running(_Undated) as address:
        yield address


def test_index_without_dates(project: Project, tmp_path: Path, undated: str) -> None:
    """Private indexes seldom have them; uv warns of each file, and finds nothing."""
    text = project.files()["pyproject.toml"].decode()
    project.write("pyproject.toml", f'{text}\n[tool.uv]\nexclude-newer = "7 days"\n')
    before = project.files()
    variables = {"UV_DEFAULT_INDEX": undated, "UV_CACHE_DIR": str(tmp_path / "empty")}
    done = project.hook("verify", **variables)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    for each in ("does not say when", "`exclude-newer`", "cooldown_days"):
        assert each in done.stderr
    assert project.files() == before
    # The way out leads out.
    project.write("pyproject.toml", text)
    uv = shutil.which("uv", path=project.environment["PATH"])
    assert project.run(str(uv), "lock", **variables).returncode == 0


def test_cache_that_cannot_be_written(project: Project) -> None:
    before = project.files()
    done = project.hook("verify", UV_CACHE_DIR="/dev/null/uv")
    assert done.returncode == 2
    assert done.stderr == (
        "verify: uv cannot write /dev/null/uv: name a folder of yours by UV_CACHE_DIR, nothing"
        " was changed\n"
    )
    assert project.files() == before


def test_uv_of_the_project(project: Project, tmp_path: Path) -> None:
    uv = shutil.which("uv", path=project.environment["PATH"])
    assert uv is not None
    own = project.path / ".venv" / "bin" / "uv"
    own.parent.mkdir(parents=True)
    own.symlink_to(uv)
    programs = tmp_path / "programs"
    programs.mkdir()
    done = project.hook("verify", PATH=str(programs), UV_CACHE_DIR="/dev/null/uv")
    assert "uv is not there" not in done.stderr
    assert "uv cannot write /dev/null/uv" in done.stderr


def test_network_lost_half_way(project: Project, tmp_path: Path) -> None:
    """The lock could be made, but nothing can be downloaded: the lock goes again."""
    uv = shutil.which("uv", path=project.environment["PATH"])
    losing = tmp_path / "uv"
    losing.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = sync ] && export UV_OFFLINE=1 UV_CACHE_DIR="{tmp_path}/empty"\n'
        f'exec "{uv}" "$@"\n'
    )
    losing.chmod(0o755)
    before = project.files()
    done = project.hook("verify", UV=str(losing))
    assert done.returncode == 2
    assert "nothing was changed" in done.stderr
    assert project.files() == before


def test_ci_refuses_a_stale_lock(project: Project) -> None:
    assert project.run("uv", "lock").returncode == 0
    text = project.files()["pyproject.toml"].decode()
    project.write("pyproject.toml", text.replace('"mypy"', '"iniconfig", "mypy"'))
    before = project.files()
    done = project.hook("verify", CI="true")
    assert done.returncode == 1
    assert "FAIL  lock" in done.stdout
    assert project.files() == before


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pyproject.toml", "[project]\n", "names no command in [project.scripts]"),
        ("pyproject.toml", "[project\n", "pyproject.toml: "),
    ],
    ids=["no-command", "no-toml"],
)
def test_refuses_a_broken_project(project: Project, name: str, text: str, message: str) -> None:
    project.write(name, text)
    done = project.hook("verify")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_old_python_is_refused_in_one_line(project: Project, name: str) -> None:
    hidden = (
        "import runpy, sys; sys.modules['tomllib'] = None; sys.path.insert(0, 'hooks');"
        f"sys.argv = ['hooks/{name}']; runpy.run_path('hooks/{name}', run_name='__main__')"
    )
    before = project.files()
    done = project.run(sys.executable, "-c", hidden)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: needs Python 3.11 or newer, this is ")
    assert len(done.stderr.splitlines()) == 1
    assert project.files() == before


@pytest.mark.parametrize("name", HOOKS)
def test_old_python_can_read_the_hooks(name: str) -> None:
    source = (ROOT / "hooks" / name).read_text("utf-8")
    ast.parse(source, feature_version=(3, 7))


@pytest.mark.parametrize("name", ["verify", "update", "pre-commit", "propose"])
def test_windows_is_told_of_wsl(project: Project, name: str) -> None:
    code = (
        # What they import does look for modules of Windows.
        "import argparse, concurrent.futures, pathlib, runpy, shutil, signal, subprocess, sys\n"
        "import tempfile, urllib.request\n"
        "sys.platform = 'win32'\n"
        f"sys.argv = [{name!r}]\n"
        "sys.path.insert(0, 'hooks')\n"
        f"runpy.run_path('hooks/{name}', run_name='__main__')\n"
    )
    done = project.run(sys.executable, "-c", code)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"{name}: runs on Linux and macOS")
    assert "WSL" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_hooks_can_be_run(name: str) -> None:
    path = ROOT / "hooks" / name
    assert path.stat().st_mode & 0o111 == 0o111
    assert path.read_text("utf-8").startswith("#!/usr/bin/env python3\n")


@pytest.mark.usefixtures("at_hand")
def test_git_runs_the_hooks_afterwards(repository: Project) -> None:
    done = repository.hook("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert repository.git("config", "core.hooksPath") == "hooks"


@pytest.mark.parametrize("case", ["own-path", "own-hook", "ci", "subfolder"])
@pytest.mark.usefixtures("at_hand")
def test_git_hooks_of_the_user_stay(repository: Project, case: str) -> None:
    variables = {}
    if case == "own-path":
        repository.git("config", "core.hooksPath", "theirs")
    elif case == "own-hook":
        own = repository.path / ".git" / "hooks" / "pre-commit"
        own.parent.mkdir(exist_ok=True)
        own.write_text("#!/bin/sh\n")
        own.chmod(0o755)
    elif case == "ci":
        variables = {"CI": "true"}
    else:
        (repository.path / ".git").rename(repository.path.parent / ".git")
    done = repository.hook("verify", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    path = repository.run("git", "config", "core.hooksPath").stdout.strip()
    assert path == ("theirs" if case == "own-path" else "")
    assert ("your own hooks" in done.stdout) == (case == "own-hook")
    if case == "own-path":
        assert (
            "git runs the hooks in theirs: let its pre-commit run hooks/pre-commit" in done.stdout
        )
    elif case == "own-hook":
        assert "let its pre-commit run hooks/pre-commit\n" in done.stdout
        assert (repository.path / ".git/hooks/pre-push").resolve().parent.name == "hooks"


@pytest.mark.usefixtures("at_hand")
def test_git_hooks_of_a_company_run_beside_ours(repository: Project) -> None:
    """Git for another name than ours, so that both can run."""
    company = repository.path / ".git" / "hooks" / "prepare-commit-msg"
    company.parent.mkdir(exist_ok=True)
    company.write_text('#!/bin/sh\necho "T-1" >> "$1"\n')
    company.chmod(0o755)
    for _ in range(2):
        done = repository.hook("verify")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "git runs the hooks from now on, beside your own" in done.stdout
    assert repository.run("git", "config", "core.hooksPath").stdout == ""
    repository.write("src/demo/it.py", "x  = 1\n")
    repository.git("add", ".")
    refused = repository.run("git", "commit", "-m", "Unsound")
    assert refused.returncode == 1
    assert "FAIL  format" in refused.stdout + refused.stderr
    repository.write("src/demo/it.py", '"""It."""\n')
    repository.git("add", ".")
    made = repository.run("git", "commit", "-m", "Sound")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "T-1" in repository.git("log", "-1", "--format=%B")


@pytest.mark.usefixtures("at_hand")
def test_uv_off_the_path_is_named_by_variable(project: Project, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    uv = shutil.which("uv", path=project.environment["PATH"])
    git = shutil.which("git")
    assert uv is not None
    assert git is not None
    (programs / "git").symlink_to(git)
    (programs / "python3").symlink_to(Path(sys.executable).resolve())
    done = project.hook("verify", PATH=str(programs), UV=uv)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ".venv/bin/demo-service run" in done.stdout
