"""hooks/update: Copier's update with what it leaves out: a report, conflicts, and proof."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.hooks.conftest import (
    BASELINE,
    COPIER_YML,
    DIRECTIONS,
    FILES,
    FIRST,
    WEAKER,
    Project,
    release,
    updating,
)
from tests.weekly import some


def test_reports_what_changed_and_verifies(service: Project, tmp_path: Path) -> None:
    entry = '[[exception]]\nsetting = "{}"\nvalue = {}\nexpires = 2030-12-31\n'
    service.write(
        "policy.toml",
        entry.format("headers.hsts.max-age", 300)
        + entry.format("headers.hsts.ladder", "[]")
        + entry.format("csp.html.style-src", '"https://a.example"'),
    )
    service.commit()
    report = tmp_path / "report.md"
    done = service.hook("update", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [
        "headers.hsts.ladder = [] here until 2030-12-31; the setting is gone: remove it",
        "headers.hsts.max-age = 300 here until 2030-12-31; the policy now has 63072000",
        "headers.hsts.max-age 31536000 -> 63072000 (stricter)",
        'headers.hsts.ladder was ["a"], is gone (removed)',
        "cookies.secure = true (new)",
        "lines.python.3-11 = 2027-10-31 (new)",
        f"template: {BASELINE}",
        f"template: {DIRECTIONS}",
    ]
    for line in lines:
        assert f"\n  {line}\n" in done.stdout
        assert f"\n    {line}\n" in report.read_text()
    assert "  ok    tests" in done.stdout
    assert "update: Template v1.0.0 -> v2.0.0: Updated and verified" in done.stdout
    assert (service.path / "uv.lock").exists()
    assert "csp.html.style-src" not in done.stdout
    text = report.read_text()
    assert text.startswith("# Template v1.0.0 -> v2.0.0\n\nUpdated and verified")
    # A part that has nothing to say does not say so.
    assert "None." not in text
    assert "Weaker" not in text
    assert f"\n## Files new, by owner\n\n    template: {DIRECTIONS}\n" in text
    changed = text.partition("\n## Files changed, by owner\n")[2].partition("\n## ")[0]
    assert f"\n    template: {BASELINE}\n" in changed
    assert DIRECTIONS not in changed
    assert "\n## Checks\n\n    ok    lock" in text
    assert "\n    ok    tests" in text
    assert "1 passed" in text


SAYS = """\
import json
import sys

if "audit" in sys.argv:
    print("{text}")
    sys.exit({code})
