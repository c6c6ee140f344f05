"""hooks/propose: the scheduled job, with real git. `gh` alone is stood in for: it needs GitHub."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hooks import git_server
from tests.hooks.conftest import BASELINE, FILES, Project, furnish, make_project
from tests.hooks.gh import Gh
from tests.projects import shared

FIRST, SECOND = "[a]\nb = 1\nc = 1\n", "[a]\nb = 2\nc = 1\n"
BRANCH = "prodsec-template/update"
BOT = "template-update@bot.invalid"
WORKFLOW = ".github/workflows/verify.yml"


@dataclass
class Ci:
    """A repository with its runners: each job has a clean, shallow checkout."""

    origin: Path
    template: Project
    environment: dict[str, str]
    folder: Path
    gh: Gh
    packages: Path
    prepared: Path | None
    """What the first job leaves of the repository as it was born; None once that is not so."""

    def checkout(self) -> Project:
        """Return a checkout as a job has it."""
        count = len(list(self.folder.glob("job-*")))
        made = Project(self.folder / f"job-{count}", dict(self.environment))
        address = f"file://{self.origin}"
        subprocess.run(
            ["git", "clone", "--quiet", "--depth=1", "--branch=main", address, str(made.path)],
            check=True,
        )
        return made

    def prepare(self, **variables: str) -> tuple[Project, subprocess.CompletedProcess[str]]:
        """Run the first job, or take what it left for another test; a second time run it."""
        job, prepared = self.checkout(), None if variables else self.prepared
        self.prepared = None
        if not prepared:
            furnish(job, self.packages)
            return job, job.hook("propose", "prepare", **variables)
        shutil.copytree(prepared / "update", job.path / "var/update")
        for name in ("output", "summary"):
            with (self.folder / name).open("a") as file:
                file.write((prepared / name).read_text())
        return job, subprocess.CompletedProcess("prepare", 0, "", "")

    def propose(
        self, first: Project, /, **variables: str
    ) -> tuple[Project, subprocess.CompletedProcess[str]]:
        """Run the second job with what the first one left."""
        job = self.checkout()
        shutil.copytree(first.path / "var/update", job.path / "var/update")
        return job, job.hook("propose", "open", **variables)

    def both(self, code: int = 0, /, **variables: str) -> str:
        """Run both jobs, insist on how the second one ends, and return what it says."""
        first, done = self.prepare()
        assert done.returncode == 0, done.stdout + done.stderr
        _, done = self.propose(first, **variables)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, *arguments: str) -> str:
        """Run git on the origin."""
        return Project(self.origin, self.environment).git(*arguments)

    def branches(self) -> list[str]:
        """Return the branches of the origin."""
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()

    def release(self, tag: str, files: dict[str, str]) -> None:
        """Release a version of the template."""
        release(self.own_template(), files, tag)

    def own_template(self) -> Project:
        """Return the template as a copy of this test's own, which the service comes to have."""
        own = self.folder / "template"
        if not own.exists():
            shutil.copytree(self.template.path, own, symlinks=True)
            answers = (self.checkout().path / ".copier-answers.yml").read_text()
            assert answers.count(str(self.template.path)) == 1
            self.edit(".copier-answers.yml", answers.replace(str(self.template.path), str(own)))
            self.template = Project(own, dict(self.environment))
        return self.template

    def edit(self, name: str, text: str) -> None:
        """Push a change of a person to main."""
        self.prepared = None
        job = self.checkout()
        job.write(name, text)
        job.commit()
        job.git("push", "--quiet", "origin", "main")


@pytest.fixture(scope="session")
def born(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], packages: Path
) -> Path:
    """Return a folder with a template of two versions, a service of its first, and its first job.

    All tests have these: to make them takes longer than most tests do.
    """
    return shared(tmp_path_factory, "born", lambda folder: bear(folder, environment, packages))


def bear(folder: Path, environment: dict[str, str], packages: Path) -> None:
    """Make them."""
    template = make_project(folder / "template" / "template", environment)
    template.path = folder / "template"
    template.write("copier.yml", "_subdirectory: template\n")
    template.write(
        "template/{{ _copier_conf.answers_file }}.jinja", "{{ _copier_answers | to_nice_yaml }}"
    )
    template.write("template/.gitignore", FILES[".gitignore"] + "/var/\n")
    template.git("init", "--quiet")
    release(template, {BASELINE: FIRST}, "v1.0.0")
    service = Project(folder / "service", environment)
    source, target = str(template.path), str(service.path)
    assert not template.run("copier", "copy", "--defaults", source, target).returncode
    release(template, {BASELINE: SECOND}, "v2.0.0")
    service.git("init", "--quiet")
    service.commit("Begin")
    service.git("clone", "--quiet", "--bare", str(service.path), str(folder / "origin.git"))
    made = begin(folder, folder, environment, packages)
    job, done = made.prepare()
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(job.path / "var/update", made.folder / "update")


