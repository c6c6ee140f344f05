"""make fleet: which service is on which version, with which exceptions."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts import fleet
from scripts.fleet import PYTHON
from tests.projects import Project

TODAY = datetime.now(UTC).date()
EXCEPTION = (
    '[[exception]]\nsetting = "{}"\nvalue = 1\nexpires = {}\nowner = "ada"\nreason = "Kiosks"\n'
)
ADVISORY = (
    '[[advisory-exception]]\nid = "CVE-2099-1"\nexpires = {}\nowner = "bob"\nreason = "Unused"\n'
)
BASELINE = "[sessions]\nidle-timeout = {}\n[input]\nmax-body = 5\n"


def days(number: int) -> date:
    return TODAY + timedelta(days=number)


def commit(project: Project, age: int, tag: str = "") -> None:
    """Commit everything as of `age` days ago, and tag it."""
    moment = f"{days(-age)}T12:00:00+00:00"
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    project.git("init", "--quiet")
    project.git("add", "--all")
    project.run(
        "git",
        *identity,
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "State",
        GIT_COMMITTER_DATE=moment,
        GIT_AUTHOR_DATE=moment,
    )
    if tag:
        project.git("tag", tag)


@pytest.fixture(autouse=True)
def _one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let midnight be no part of a test."""
    monkeypatch.setattr(fleet, "today", lambda: TODAY)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template"
    security = path / fleet.SECURITY
    security.mkdir(parents=True)
    (security / "directions.toml").write_text('[sessions]\nidle-timeout = "lower"\n')
    for tag, age, idle in (
        ("v1.0.0", 300, 3600),
        ("v1.1.0", 100, 1800),
        ("v2.0.0", 0, 1200),
        ("v3.0.0rc1", 0, 1),
    ):
        (security / "baseline.toml").write_text(BASELINE.format(idle))
        commit(Project(path), age, tag)
    return path


def service(
    folder: Path, name: str, version: str = "v2.0.0", policy: str = "", idle: int = 1200
) -> Project:
    """Write a checkout that is 50 days old."""
    path = folder / "services" / name
    security = path / "src" / "demo" / "security"
    security.mkdir(parents=True)
    (path / ".copier-answers.yml").write_text(f"_commit: {version}\npackage: demo\n")
    (path / "policy.toml").write_text(policy)
    text = BASELINE.format(idle)
    (security / "baseline.toml").write_text(text)
    (path / ".template").mkdir()
    made = hashlib.sha256(BASELINE.format(1200).encode()).hexdigest()
    (path / ".template" / "manifest").write_text(f"{made}  src/demo/security/baseline.toml\n")
    commit(Project(path), 50)
    return Project(path)


def program(made: Project, text: str) -> None:
    """Give a service a program for its `check`, as small as it can be."""
    python = made.path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o700)


@pytest.fixture
def read(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, dict[str, Any]]]:
    def read(*options: str) -> dict[str, dict[str, Any]]:
        fleet.main(["--json", "--template", str(template), *options, str(tmp_path / "services")])
        return {each["name"]: each for each in json.loads(capsys.readouterr().out)}

    return read


Read = Callable[..., dict[str, dict[str, Any]]]


def shown(template: Path, tmp_path: Path, *options: str) -> int:
    return fleet.main(["--template", str(template), *options, str(tmp_path / "services")])