life = {{"id": "PS002", "state": "warn", "evidence": "python 3.11", "remedy": "raise it"}}
print(json.dumps([life], indent=2) if "--json" in sys.argv else "checked")
"""


@pytest.mark.parametrize(
    ("code", "text", "outcome"),
    [
        (0, "audit: clean", "clean, or excused in policy.toml"),
        pytest.param(1, "audit: findings: 1", "findings", marks=pytest.mark.weekly),
        (3, "audit: not audited: no network", "could not be asked, so nothing is known"),
    ],
)
@pytest.mark.usefixtures("at_hand")
def test_says_what_is_known_of_the_new_lock(
    service: Project, tmp_path: Path, code: int, text: str, outcome: str
) -> None:
    """And does not fail for it: nobody would take an update that tells of an old problem."""
    service.write("src/demo/__main__.py", SAYS.format(text=text, code=code))
    service.commit()
    report = tmp_path / "report.md"
    done = service.hook("update", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    markdown = report.read_text()
    assert "\n## End of life of what is locked\n\n    warn: python 3.11\n    raise it\n" in markdown
    assert f"\n## Audit\n\n    {outcome}\n    {text}\n" in markdown
    assert f"\nAudit: 2\n  {outcome}\n  {text}\n" in done.stdout


@pytest.mark.usefixtures("at_hand")
def test_names_the_questions_that_came_and_went(template: Project, service: Project) -> None:
    template.write("copier.yml", COPIER_YML + "team: {type: str, default: platform}\n")
    release(template, "v3.0.0")
    done = service.hook("update")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nQuestions of the template: 1\n  question: team = platform (new, default)\n" in (
        done.stdout
    )
    service.commit()
    template.write("copier.yml", COPIER_YML)
    release(template, "v4.0.0")
    assert "  question: team is gone, the answer was platform\n" in service.hook("update").stdout


def test_names_what_was_opened_since_the_last_update(service: Project) -> None:
    with (service.path / "policy.toml").open("a", encoding="utf-8") as policy:
        policy.write('\n[[route]]\npath = "/hook"\naccess = "public"\n')
    service.commit()
    said = '\nOpened since the last update: 1\n  [[route]] /hook: access "public"\n'
    assert said in service.hook("update", UV="true").stdout


def test_an_edit_of_the_answers_is_no_update(service: Project) -> None:
    """As when the template moves: what was opened before is still to be told.

    Also of a file that begins with the mark of some editors.
    """
    service.write("policy.toml", '\ufeff[[route]]\npath = "/hook"\naccess = "public"\n')
    service.commit()
    with (service.path / ".copier-answers.yml").open("a", encoding="utf-8") as answers:
        answers.write("# moved\n")
    service.commit()
    said = '\nOpened since the last update: 1\n  [[route]] /hook: access "public"\n'
    assert said in service.hook("update", UV="true").stdout


def test_up_to_date(service: Project) -> None:
    assert service.run("copier", "update", "--defaults").returncode == 0
    service.commit()
    done = service.hook("update")
    assert done.returncode == 4
    assert "v2.0.0 is up to date" in done.stdout
    assert not service.git("status", "--porcelain")


def test_a_weaker_value_is_refused_until_it_is_accepted(
    template: Project, service: Project, tmp_path: Path
) -> None:
    template.write(f"template/{BASELINE}", WEAKER)
    release(template, "v3.0.0")
    before, report = service.files(), tmp_path / "new" / "report.md"
    done = service.hook("update", "--report", str(report))
    assert done.returncode == 2
    assert done.stderr == (
        "update: weaker: headers.hsts.max-age; agree by --accept-weaker; nothing was changed\n"
    )
    line = "headers.hsts.max-age 31536000 -> 300 (weaker)"
    assert f"\nWeaker policy values: 1\n  {line}\n" in done.stdout
    assert done.stdout.index(line) < done.stdout.index("cookies.secure")
    assert f"Refused: policy values get weaker.\n\n## Weaker policy values\n\n    {line}\n" in (
        report.read_text()
    )
    assert service.files() == before
    assert not service.git("status", "--porcelain")


def test_a_weaker_value_is_seen_behind_a_conflict(template: Project, service: Project) -> None:
    template.write(f"template/{BASELINE}", WEAKER)
    release(template, "v3.0.0")
    service.write(BASELINE, FIRST.replace("31536000", "63072000"))
    service.commit()
    before = service.files()
    done = service.hook("update")
    assert done.returncode == 2
    assert "headers.hsts.max-age 63072000 -> 300 (weaker)" in done.stdout
    assert service.files() == before
    accepted = service.hook("update", "--accept-weaker")
    assert accepted.returncode == 3
    assert "headers.hsts.max-age 63072000 -> 300 (weaker)" in accepted.stdout


def test_version_can_be_chosen(service: Project) -> None:
    done = service.hook("update", "v1.0.0")
    assert done.returncode == 4
    assert "v1.0.0 is up to date" in done.stdout


def test_refuses_a_downgrade(service: Project) -> None:
    assert service.run("copier", "update", "--defaults").returncode == 0
    service.commit()
    before = service.files()
    done = service.hook("update", "v1.0.0")
    assert done.returncode == 2
    assert "downgrade from 2.0.0 to 1.0.0: a template only goes up" in done.stderr
    assert service.files() == before


def test_refuses_a_template_that_does_not_know_the_projects_version(
    template: Project, service: Project, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A fork, or the template with its history rewritten."""
    fork = Project(tmp_path / "fork", dict(environment))
    template.git("clone", "--quiet", "--depth=1", f"file://{template.path}", str(fork.path))
    answers = (service.path / ".copier-answers.yml").read_text()
    service.write(".copier-answers.yml", answers.replace(str(template.path), str(fork.path)))
    service.commit()
    before = service.files()
    done = service.hook("update")
    assert done.returncode == 2
    assert done.stderr.endswith("; nothing was changed\n")
    assert service.files() == before


