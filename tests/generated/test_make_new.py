"""`make new` on a machine with git, make and Python, but without uv or any package of ours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.projects import clean_environment, copy_repository


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return this repository as a fresh clone would hold it, with no environment of its own."""
    return copy_repository(tmp_path_factory.mktemp("clone") / "prodsec-template")


def make_new(
    clone: Path, target: Path | str, answers: str, tmp_path: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `make new` with the programs of the system only, in a home without settings."""
    kept = ("PIP_CERT", "PIP_FIND_LINKS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "UV_CACHE_DIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    # The machine's own settings of pip stay; only its programs go.
    environment["PIP_CONFIG_FILE"] = os.environ.get("PIP_CONFIG_FILE", os.devnull)
    # Else pytest begins with deleting what this run has.
    environment["PYTEST_DEBUG_TEMPROOT"] = clean_environment()["PYTEST_DEBUG_TEMPROOT"]
    return subprocess.run(
        ["make", "new", f"DEST={target}", f"ANSWERS={answers}"],
        cwd=clone,
        env=environment | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_generates_and_verifies(clone: Path, tmp_path: Path, knowing: str) -> None:
    target = tmp_path / "made here" / "shop"
    # No other test verifies this framework at each change: see test_verify.py.
    kind = "framework=litestar sessions=cookie mail=smtp signup=open"
    answers = f"project_name=shop {kind} description='Sells tea, 24/7'"
    done = make_new(clone, target, answers, tmp_path, MYPY_CACHE_DIR=knowing)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  ok    tests" in done.stdout
    assert "open           http://localhost:8000" in done.stdout
    assert "Sells tea, 24/7" in (target / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ("framwork=flask", "no question 'framwork'"),
        ("framework=rails", "framework"),
        ("project_name=Shop!", "make new: "),
        ("project_name='shop", "No closing quotation"),
        ("missing.yml", "no file missing.yml"),
        ("use=flask", "no question 'use'"),
        ("", "there is no terminal to ask on"),
    ],
    ids=["question", "choice", "invalid", "quoting", "no-file", "computed", "no-terminal"],
)
def test_refuses_bad_answers(clone: Path, tmp_path: Path, answers: str, message: str) -> None:
    target = tmp_path / "shop"
    done = make_new(clone, target, answers, tmp_path)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert message in "\n".join(lines)
    assert "Traceback" not in done.stderr
    assert not target.exists()


@pytest.mark.parametrize("case", ["full", "inside", "none"])
def test_refuses_bad_destinations(clone: Path, tmp_path: Path, case: str) -> None:
    target = {"full": str(tmp_path), "inside": str(clone / "x"), "none": ""}[case]
    (tmp_path / "mine").write_text("mine")
    done = make_new(clone, target, "framework=flask", tmp_path)
    assert done.returncode != 0
    assert not (clone / "x").exists()


def test_destination_beside_the_template_is_outside(clone: Path, tmp_path: Path) -> None:
    done = make_new(clone, "../beside", "framwork=flask", tmp_path)
    assert "no question 'framwork'" in done.stderr


def test_answers_from_a_file(clone: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.yml"
    answers.write_text("project_name: shop\nframwork: flask\n")
    done = make_new(clone, tmp_path / "shop", str(answers), tmp_path)
    assert done.returncode != 0
    assert "no question 'framwork'" in done.stderr