def begin(folder: Path, born: Path, environment: dict[str, str], packages: Path) -> Ci:
    """Return the repository in `folder` with its runners."""
    ci = folder / "ci"
    gh = Gh(ci / "gh")
    runner = environment | {
        "PATH": f"{gh.folder}:{environment['PATH']}",
        "CI": "true",
        "GITHUB_REPOSITORY": "team/demo",
        "GITHUB_REF_NAME": "main",
        "GITHUB_TOKEN": "token-of-the-workflow",
        "GITHUB_OUTPUT": str(ci / "output"),
        "GITHUB_STEP_SUMMARY": str(ci / "summary"),
    }
    template = Project(born / "template", dict(environment))
    prepared = born / "ci" if (born / "ci" / "update").exists() else None
    return Ci(folder / "origin.git", template, runner, ci, gh, packages, prepared)


def release(template: Project, files: dict[str, str], tag: str) -> None:
    """Release a version of the template."""
    for name, text in files.items():
        template.write(f"template/{name}", text)
    template.commit(tag)
    template.git("tag", tag)


@pytest.fixture
def ci(tmp_path: Path, born: Path, environment: dict[str, str], packages: Path) -> Ci:
    """Return a repository on the first version of a template that has a second one."""
    shutil.copytree(born / "origin.git", tmp_path / "origin.git", symlinks=True)
    return begin(tmp_path, born, environment, packages)


def test_opens_one_pull_request_with_the_report(ci: Ci) -> None:
    before = ci.git("rev-parse", "main")
    ci.both()
    assert ci.git("rev-parse", "main") == ci.git("rev-parse", f"{BRANCH}^") == before
    assert ci.branches() == ["main", BRANCH]
    assert ci.git("log", "-1", "--format=%ae %ce %s", BRANCH) == (
        f"{BOT} {BOT} Template v1.0.0 -> v2.0.0"
    )
    assert ci.git("show", f"{BRANCH}:{BASELINE}") == SECOND.strip()
    # New, and what a service keeps in git.
    assert ci.git("show", f"{BRANCH}:uv.lock")
    line = "    a.b 1 -> 2 (review)\n"
    assert line in ci.git("log", "-1", "--format=%B", BRANCH)
    _, create = ci.gh.calls()
    assert create.words[:2] == ["pr", "create"]
    assert create.option("--title") == "Template v1.0.0 -> v2.0.0"
    assert create.option("--base") == "main"
    assert create.option("--head") == BRANCH
    assert create.words[-2:] == ["--repo", "team/demo"]
    assert "--draft" not in create.words
    assert create.token == ci.environment["GITHUB_TOKEN"]
    assert line in create.body
    assert line in (ci.folder / "summary").read_text()
    assert (ci.folder / "output").read_text() == "code=0\n"
    # What a workflow's token pushes starts nothing, and its request waits for an approval.
    started = (ci.gh.folder / "started").read_text()
    assert started == f"workflow run verify.yml --ref {BRANCH} --repo team/demo"


def test_refreshes_the_pull_request_that_is_open(ci: Ci) -> None:
    ci.both()
    first = ci.git("rev-parse", BRANCH)
    ci.gh.listed({"number": 7, "isDraft": False, "isCrossRepository": False})
    ci.gh.calls()
    assert "as it should be" in ci.both()
    assert ci.git("rev-parse", BRANCH) == first
    assert [call.words[:3] for call in ci.gh.calls()[1:]] == [["pr", "edit", "7"]]
    ci.edit("README.md", "Mine\n")
    ci.release("v3.0.0", {BASELINE: "[a]\nb = 3\nc = 1\n"})
    ci.both()
    assert ci.branches() == ["main", BRANCH]
    assert ci.git("rev-parse", f"{BRANCH}^") == ci.git("rev-parse", "main")
    edit = ci.gh.calls()[1]
    assert "Template v1.0.0 -> v3.0.0" in edit.words
    assert "a.b 1 -> 3 (review)" in edit.body


def test_a_pull_request_of_a_stranger_is_not_taken_for_ours(ci: Ci) -> None:
    """Its author could merge text of ours under a change of theirs."""
    ci.gh.listed({"number": 7, "isDraft": False, "isCrossRepository": True})
    ci.both()
    assert [call.words[1] for call in ci.gh.calls()] == ["list", "create"]