def test_conflict(service: Project) -> None:
    service.write(BASELINE, FIRST.replace("31536000", "3"))
    service.commit()
    before = service.files()
    done = service.hook("update")
    assert done.returncode == 3
    assert f"\n  {BASELINE}\n" in done.stdout
    assert "git reset --hard && git clean -fd" in done.stdout
    service.git("reset", "--hard", "--quiet")
    service.git("clean", "-fdq")
    assert service.files() == before


def test_an_edit_in_a_file_that_the_template_drops_or_renames_conflicts(
    template: Project, service: Project, tmp_path: Path
) -> None:
    """Copier alone deletes it without a word."""
    folder = "template/src/demo/security"
    for name in ("dropped", "before", "untouched", "odd name"):
        template.write(f"{folder}/{name}.txt", f"{name}\n")
    template.write(f"{folder}/answered.txt.jinja", "{{ name }}\n")
    release(template, "v3.0.0")
    assert service.run("copier", "update", "--defaults").returncode == 0
    for name in ("dropped", "before", "odd name"):
        service.write(f"src/demo/security/{name}.txt", f"{name}\nmine\n")
    service.commit()
    before, report = service.files(), tmp_path / "report.md"
    for name in ("dropped.txt", "untouched.txt", "odd name.txt", "answered.txt.jinja"):
        (template.path / folder / name).unlink()
    (template.path / folder / "before.txt").rename(template.path / folder / "after.txt")
    release(template, "v4.0.0")
    done = service.hook("update", "--report", str(report))
    assert done.returncode == 3, done.stdout + done.stderr
    state = service.git("status", "--porcelain", "-z").split("\0")
    for name in ("dropped", "before", "odd name"):
        path = f"src/demo/security/{name}.txt"
        assert f"UD {path}" in state
        assert (service.path / path).read_text() == f"{name}\nmine\n"
        assert "\n+mine" in service.git("diff", f":1:{path}", f":2:{path}")
        line = f"{path}: the template has dropped it; your edit: `git diff "
        assert f"\n  {line}" in done.stdout
        assert f"\n    {line}" in report.read_text()
    assert "git rm 'src/demo/security/odd name.txt'`" in done.stdout
    names = {path.name for path in (service.path / "src/demo/security").iterdir()}
    assert names.isdisjoint({"untouched.txt", "answered.txt"})
    assert "after.txt" in names
    # git takes no commit before each is decided.
    assert service.run("git", "commit", "--no-verify", "--message", "All").returncode != 0
    service.git("reset", "--hard", "--quiet")
    service.git("clean", "-fdq")
    assert service.files() == before


@pytest.mark.usefixtures("at_hand")
def test_new_version_that_fails(template: Project, service: Project) -> None:
    template.write("template/tests/test_it.py", "def test_it() -> None:\n    assert 0\n")
    release(template, "v3.0.0")
    done = service.hook("update")
    assert done.returncode == 1
    assert "FAIL  tests" in done.stdout
    assert "Template v1.0.0 -> v3.0.0: Updated, but a check fails" in done.stdout


@pytest.mark.usefixtures("at_hand")
def test_new_dependency_is_locked_in_ci_too(template: Project, service: Project) -> None:
    assert service.hook("verify").returncode == 0
    service.commit("Lock")
    text = FILES["pyproject.toml"].replace('"mypy"', '"iniconfig", "mypy"')
    template.write("template/pyproject.toml", text)
    release(template, "v3.0.0")
    done = service.hook("update", CI="true")
    assert done.returncode == 0, done.stdout + done.stderr


def test_refuses_a_dirty_tree(service: Project) -> None:
    service.write("mine.txt", "mine")
    done = service.hook("update")
    assert done.returncode == 2
    assert done.stderr == "update: commit or stash your changes first: mine.txt\n"


def test_refuses_without_git(project: Project) -> None:
    project.write(".copier-answers.yml", "_commit: v1.0.0\n")
    done = project.hook("update")
    assert done.returncode == 2
    assert "no git repository" in done.stderr


def test_refuses_without_answers(repository: Project) -> None:
    done = repository.hook("update")
    assert done.returncode == 2
    assert ".copier-answers.yml is missing" in done.stderr


