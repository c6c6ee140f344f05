"""hooks/pre-commit and hooks/pre-push: what they let through."""

from __future__ import annotations

import sys

import pytest

from tests.hooks.conftest import Project, make_project

CONFLICT = '"""A service."""\n<<<<<<< ours\nA = 1\n=======\nA = 2\n>>>>>>> theirs\n'
LEAK = """\
import os


def test_git_of_the_hook_stays_out() -> None:
    assert not {"GIT_DIR", "GIT_INDEX_FILE"} & set(os.environ)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Project:
    """Return a repository that `hooks/verify` has installed, for all tests of this file."""
    made = make_project(tmp_path_factory.mktemp("hooks") / "demo", environment)
    made.git("init", "--quiet")
    made.commit("Begin")
    done = made.hook("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    made.commit("Lock")
    made.git("tag", "clean")
    return made


@pytest.fixture
def verified(installed: Project) -> Project:
    """Return a repository that runs the hooks, without what earlier tests changed."""
    installed.git("reset", "--hard", "--quiet", "clean")
    installed.git("clean", "--force", "-d", "--quiet")
    return installed


def commit(project: Project) -> tuple[int, str]:
    """Commit everything with the hooks; return the exit code and what was printed."""
    project.git("add", "--all")
    done = project.run("git", "commit", "--quiet", "--message", "A change")
    return done.returncode, done.stdout + done.stderr


def test_commit_of_sound_code(verified: Project) -> None:
    verified.write("tests/contract/test_leak.py", LEAK)
    code, output = commit(verified)
    assert code == 0, output
    assert all(f"  ok    {step}" in output for step in ("format", "lint", "types", "tests"))
    assert "check" not in output
    assert "before a push, and in CI: tests outside of tests/contract" in output


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("src/demo/__init__.py", CONFLICT, "conflict markers in src/demo/__init__.py"),
        ("README.md", CONFLICT, "conflict markers in README.md"),
        ("src/demo/it.py", "x  = 1\n", "FAIL  format"),
        ("src/demo/it.py", "import os\n", "FAIL  lint"),
        ("src/demo/it.py", 'x: int = "text"\n', "FAIL  types"),
        ("tests/contract/test_it.py", "def test_it() -> None:\n    assert 0\n", "FAIL  tests"),
    ],
    ids=["conflict", "conflict-in-text", "format", "lint", "types", "tests"],
)
def test_commit_of_unsound_code(verified: Project, name: str, text: str, message: str) -> None:
    head = verified.git("rev-parse", "HEAD")
    verified.write(name, text)
    code, output = commit(verified)
    assert code != 0
    assert message in output
    assert verified.git("rev-parse", "HEAD") == head


def test_commit_runs_the_suite_in_two_parts(verified: Project) -> None:
    """So that no processor waits; one part is headers."""
    names = ("tests/contract/test_hdr_headers.py", "tests/contract/test_red_redirects.py")
    for name in names:
        verified.write(name, "def test_it() -> None:\n    assert True\n")
    done = verified.hook("pre-commit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  ok    tests") == len(names)
    assert "  1 passed" in done.stdout
    for name in names:
        before = (verified.path / name).read_text()
        verified.write(name, "def test_it() -> None:\n    assert 0\n")
        done = verified.hook("pre-commit")
        assert (done.returncode, done.stdout.count("  FAIL  tests")) == (1, 1), done.stdout
        verified.write(name, before)
    assert verified.hook("verify").returncode == 0
    assert verified.hook("pre-commit").stdout.count("  left  tests") == 1


def test_commit_names_the_tests_that_it_leaves_to_the_push(verified: Project) -> None:
    failing = "def test_it() -> None:\n    assert 0\n"
    verified.write("tests/contract/test_thr_throttle.py", failing)
    verified.write("tests/app/test_notes.py", failing)
    code, output = commit(verified)
    assert code == 0, output
    assert "before a push, and in CI: longer, tests outside of tests/contract" in output
    verified.git("init", "--quiet", "--bare", "../remote-longer")
    assert verified.run("git", "push", "--quiet", "../remote-longer", "HEAD:main").returncode == 1


def test_commit_and_push_after_verify_leave_out_what_passed(verified: Project) -> None:
    verified.write("tests/contract/test_more.py", "def test_more() -> None:\n    assert True\n")
    assert verified.hook("verify").returncode == 0
    code, output = commit(verified)
    assert code == 0, output
    assert "  left  types" in output
    assert "  left  tests" in output
    verified.git("init", "--quiet", "--bare", "../remote-left")
    done = verified.run("git", "push", "--quiet", "../remote-left", "HEAD:main")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  left  tests" in done.stdout + done.stderr


def test_commit_runs_the_suite_in_memory_where_there_is_room(verified: Project) -> None:
    verified.write(
        "tests/contract/test_more.py",
        "import os\nfrom pathlib import Path\n\n\ndef test_where() -> None:\n"
        '    said = os.environ.get("PYTEST_DEBUG_TEMPROOT", "disk")\n'
        '    Path("said").write_text(said)\n',
    )
    done = verified.hook("pre-commit")
    assert done.returncode == 0, done.stdout
    probe = (
        "import sys; sys.path.insert(0, 'hooks'); import _steps as s; print(s.has_memory(s.MEMORY))"
    )
    room = verified.run(sys.executable, "-c", probe).stdout == "True\n"
    assert (verified.path / "said").read_text() == ("/dev/shm" if room else "disk")  # noqa: S108 - compared


def test_part_of_the_tests_does_not_stand_for_all(verified: Project) -> None:
    verified.write("tests/app/test_notes.py", "def test_it() -> None:\n    assert 0\n")
    assert commit(verified)[0] == 0
    done = verified.hook("verify")
    assert "FAIL  tests" in done.stdout


def test_a_heading_is_no_conflict(verified: Project) -> None:
    verified.write("README.md", "Title\n=======\n")
    assert commit(verified)[0] == 0


@pytest.mark.parametrize("sound", [True, False])
def test_push(verified: Project, *, sound: bool) -> None:
    remote = f"../remote-{sound}"
    verified.git("init", "--quiet", "--bare", remote)
    if not sound:
        verified.write("tests/test_it.py", "def test_it() -> None:\n    assert 0\n")
        verified.commit()
    done = verified.run("git", "push", "--quiet", remote, "HEAD:main")
    assert (done.returncode == 0) == sound, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["pre-commit", "pre-push"])
def test_not_installed(repository: Project, name: str) -> None:
    done = repository.hook(name)
    assert done.returncode == 2
    assert done.stderr == f"{name}: the project is not installed; run hooks/verify\n"