def test_a_check_that_fails_makes_a_draft(ci: Ci) -> None:
    ci.release("v3.0.0", {"tests/test_it.py": "def test_it() -> None:\n    assert 0\n"})
    ci.both()
    create = ci.gh.calls()[1]
    assert "--draft" in create.words
    assert "Template v1.0.0 -> v3.0.0: a check fails" in create.words
    assert "    FAIL  tests" in create.body
    assert ci.git("show", f"{BRANCH}:tests/test_it.py")
    # And the next version, which passes, is none.
    ci.gh.listed({"number": 7, "isDraft": True, "isCrossRepository": False})
    ci.release("v4.0.0", {"tests/test_it.py": "def test_it() -> None:\n    assert 1\n"})
    ci.both()
    assert [call.words[1:3] for call in ci.gh.calls()[1:]] == [["edit", "7"], ["ready", "7"]]


def test_conflicts_are_for_a_person_whose_work_is_left_alone(ci: Ci) -> None:
    ci.edit(BASELINE, FIRST.replace("b = 1", "b = 9"))
    said = ci.both(3)
    assert "pushed" in said
    # Nothing that is merged halfway, and nothing that would mark the update as done.
    assert not ci.git("diff", "main", BRANCH)
    assert ci.git("rev-parse", f"{BRANCH}^") == ci.git("rev-parse", "main")
    create = ci.gh.calls()[1]
    assert "--draft" in create.words
    assert "Template v1.0.0 -> v2.0.0: conflicts" in create.words
    assert f"    {BASELINE}\n" in create.body
    # As the request says.
    person = Project(ci.folder / "person", ci.environment)
    ci.git("clone", "--quiet", str(ci.origin), str(person.path))
    person.git("switch", "--quiet", BRANCH)
    assert person.hook("update").returncode == 3
    person.write(BASELINE, SECOND)
    person.commit("Resolved")
    person.git("push", "--quiet")
    resolved = ci.git("rev-parse", BRANCH)
    ci.release("v3.0.0", {BASELINE: "[a]\nb = 3\nc = 1\n"})
    assert "commits of a person and is left alone" in ci.both()
    assert ci.git("rev-parse", BRANCH) == resolved
    assert not ci.gh.calls()


def test_up_to_date(ci: Ci) -> None:
    ci.both()
    ci.git("update-ref", "refs/heads/main", BRANCH)
    ci.gh.calls()
    first, done = ci.prepare()
    assert done.returncode == 0
    assert (ci.folder / "output").read_text().endswith("code=4\n")
    assert ci.propose(first)[1].returncode == 0
    assert not ci.gh.calls()


def test_a_weaker_value_is_for_a_person(ci: Ci) -> None:
    directions = {"src/demo/security/directions.toml": '[a]\n"*" = "more entries"\n'}
    ci.release("v3.0.0", {BASELINE: "[a]\nc = 1\n", **directions})
    first, done = ci.prepare()
    assert done.returncode == 2
    assert "update: weaker: a.b; agree by --accept-weaker" in done.stderr
    assert "a.b was 1, is gone (weaker)" in (ci.folder / "summary").read_text()
    assert ci.propose(first)[1].returncode == 2
    assert ci.branches() == ["main"]


def test_a_template_out_of_reach_is_said(ci: Ci) -> None:
    template = ci.own_template().path
    shutil.move(template, template.with_name("gone"))
    _, done = ci.prepare()
    assert done.returncode == 2
    assert "nothing was changed" in (ci.folder / "summary").read_text()


def test_workflow_files_need_a_token_of_our_own(ci: Ci) -> None:
    ci.release("v3.0.0", {WORKFLOW: "name: verify\n"})
    said = ci.both(2)
    assert f"the update changes {WORKFLOW}, which a workflow's own token may not push" in said
    assert "set TEMPLATE_UPDATE_TOKEN" in said
    assert said.splitlines()[-1].removeprefix("propose: ") in (ci.folder / "summary").read_text()
    assert ci.branches() == ["main"]
    ci.both(TEMPLATE_UPDATE_TOKEN="token-of-the-app")  # noqa: S106 - none, only for the test
    assert {call.token for call in ci.gh.calls()} == {"token-of-the-app"}
    # Its push starts the checks.
    assert not (ci.gh.folder / "started").exists()


def test_a_refusal_of_github_says_what_to_allow(ci: Ci) -> None:
    ci.gh.breaks()
    said = ci.both(2)
    assert "GitHub Actions is not permitted to create" in said
    assert "Settings, Actions, General" in said


def test_refuses_what_does_not_stand_on_main(ci: Ci) -> None:
    """Main has moved between the jobs, or the first one, which runs code of others, lies."""
    first, _ = ci.prepare()
    ci.edit("README.md", "Mine\n")
    _, done = ci.propose(first)
    assert done.returncode == 2
    assert ci.branches() == ["main"]