@pytest.mark.parametrize("arguments", [("--trust",), ("v1", "v2"), ("--report",)])
def test_refuses_other_arguments(service: Project, arguments: tuple[str, ...]) -> None:
    before = service.files()
    done = service.hook("update", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: update")
    assert service.files() == before


def test_refuses_a_report_that_the_way_back_would_delete(service: Project) -> None:
    report = service.path / "report.md"
    done = service.hook("update", "--report", str(report))
    assert done.returncode == 2
    assert done.stderr.startswith("update: --report: ")
    assert not report.exists()


def test_refuses_a_policy_file_with_a_mistake(service: Project) -> None:
    service.write("policy.toml", "[[exception]\n")
    service.commit()
    done = service.hook("update")
    assert done.returncode == 2
    assert done.stderr.startswith("update: policy.toml: ")
    assert not service.git("status", "--porcelain")


def test_refuses_a_template_out_of_reach(template: Project, service: Project) -> None:
    template.path.rename(template.path.with_name("gone"))
    before = service.files()
    done = service.hook("update")
    assert done.returncode == 2
    assert "nothing was changed" in done.stderr
    assert service.files() == before


def test_refuses_offline(template: Project, service: Project) -> None:
    """Port 1 of this machine answers nobody."""
    answers = (service.path / ".copier-answers.yml").read_text()
    service.write(
        ".copier-answers.yml", answers.replace(str(template.path), "https://127.0.0.1:1/x.git")
    )
    service.commit()
    before = service.files()
    done = service.hook("update")
    assert done.returncode == 2
    assert done.stderr == (
        "update: offline: the template https://127.0.0.1:1/x.git cannot be reached;"
        " nothing was changed\n"
    )
    assert service.files() == before


def test_refuses_when_the_index_is_out_of_reach(template: Project, service: Project) -> None:
    text = FILES["pyproject.toml"].replace('"mypy"', '"no-such-thing-here", "mypy"')
    template.write("template/pyproject.toml", text)
    release(template, "v3.0.0")
    before = service.files()
    done = service.hook("update", UV_OFFLINE="1")
    assert done.returncode == 2, done.stdout
    assert done.stderr == (
        "update: offline: uv cannot reach the package index; nothing was changed\n"
    )
    assert service.files() == before


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_way_back_from_an_interrupted_update(
    service: Project, tmp_path: Path, kill: signal.Signals
) -> None:
    """It is printed before the update begins, so that it is there whatever happens."""
    before = service.files()
    script = '"{copier}" "$@"\nexec sleep 60'
    with updating(service, tmp_path, script, stdout=subprocess.PIPE) as update:
        end = time.monotonic() + 120
        # Without the lock that would be in the way of the update's own git.
        look = ("--no-optional-locks", "status", "--porcelain", "-uall")
        while f"{DIRECTIONS}" not in service.git(*look):
            assert time.monotonic() < end, "the update never began"
            time.sleep(0.05)
        # As a terminal does: to the hook and to what it runs.
        os.killpg(update.pid, kill)
        output = update.communicate()[0]
    line = next(line for line in output.splitlines() if "the way back" in line)
    way = line.rpartition("the way back at any time: ")[2]
    assert way == "git reset --hard && git clean -fd"
    if kill != signal.SIGKILL:
        assert update.returncode == 130
        assert f"update: interrupted; the way back: {way}" in output
    assert service.files() != before
    assert service.run("sh", "-c", f"rm -f .git/index.lock && {way}").returncode == 0
    assert service.files() == before


@pytest.mark.usefixtures("at_hand")
def test_hooks_of_a_company_are_about_commits_of_people(service: Project, tmp_path: Path) -> None:
    """Copier commits in folders of its own, past pre-commit, but not past prepare-commit-msg."""
    company = tmp_path / "company"
    company.mkdir()
    hook = company / "prepare-commit-msg"
    hook.write_text('#!/bin/sh\necho "no ticket in the message" >&2\nexit 1\n')
    hook.chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\n\thooksPath = {company}\n")
    variables = {"GIT_CONFIG_GLOBAL": str(settings)}
    done = service.hook("update", "--accept-weaker", **variables)
    assert "Traceback" not in done.stdout + done.stderr
    assert "ticket" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


# Neither has the letters; one of them with each change.
@pytest.mark.parametrize("encoding", some(["ascii", "latin-1"], ["ascii"]))
def test_a_terminal_without_the_letter_ends_nothing_halfway(
    template: Project, service: Project, tmp_path: Path, encoding: str
) -> None:
    """The report is of other people's words, and printed when the files have changed already."""
    template.write("template/.template/changelog.md", "## 2.1.0\n\n- Now \u2192 \u0441\u0435.\n")
    release(template, "v2.1.0")
    report = tmp_path / "report.md"
    done = service.hook("update", "--report", str(report), UV="true", PYTHONIOENCODING=encoding)
    assert "Traceback" not in done.stderr
    assert "2.1.0: Now \\u2192 \\u0441\\u0435.\n" in done.stdout
    assert "2.1.0: Now \u2192 \u0441\u0435.\n" in report.read_text("utf-8")
    assert "update: Template v1.0.0 -> v2.1.0: Updated" in done.stdout


def test_settings_of_git_in_variables_reach_the_template(
    template: Project, service: Project, tmp_path: Path
) -> None:
    """CI gives a login or a mirror that way, so that no file holds it."""
    moved = template.path.rename(tmp_path / "elsewhere")
    answers = (service.path / ".copier-answers.yml").read_text("utf-8")
    address = "https://git.example.invalid/template.git"
    service.write(".copier-answers.yml", answers.replace(str(template.path), address))
    service.commit()
    variables = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{moved}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
    }
    done = service.hook("update", UV="true", **variables)
    assert "update: Template v1.0.0 -> v2.0.0: Updated" in done.stdout, done.stderr
    service.commit()
    done = service.hook("update", "v9.9.9", UV="true", **variables)
    assert "the template has no version v9.9.9" in done.stderr