def test_versions_behind_also_on_the_day_of_a_release(
    template: Path, tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, version in (
        ("new", "v2.0.0"),
        ("late", "v1.1.0"),
        ("old", "v1.0.0"),
        ("own", "v1.1.0-3-gabcdef0"),
    ):
        service(tmp_path, name, version)
    found = {name: (each["versions_behind"], each["behind"]) for name, each in read().items()}
    assert found == {"old": (2, 100), "late": (1, 0), "new": (0, 0), "own": (None, None)}
    shown(template, tmp_path)
    assert "\n4 services, 2 behind, " in capsys.readouterr().out


def test_exceptions_by_age_value_owner_and_reason(
    template: Path, tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commented example of the file names the same setting, and is newer."""
    made = service(tmp_path, "a", policy=EXCEPTION.format("sessions.idle-timeout", days(-1)))
    policy = made.path / "policy.toml"
    text = '# [[exception]]\n# setting = "sessions.idle-timeout"\n' + policy.read_text()
    policy.write_text(text.replace("setting = ", "setting   = ") + ADVISORY.format(days(-3)))
    commit(made, 10)
    assert read()["a"]["exceptions"] == [
        {
            "setting": "sessions.idle-timeout",
            "value": 1,
            "owner": "ada",
            "reason": "Kiosks",
            "age": 50,
            "left": -1,
        },
        {
            "setting": "CVE-2099-1",
            "value": None,
            "owner": "bob",
            "reason": "Unused",
            "age": 10,
            "left": -3,
        },
    ]
    shown(template, tmp_path)
    table = capsys.readouterr().out
    assert "\na: sessions.idle-timeout = 1 (50 days old, EXPIRED): ada: Kiosks\n" in table
    assert "\na: CVE-2099-1 (10 days old, EXPIRED): bob: Unused\n" in table
    assert table.endswith(" 2 exceptions, 2 expired\n")


def test_an_exception_that_went_and_came_is_as_old_as_its_return(
    tmp_path: Path, read: Read
) -> None:
    made = service(tmp_path, "a", policy=EXCEPTION.format("input.max-body", days(9)))
    policy = made.path / "policy.toml"
    text = policy.read_text()
    for age, content in ((40, ""), (30, text), (20, "[[broken\n"), (10, text)):
        policy.write_text(content)
        commit(made, age)
    assert read()["a"]["exceptions"][0]["age"] == 30


def test_who_still_has_the_weak_value(
    template: Path, tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    """By an old version, by an exception, or by an edit of the baseline."""
    service(tmp_path, "good")
    service(tmp_path, "old", "v1.0.0", idle=3600)
    service(tmp_path, "stricter", idle=600)
    longer = EXCEPTION.format("sessions.idle-timeout", days(9)).replace("value = 1", "value = 7200")
    service(tmp_path, "excepted", policy=longer)
    service(tmp_path, "edited", idle=9000)
    found = read("--setting", "sessions.idle-timeout")
    assert {name: each["value"] for name, each in found.items()} == {
        "good": 1200,
        "old": 3600,
        "stricter": 600,
        "excepted": 7200,
        "edited": 9000,
    }
    assert {name for name, each in found.items() if each["weaker"]} == {"old", "excepted", "edited"}
    assert found["edited"]["weaker"] == ["sessions.idle-timeout 1200 -> 9000 (weaker)"]
    assert found["edited"]["drift"] == ["src/demo/security/baseline.toml"]
    assert found["good"]["drift"] == []
    shown(template, tmp_path)
    assert " 3 with weaker values, 3 with drift," in capsys.readouterr().out
    with pytest.raises(SystemExit):
        shown(template, tmp_path, "--setting", "no.such")


def test_a_service_that_cannot_be_read_is_a_row(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service(tmp_path, "good")
    service(tmp_path, "bad", policy="[[exception]\n")
    service(tmp_path, "odd", policy="exception = 3\n")
    (service(tmp_path, "none").path / ".copier-answers.yml").write_text("- a\n")
    assert shown(template, tmp_path) == 1
    table = capsys.readouterr().out
    assert "policy.toml: Expected ']]' at the end of an array declaration" in table
    for name in ("good", "bad", "odd", "none"):
        assert f"\n{name} " in table


def test_checks_that_fail_hang_or_crash_are_rows(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "CHECK_SECONDS", 2)
    items = [
        {"id": "PS1", "title": "TLS", "state": "ok"},
        {"id": "PS2", "title": "Cookies", "state": "fail"},
    ]
    program(service(tmp_path, "demo"), f"echo '{json.dumps(items)}'\nexit 1")
    # What it started holds the pipe as well.
    program(service(tmp_path, "hangs"), "sleep 60 &\nsleep 60")
    program(service(tmp_path, "crashes"), "echo 'no module' >&2\nexit 1")
    service(tmp_path, "fresh")
    start = time.monotonic()
    found = read("--check")
    assert time.monotonic() - start < 30
    assert found["demo"]["failing"] == ["PS2 Cookies"]
    assert found["fresh"]["failing"] is None
    assert found["hangs"]["error"] == "check: no answer in 2 s"
    assert found["crashes"]["error"] == "check: no module"


def test_checks_run_at_the_same_time(tmp_path: Path, read: Read) -> None:
    for number in range(16):
        program(service(tmp_path, f"s{number}"), "sleep 2\necho '[]'")
    start = time.monotonic()
    assert len(read("--check")) == 16
    assert time.monotonic() - start < 20  # one after the other: 32


def test_services_are_found_however_deep(template: Path, tmp_path: Path, read: Read) -> None:
    for name in ("a", "teams/red/b", "mono/services/c", "mono/.hidden/d", "a/node_modules/e"):
        service(tmp_path, name)
    assert set(read()) == {"a", "b", "c"}


def test_one_html_file(template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = EXCEPTION.format("input.max-body", days(9)).replace("Kiosks", "<script>x</script>")
    service(tmp_path, "a", policy=text)
    shown(template, tmp_path, "--html", str(tmp_path / "fleet.html"))
    page = (tmp_path / "fleet.html").read_text()
    assert "<td>a</td>" in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert "<script" not in page
    assert "http" not in page


def test_reads_only(template: Path, tmp_path: Path) -> None:
    made = service(tmp_path, "a", "v1.0.0", EXCEPTION.format("input.max-body", days(30)))
    before = made.files()
    shown(template, tmp_path)
    assert made.files() == before
    assert not made.git("status", "--porcelain", "--ignored")


def test_services_with_the_same_packages_share_a_python(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each still runs its own code, from its own folder; one that fails or hangs is a row."""
    monkeypatch.setattr(fleet, "CHECK_SECONDS", 2)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    [packages] = venv.glob("lib/*/site-packages")
    (packages / "other-1.0.dist-info").mkdir()
    programs = {
        "well": "print('[]')",
        "weak": 'print(\'[{"id": "PS003", "title": "TLS", "state": "fail"}]\')',
        "broken": "raise RuntimeError('no key')",
        "hanging": "import time; time.sleep(60)",
    }
    for name, program in programs.items():
        path = service(tmp_path, name).path
        (path / "src" / "demo" / "__main__.py").write_text(f"{program}\n")
        (path / ".venv").symlink_to(venv)
    assert len({str(fleet.installed(tmp_path / "services" / name)) for name in programs}) == 1
    found = read("--check")
    assert found["well"]["failing"] == []
    assert found["weak"]["failing"] == ["PS003 TLS"]
    assert found["broken"]["error"] == "check: RuntimeError: no key"
    assert found["hanging"]["error"] == "check: no answer in 2 s"


def test_rows_name_the_file_that_says_nothing(tmp_path: Path, read: Read) -> None:
    service(tmp_path, "toml", policy="[[exception]\n")
    service(tmp_path, "key", policy="[[exception]]\nvalue = 1\n")
    service(tmp_path, "form", policy="exception = 3\n")
    (service(tmp_path, "none").path / ".copier-answers.yml").write_text("")
    found = {name: each["error"] for name, each in read().items()}
    assert found["toml"].startswith("policy.toml: ")
    assert found["key"] == "policy.toml: setting is missing"
    assert found["form"].startswith("policy.toml has not the form")
    assert found["none"].startswith(".copier-answers.yml has not the form")


@pytest.mark.parametrize("text", ["{}T00:00:00Z", '"{}"'])
def test_a_date_of_another_kind_expires_as_well(tmp_path: Path, read: Read, text: str) -> None:
    service(tmp_path, "a", policy=EXCEPTION.format("input.max-body", text.format(days(-3))))
    (found,) = read()["a"]["exceptions"]
    assert found["left"] == -3


def test_services_of_one_name_are_told_apart(tmp_path: Path, read: Read) -> None:
    for name in ("red/api", "blue/api", "shop"):
        service(tmp_path, name)
    assert set(read()) == {"red/api", "blue/api", "shop"}


def test_a_link_to_a_checkout_is_one(tmp_path: Path, read: Read) -> None:
    made = service(tmp_path / "elsewhere", "linked")
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "a").symlink_to(made.path)
    (tmp_path / "services" / "all").symlink_to(tmp_path)
    assert set(read()) == {"linked"}


def test_a_service_writes_one_line_and_nothing_that_a_terminal_obeys(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = EXCEPTION.format("input.max-body", days(9))
    service(tmp_path, "a", policy=text.replace("Kiosks", "two\\nlines \\u001b[31m"))
    shown(template, tmp_path)
    assert ": ada: two lines ?[31m\n" in capsys.readouterr().out


def test_a_terminal_without_the_letter_has_the_table(template: Path, tmp_path: Path) -> None:
    policy = EXCEPTION.format("a.b", "2099-01-01").replace("ada", "J\u00fcrgen \u0416")
    service(tmp_path, "tea", policy=policy)
    command = [sys.executable, "-m", "scripts.fleet", "--template", str(template)]
    variables = {"PYTHONPATH": "hooks", "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [*command, str(tmp_path / "services")],
        cwd=fleet.ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "J\u00fcrgen \\u0416: Kiosks" in done.stdout.decode("latin-1")


def test_nothing_found_is_no_clean_fleet(template: Path, tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    with pytest.raises(SystemExit) as stopped:
        shown(template, tmp_path)
    assert str(stopped.value).startswith("fleet: no service in ")
    service(tmp_path, "a")
    with pytest.raises(SystemExit) as stopped:
        shown(template, tmp_path, "--html", str(tmp_path / "no" / "fleet.html"))
    assert str(stopped.value) == f"fleet: no folder {tmp_path / 'no'} for the page"


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("kind", ["a folder", "no program", "of another machine", "gone"])
def test_an_interpreter_that_cannot_be_run_is_a_row(
    tmp_path: Path, read: Read, kind: str, *, together: bool
) -> None:
    """As of a checkout that came from another machine: the others are asked all the same."""
    for name in ("tea", "coffee"):
        python = service(tmp_path, name).path / PYTHON
        python.parent.mkdir(parents=True)
        texts = {"no program": b"", "of another machine": b"\x7fELF", "gone": b"#!/no/python\n"}
        if kind == "a folder":
            python.mkdir()
        else:
            python.write_bytes(texts[kind])
            python.chmod(0o600 if kind == "no program" else 0o700)
        if together:
            packages = python.parents[1] / "lib" / "python3" / "site-packages"
            (packages / "click-8.dist-info").mkdir(parents=True)
    program(service(tmp_path, "good"), "echo '[]'")
    (tmp_path / "services" / "good" / ".venv" / "pyvenv.cfg").write_bytes(b"home = /caf\xe9\n")
    found = read("--check")
    assert found["good"]["failing"] == []
    for name in ("tea", "coffee"):
        assert found[name]["failing"] is None
        assert found[name]["error"].startswith(f"check: {PYTHON}: ")


def test_as_much_of_a_path_as_tells_apart(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one/app/tea", "two/app/tea", "app/coffee"):
        service(tmp_path, name)
    assert shown(template, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()[1:4]
    assert sorted(line.split()[0] for line in lines) == ["coffee", "one/app/tea", "two/app/tea"]


def test_a_service_of_another_template_is_no_clean_one(tmp_path: Path, read: Read) -> None:
    """Its version would be compared with ours, and no baseline is weaker than none."""
    made = service(tmp_path, "tea")
    (made.path / "src" / "demo" / "security" / "baseline.toml").unlink()
    assert read()["tea"]["error"] == (
        "src/demo/security/baseline.toml is missing, or this is of another template"
    )


@pytest.mark.parametrize("text", ['"soon"', "2099", ""])
def test_an_exception_without_a_date_says_so(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    policy = EXCEPTION.format("a.b", text) if text else '[[exception]]\nsetting = "a.b"\n'
    service(tmp_path, "tea", policy=policy)
    target = tmp_path / "fleet.html"
    assert shown(template, tmp_path, "--html", str(target)) == 0
    assert "(50 days old, NO DATE)" in capsys.readouterr().out
    assert "<td>no date</td>" in target.read_text()


def test_a_page_that_cannot_be_written_is_known_before(template: Path, tmp_path: Path) -> None:
    program(service(tmp_path, "tea"), f"touch {tmp_path}/asked")
    with pytest.raises(SystemExit) as end:
        shown(template, tmp_path, "--check", "--html", str(tmp_path))
    assert str(end.value) == f"fleet: --html {tmp_path}: Is a directory; name another file"
    assert not (tmp_path / "asked").exists()