def test_runs_in_ci_only(ci: Ci) -> None:
    first, _ = ci.prepare()
    _, done = ci.propose(first, GITHUB_TOKEN="")
    assert done.returncode == 2
    assert "GITHUB_TOKEN is not set; this runs in CI, by hand it is hooks/update" in done.stderr
    done = ci.checkout().hook("propose", "open")
    assert done.returncode == 2
    assert "run hooks/propose prepare" in done.stderr


@pytest.fixture
def forge(ci: Ci) -> Iterator[git_server.Forge]:
    """Serve the origin, whose hook records the options of a push."""
    hook = ci.origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ | sort > options\n")
    hook.chmod(0o700)
    ci.git("config", "receive.advertisePushOptions", "true")
    ci.git("config", "http.receivepack", "true")
    with git_server.serve(ci.origin.parent, "token-of-the-project") as served:
        yield served


def gitlab(forge: git_server.Forge) -> dict[str, str]:
    """Return what a job of GitLab has in its environment."""
    return {
        "GITLAB_CI": "true",
        "CI_PROJECT_URL": f"{forge.url}/origin",
        "CI_DEFAULT_BRANCH": "main",
        "TEMPLATE_UPDATE_TOKEN": forge.token,
        "GITHUB_OUTPUT": "",
        "GITHUB_STEP_SUMMARY": "",
    }


def test_gitlab_by_options_of_the_push(ci: Ci, forge: git_server.Forge) -> None:
    ci.release("v3.0.0", {"tests/test_it.py": "def test_it() -> None:\n    assert 0\n"})
    before = ci.git("rev-parse", "main")
    ci.both(**gitlab(forge))
    options = (ci.origin / "options").read_text()
    assert "=merge_request.create\n" in options
    assert "=merge_request.target=main\n" in options
    assert "=merge_request.title=Draft: Template v1.0.0 -> v3.0.0: a check fails\n" in options
    assert r"\n    a.b 1 -> 2 (review)\n" in options
    assert ci.git("rev-parse", "main") == ci.git("rev-parse", f"{BRANCH}^") == before
    assert forge.logins == {"x-access-token:token-of-the-project"}
    assert not ci.gh.calls()
    # Again: refreshed, though nothing is new.
    ci.both(**gitlab(forge))
    assert ci.branches() == ["main", BRANCH]


def test_gitlab_takes_no_command_from_the_report(ci: Ci, forge: git_server.Forge) -> None:
    """A line like "/merge" in a description is one, in the name of who pushed."""
    first, _ = ci.prepare()
    with (first.path / "var/update/report.md").open("a") as report:
        report.write("\n/merge\n /approve\n" + "long\n" * 20_000)
    _, done = ci.propose(first, **gitlab(forge))
    assert done.returncode == 0, done.stderr
    description = (ci.origin / "options").read_text().replace(r"\n", "\n")
    assert "\n\\/merge\n \\/approve\n" in description
    assert "the message of the commit has all" in description


@pytest.mark.parametrize("token", ["", "another"])
def test_gitlab_needs_a_token(ci: Ci, forge: git_server.Forge, token: str) -> None:
    first, _ = ci.prepare()
    _, done = ci.propose(first, **gitlab(forge) | {"TEMPLATE_UPDATE_TOKEN": token})
    assert done.returncode == 2
    assert "TEMPLATE_UPDATE_TOKEN" in done.stderr or "Authentication failed" in done.stderr
    assert ci.branches() == ["main"]


def test_reads_a_private_template(ci: Ci, forge: git_server.Forge) -> None:
    bare = ci.origin.parent / "private.git"
    ci.git("clone", "--quiet", "--bare", str(ci.template.path), str(bare))
    answers = (ci.checkout().path / ".copier-answers.yml").read_text()
    address = f"{forge.url}/private.git"
    ci.edit(".copier-answers.yml", answers.replace(str(ci.template.path), address))
    _, done = ci.prepare()
    assert done.returncode == 2
    _, done = ci.prepare(TEMPLATE_READ_TOKEN=forge.token)
    assert done.returncode == 0, done.stdout + done.stderr
    assert forge.logins == {f"x-access-token:{forge.token}"}


def test_the_token_is_for_one_host(ci: Ci) -> None:
    """A redirect, or a submodule, cannot ask for it."""
    asks = ci.checkout()
    given = {"PROPOSE_HOST": "git.example.com", "PROPOSE_TOKEN": "secret"}
    asked = "Password for 'https://x-access-token@{}': "
    done = asks.hook("_askpass", asked.format("git.example.com"), **given)
    assert (done.returncode, done.stdout) == (0, "secret\n")
    for other in ("evil.example", "git.example.com.evil.example", "git.example.com@evil.example"):
        done = asks.hook("_askpass", asked.format(other), **given)
        assert (done.returncode, done.stdout) == (1, "")