@pytest.mark.parametrize("ours", ["sha1", "sha256"])
def test_a_repository_of_another_kind_of_hash_than_new_ones_get(
    service: Project, ours: str
) -> None:
    shutil.rmtree(service.path / ".git")
    service.git("init", "--quiet", f"--object-format={ours}")
    service.commit()
    others = "sha256" if ours == "sha1" else "sha1"
    done = service.hook("update", UV="true", GIT_DEFAULT_HASH=others)
    assert "update: Template v1.0.0 -> v2.0.0: Updated" in done.stdout, done.stderr


@pytest.mark.parametrize("reachable", [True, False])
def test_a_partial_clone_with_a_sparse_checkout(
    template: Project, service: Project, tmp_path: Path, *, reachable: bool
) -> None:
    """As of a large repository: git has not even fetched the files that are not shown."""
    for name in ("docs/one.txt", "docs/two.txt"):
        template.write(f"template/{name}", "first\n" * 9)
    release(template, "v2.1.0")
    assert service.run("copier", "update", "--defaults").returncode == 0
    service.write("docs/two.txt", "first\n" * 9 + "mine\n")
    service.commit()
    template.write("template/docs/one.txt", "second\n" * 9)
    template.write("template/docs/two.txt", "new\n" + "first\n" * 9)
    release(template, "v2.2.0")
    service.git("config", "uploadpack.allowFilter", "true")
    service.git("config", "uploadpack.allowAnySHA1InWant", "true")
    path = tmp_path / "clone"
    source = f"file://{service.path}"
    service.git("clone", "--quiet", "--filter=blob:none", "--sparse", source, str(path))
    clone = Project(path, service.environment)
    clone.git("sparse-checkout", "set", "src", "hooks", "tests")
    assert not (path / "docs").exists()
    if not reachable:
        service.path.rename(tmp_path / "away")
    done = clone.hook("update", UV="true")
    if not reachable:
        assert done.returncode == 2
        assert "this clone is partial, and " in done.stderr
        assert not clone.git("status", "--porcelain")
        return
    assert "update: Template v2.1.0 -> v2.2.0: Updated" in done.stdout, done.stderr
    assert (path / "docs/one.txt").read_text() == "second\n" * 9
    assert (path / "docs/two.txt").read_text() == "new\n" + "first\n" * 9 + "mine\n"


def test_what_is_not_there_is_not_said_to_be_ignored(template: Project, service: Project) -> None:
    template.write("template/notes.txt", "first\n")
    release(template, "v2.1.0")
    assert service.run("copier", "update", "--defaults").returncode == 0
    service.commit()
    (service.path / "notes.txt").unlink()
    service.write(".gitignore", FILES[".gitignore"] + "notes.txt\n")
    service.commit()
    template.write("template/notes.txt", "second\n")
    release(template, "v2.2.0")
    done = service.hook("update", UV="true")
    assert "changed there, deleted by you: notes.txt; to have it" in done.stdout
    assert "ignored by git" not in done.stdout


def test_names_what_a_commit_would_lack(template: Project, service: Project) -> None:
    template.write("template/deploy/nginx.conf", "server {}\n")
    release(template, "v3.0.0")
    service.write(".gitignore", FILES[".gitignore"] + "deploy/\n")
    service.git("rm", "--quiet", BASELINE)
    service.commit()
    done = service.hook("update", UV="true")
    assert "ignored by git, so in no commit: deploy/nginx.conf; mend .gitignore" in done.stdout
    assert f"changed there, deleted by you: {BASELINE}; to have it, undo this" in done.stdout
    gone = service.git("rev-parse", "--short", "HEAD")
    assert f"`git checkout {gone}^ -- {BASELINE}`" in done.stdout


def test_a_file_where_the_template_has_a_folder(template: Project, service: Project) -> None:
    template.write("template/docs/page.md", "Page.\n")
    release(template, "v3.0.0")
    service.write("docs", "mine\n")
    service.commit()
    done = service.hook("update")
    assert done.returncode == 2
    assert "update: docs is a file of yours where the template has a folder" in done.stderr
    assert (service.path / "docs").read_text() == "mine\n"


def test_says_what_git_says(service: Project) -> None:
    """Of a folder of somebody else git says how to trust it; `git init` mends nothing."""
    done = service.hook("update", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert done.returncode == 2
    assert "dubious ownership" in done.stderr
    assert "--add safe.directory" in done.stderr
    assert "git init" not in done.stderr
    done = service.hook("update", PATH="/nonexistent")
    assert done.stderr == "update: git is not there; install it\n"


def test_refuses_in_the_middle_of_a_merge(service: Project) -> None:
    """The tree is clean then, and the way back would end the merge."""
    service.git("switch", "--quiet", "--create", "other")
    service.git("commit", "--quiet", "--no-verify", "--allow-empty", "--message", "Other")
    service.git("switch", "--quiet", "main")
    service.git("merge", "--quiet", "--strategy=ours", "--no-ff", "--no-commit", "other")
    done = service.hook("update")
    assert done.returncode == 2
    assert "a merge is not done here: finish it, or `git merge --abort`" in done.stderr


def test_refuses_an_answer_to_no_question(service: Project) -> None:
    before = service.files()
    done = service.hook("update", "--data", "domian=a.example")
    assert done.returncode == 2
    assert "there is no answer domian, but name; nothing was changed" in done.stderr
    assert service.files() == before


def test_a_report_that_cannot_be_written_is_known_before(service: Project, tmp_path: Path) -> None:
    before = service.files()
    done = service.hook("update", "--report", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == f"update: --report {tmp_path}: Is a directory; name another file\n"
    assert service.files() == before


def test_what_is_written_while_it_runs_is_kept(
    template: Project, service: Project, tmp_path: Path
) -> None:
    """A refusal undoes the update, and not the work of who did not wait for it."""
    template.write(f"template/{BASELINE}", WEAKER)
    release(template, "v3.0.0")
    places = service.environment["PATH"].split(os.pathsep)
    copier = next(Path(place, "copier") for place in places if Path(place, "copier").exists())
    mine = service.path / "src" / "demo" / "app" / "mine.py"
    busy = tmp_path / "busy" / "copier"
    busy.parent.mkdir()
    busy.write_text(f'#!/bin/sh\nmkdir -p {mine.parent}; echo x >{mine}\nexec "{copier}" "$@"\n')
    busy.chmod(0o700)
    path = f"{busy.parent}{os.pathsep}{service.environment['PATH']}"
    done = service.hook("update", PATH=path)
    assert done.returncode == 2
    kept = done.stdout.partition("is kept in the branch ")[2].partition(":")[0]
    assert service.git("show", f"{kept}:src/demo/app/mine.py") == "x"


def test_a_full_disk_is_one_line(service: Project) -> None:
    """Where nothing can be written, not even the mark: a folder stands in its place."""
    (service.path / ".git" / "prodsec-template").write_text("")
    done = service.hook("update")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "prodsec-template" in done.stderr


# What either ignores, git lists by the same call; one of them with each change.
@pytest.mark.parametrize("by", some([".gitignore", ".git/info/exclude"], [".gitignore"]))
@pytest.mark.usefixtures("at_hand")
def test_a_file_that_git_ignores_is_not_written_over(
    template: Project, service: Project, by: str
) -> None:
    """Git could not bring it back."""
    template.write("template/local.cfg", "of the template\n")
    release(template, "v3.0.0")
    service.write(by, f"{(service.path / by).read_text()}local.cfg\n")
    service.write("local.cfg", "of this machine\n")
    service.git("add", "--all")
    service.run("git", "commit", "--quiet", "--no-verify", "--message", "Ignored")
    before = service.files()
    done = service.hook("update")
    assert done.returncode == 2
    assert "git ignores local.cfg" in done.stderr
    assert "rename yours" in done.stderr
    assert service.files() == before
    (service.path / "local.cfg").rename(template.path.parent / "other.cfg")
    done = service.hook("update")
    assert done.returncode == 0, done.stderr
    assert "ignored by git, so in no commit: local.cfg" in done.stdout
    service.commit()
    # It came with the template, and nobody edited it.
    template.write("template/local.cfg", "of the template, newer\n")
    release(template, "v4.0.0")
    done = service.hook("update")
    assert done.returncode == 0, done.stderr
    assert (service.path / "local.cfg").read_text() == "of the template, newer\n"


@pytest.mark.parametrize("told", ["skip-worktree", "assume-unchanged"])
@pytest.mark.usefixtures("at_hand")
def test_an_edit_that_git_does_not_look_at_is_not_written_over(service: Project, told: str) -> None:
    service.git("update-index", f"--{told}", BASELINE)
    assert service.git("status", "--porcelain") == ""
    service.write(BASELINE, f"{FIRST}# of this machine\n")
    done = service.hook("update")
    assert done.returncode == 2
    assert f"{BASELINE} is edited, and git was told not to look at it" in done.stderr
    assert (service.path / BASELINE).read_text().endswith("# of this machine\n")
    service.write(BASELINE, FIRST)
    assert service.hook("update").returncode == 0


def test_an_edit_that_cannot_be_merged_is_a_conflict(template: Project, service: Project) -> None:
    template.write("template/logo.bin", "\0first\n")
    release(template, "v3.0.0")
    assert service.run("copier", "update", "--defaults").returncode == 0
    service.write("logo.bin", "\0mine\n")
    service.commit()
    template.write("template/logo.bin", "\0second\n")
    release(template, "v4.0.0")
    done = service.hook("update")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "\n  logo.bin\n" in done.stdout
    assert (service.path / "logo.bin").read_text() == "\0mine\n"
    assert service.git("show", ":3:logo.bin") == "\0second"


def test_a_link_in_the_place_of_a_file_is_named(service: Project) -> None:
    """The new policy would not be there, and the update would say that it is."""
    service.write("shared/baseline.toml", FIRST)
    (service.path / BASELINE).unlink()
    (service.path / BASELINE).symlink_to("../../../shared/baseline.toml")
    service.commit()
    done = service.hook("update", UV="true")
    assert f"changed there, a symbolic link here, so it is as it was: {BASELINE}" in done.stdout


def test_answers_that_are_no_text_are_named(service: Project) -> None:
    answers = service.path / ".copier-answers.yml"
    answers.write_bytes(answers.read_bytes() + b"# caf\xe9\n")
    service.commit()
    done = service.hook("update")
    assert done.returncode == 2
    assert ".copier-answers.yml is no text of UTF-8" in done.stderr
