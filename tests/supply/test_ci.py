"""The generated CI, run: each step of each job in a clean checkout, with real services.

And each gate, shown to fail when what it is for is there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from tests import projects
from tests.hooks.gh import Gh
from tests.live.backends import for_suites
from tests.projects import Project, clean_environment
from tests.unit import osv

Job = dict[str, Any]
SCHEMAS = files("cyclonedx.schema") / "_res"
REFUSED = 2
"""A hook could not begin, so it found nothing."""
FRAMEWORK = {"github": "fastapi", "gitlab": "flask"}
USED = {
    "actions/checkout",
    "actions/download-artifact",
    "actions/upload-artifact",
    "astral-sh/setup-uv",
    "github/codeql-action",
}
UPDATE = ("update/update", "update/propose")
"""Jobs of GitHub that need a template with a newer version; GitLab's have the second half."""
BRANCH = "prodsec-template/update"
DAYS = 7
"""A release is public for that long before a bot proposes it."""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """Run what the jobs ask for as services, and return where the tests find them."""
    with for_suites() as where:
        yield where


@pytest.fixture(scope="module")
def origins(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Return a project for each CI provider."""
    return {
        ci: projects.render(
            template,
            tmp_path_factory.mktemp(ci) / "my-service",
            {"framework": framework, "ci": ci},
        )
        for ci, framework in FRAMEWORK.items()
    }


@pytest.fixture(scope="module")
def checkouts(
    origins: dict[str, Project], typed: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Project]:
    """Commit each with its lock, and return a clean clone, as a runner has it.

    But for what mypy knows of the libraries, which git ignores.
    """
    clones = {}
    for ci, project in origins.items():
        project.run("uv", "lock", "--quiet")
        project.commit()
        target = tmp_path_factory.mktemp(f"{ci}-checkout") / "my-service"
        project.git("clone", "--quiet", str(project.path), str(target))
        shutil.copytree(typed, target / ".mypy_cache")
        clones[ci] = Project(target)
    return clones


def step(project: Project, script: str, environment: dict[str, str]) -> str:
    """Run one step as a runner does, insist on success, and return its output."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=project.path,
        env={**clean_environment(), "CI": "true", "UV_PYTHON": sys.executable, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def workflows(project: Project) -> Iterator[tuple[str, Job]]:
    """Yield each job of the GitHub workflows."""
    for path in sorted((project.path / ".github/workflows").glob("*.yml")):
        for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items():
            yield f"{path.stem}/{name}", job


def stages(project: Project) -> tuple[Job, dict[str, Job]]:
    """Return the defaults of the GitLab pipeline, and its jobs."""
    pipeline = yaml.safe_load((project.path / ".gitlab-ci.yml").read_text("utf-8"))
    jobs = {name: job for name, job in pipeline.items() if "script" in job}
    return pipeline["default"], jobs


def sound_reports(project: Project) -> None:
    """Insist on a bill of materials that is valid and has what the lock says, and on SARIF."""
    bill = json.loads((project.path / "var/sbom.cdx.json").read_text("utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    # Not by the library's validator: it checks the form of each address, which takes a minute.
    names = ("bom-1.5", "spdx", "jsf-0.82")
    schemas = [
        json.loads((SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text("utf-8")) for name in names
    ]
    known: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    Draft7Validator(schemas[0], registry=known).validate(bill)
    lock = tomllib.loads((project.path / "uv.lock").read_text("utf-8"))
    packages = {each["name"]: each for each in lock["package"]}
    needed, waiting = set(), [project.path.name]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        for each in packages[name].get("dependencies", ()):
            waiting.append(each["name"])
            for extra in each.get("extra", ()):
                more = packages[each["name"]].get("optional-dependencies", {}).get(extra, ())
                waiting += [other["name"] for other in more]
    listed = {each["name"]: each for each in bill["components"]}
    own = listed.pop("prodsec-template")
    assert own["type"] == "framework"
    assert own["purl"].startswith("pkg:generic/prodsec-template@")
    assert listed.keys() == needed - {project.path.name}
    for name, each in listed.items():
        assert each["version"] == packages[name]["version"]
        assert each["purl"] == f"pkg:pypi/{name}@{each['version']}"
    sarif = json.loads((project.path / "var/audit.sarif").read_text("utf-8"))
    assert sarif["version"] == "2.1.0"


def test_github_jobs_run(
    checkouts: dict[str, Project], servers: dict[str, str], service: osv.Service
) -> None:
    project = checkouts["github"]
    ran = []
    for name, job in ((name, job) for name, job in workflows(project) if name not in UPDATE):
        # Where the runner's services are, the tests' own take their place: the names must agree.
        wanted = {each for each in job.get("env", {}) if each.startswith("APP_TEST_")}
        assert wanted == (servers.keys() if "services" in job else set()), name
        environment = {**{each: servers[each] for each in wanted}, "AUDIT_SERVICE_URL": service.url}
        for each in job["steps"]:
            if "run" in each:
                assert "${{" not in each["run"], "text of others could become a command"
                step(project, each["run"], environment)
                ran.append(each["run"])
            else:
                action = "/".join(each["uses"].split("@")[0].split("/")[:2])
                assert action in USED
            for path in each.get("with", {}).get("path", "").split():
                assert (project.path / path.replace("$SERVICE_FOLDER/", "")).exists(), path
    assert "hooks/verify" in ran
    assert {"hooks/gate audit", "hooks/gate secrets", "hooks/gate workflows"} <= set(ran)
    assert project.git("status", "--porcelain") == ""
    sound_reports(project)


def test_gitlab_jobs_run(
    checkouts: dict[str, Project], service: osv.Service, tmp_path: Path
) -> None:
    project = checkouts["gitlab"]
    default, jobs = stages(project)
    # What the image has: a Python with pip, first on the PATH.
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "image"], check=True)
    path = f"{tmp_path / 'image' / 'bin'}:/usr/bin:/bin"
    environment = {"PATH": path, "AUDIT_SERVICE_URL": service.url, "PIP_ROOT_USER_ACTION": "ignore"}
    for script in default["before_script"]:
        step(project, script, environment)
    ran = []
    for job in (job for name, job in jobs.items() if f"update/{name}" not in UPDATE):
        # The same command as GitHub's, which runs it above: it takes minutes.
        for script in (each for each in job["script"] if each != "hooks/verify"):
            step(project, script, environment)
            ran.append(script)
        for path in job.get("artifacts", {}).get("paths", ()):
            assert (project.path / path.replace("$SERVICE_FOLDER/", "")).exists(), path
    assert jobs["verify"]["script"] == ["hooks/verify"]
    assert set(servers_of(jobs["verify"])) == {"postgres", "valkey"}
    assert {"hooks/gate audit", "hooks/gate secrets", "hooks/gate conflicts"} <= set(ran)
    sound_reports(project)


@dataclass
class Scheduled:
    """A service on the first version of a template that has two, its origin and its jobs."""

    origin: Project
    folder: Path
    environment: dict[str, str]

    def checkout(self, name: str, before: Project | None = None) -> Project:
        """Return the clean checkout of a job, with what an earlier job has left in var/update."""
        target = self.folder / name
        self.origin.git("clone", "-q", "--depth=1", f"file://{self.origin.path}", str(target))
        if before:
            shutil.copytree(before.path / "var/update", target / "var/update")
        return Project(target)

    def assert_proposed(self, before: str, report: str) -> None:
        """Assert that the branch has the new version and the report, and main is as it was."""
        assert self.origin.git("rev-parse", "main") == before
        assert self.origin.git("rev-parse", f"{BRANCH}^") == before
        baseline = f"{BRANCH}:src/my_service/security/baseline.toml"
        assert "\nidle-timeout = 1200\n" in self.origin.git("show", baseline)
        for text in (report, self.origin.git("log", "-1", "--format=%B", BRANCH)):
            assert "    sessions.idle-timeout 1800 -> 1200 (stricter)\n" in text
            assert "    ok    tests" in text


@pytest.fixture
def scheduled(tmp_path: Path) -> Callable[[str], Scheduled]:
    """Return a function that makes such a service for a CI provider."""

    def make(ci: str) -> Scheduled:
        template = Project(projects.copy_template(tmp_path / "template"))
        baseline = template.path / "template/src/{{ package }}/security/baseline.toml"
        template.commit()
        template.git("tag", "v1.0.0")
        answers = {"framework": FRAMEWORK[ci], "ci": ci}
        service = projects.render(template.path, tmp_path / "my-service", answers)
        text = baseline.read_text("utf-8")
        assert "\nidle-timeout = 1800\n" in text
        baseline.write_text(text.replace("\nidle-timeout = 1800\n", "\nidle-timeout = 1200\n"))
        template.commit()
        template.git("tag", "v2.0.0")
        service.run("uv", "lock", "--quiet")
        service.commit()
        service.git("clone", "--quiet", "--bare", str(service.path), str(tmp_path / "origin.git"))
        # The jobs above run all tests.
        environment = {"PYTEST_ADDOPTS": "-k test_dep_patterns"}
        return Scheduled(Project(tmp_path / "origin.git"), tmp_path / "jobs", environment)

    return make


@pytest.mark.weekly
def test_github_update_jobs_run(scheduled: Callable[[str], Scheduled], tmp_path: Path) -> None:
    made, gh = scheduled("github"), Gh(tmp_path / "gh")
    before = made.origin.git("rev-parse", "main")
    given = {
        "${{ github.token }}": "token-of-the-workflow",
        "${{ secrets.TEMPLATE_UPDATE_TOKEN }}": "",
        "${{ secrets.TEMPLATE_READ_TOKEN }}": "",
    }
    environment = made.environment | {
        "PATH": f"{gh.folder}:{clean_environment()['PATH']}",
        "GITHUB_REPOSITORY": "team/my-service",
        "GITHUB_REF_NAME": "main",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    checkout, ran = None, []
    jobs = dict(workflows(made.checkout("listing")))
    for name in UPDATE:
        checkout = made.checkout(name.replace("/", "-"), checkout)
        for each in jobs[name]["steps"]:
            if "run" in each:
                more = {key: given[value] for key, value in each["env"].items()}
                step(checkout, each["run"], environment | more)
                ran.append(each["run"])
            else:
                assert each["uses"].split("@")[0] in USED
                assert each["with"].get("path", "var/update") == "var/update"
    assert ran == ["hooks/propose prepare", "hooks/propose open"]
    assert (tmp_path / "output").read_text() == "code=0\n"
    assert jobs["update/propose"]["if"] == "needs.update.outputs.code != '4'"
    create = gh.calls()[1]
    assert create.option("--base") == "main"
    assert create.option("--head") == BRANCH
    made.assert_proposed(before, create.body)


@pytest.mark.weekly
def test_gitlab_update_jobs_run(scheduled: Callable[[str], Scheduled], tmp_path: Path) -> None:
    made = scheduled("gitlab")
    before = made.origin.git("rev-parse", "main")
    made.origin.git("config", "receive.advertisePushOptions", "true")
    hook = made.origin.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ > options\n")
    hook.chmod(0o700)
    environment = made.environment | {
        "GITLAB_CI": "true",
        "CI_PROJECT_URL": f"file://{made.origin.path.with_suffix('')}",
        "CI_DEFAULT_BRANCH": "main",
        "TEMPLATE_UPDATE_TOKEN": "token-of-the-project",
    }
    checkout, ran = None, []
    _, jobs = stages(made.checkout("listing"))
    for name in UPDATE:
        job = jobs[name.removeprefix("update/")]
        checkout = made.checkout(name.replace("/", "-"), checkout)
        for script in job["script"]:
            step(checkout, script, environment)
            ran.append(script)
        source = "$CI_PIPELINE_SOURCE =~ /^(schedule|parent_pipeline)$/"
        condition = f'{source} && $TEMPLATE_UPDATE == "true"'
        assert job["rules"] == [{"if": condition}]
    assert ran == ["hooks/propose prepare", "hooks/propose open"]
    assert jobs["update"]["artifacts"]["paths"] == ["$SERVICE_FOLDER/var/update/"]
    # Nothing is installed where the token is.
    assert jobs["propose"]["before_script"] == ['cd "$SERVICE_FOLDER"']
    options = (made.origin.path / "options").read_text()
    assert "=merge_request.title=Template v1.0.0 -> v2.0.0\n" in options
    made.assert_proposed(before, options.replace(r"\n", "\n"))


def servers_of(job: Job) -> Iterator[str]:
    """Yield the host names under which a GitLab job reaches its services."""
    for each in job["services"]:
        assert any(each["alias"] in str(value) for value in job["variables"].values())
        yield each["alias"]


def test_both_run_the_same_gates(origins: dict[str, Project]) -> None:
    github = {
        each["run"]
        for _, job in workflows(origins["github"])
        for each in job["steps"]
        if "run" in each
    }
    gitlab = {script for job in stages(origins["gitlab"])[1].values() for script in job["script"]}
    assert github - gitlab == {"hooks/gate workflows"}
    assert not gitlab - github


def test_actions_are_pinned_and_jobs_bounded(origins: dict[str, Project]) -> None:
    for name, job in workflows(origins["github"]):
        assert job["timeout-minutes"] <= 30, name
        if name == "update/propose":
            writes = ("contents", "pull-requests", "actions")
            assert job["permissions"] == dict.fromkeys(writes, "write")
            assert [each["run"] for each in job["steps"] if "run" in each] == ["hooks/propose open"]
        else:
            assert job["permissions"].get("contents") == "read", name
            assert "write" not in json.dumps(job["permissions"]) or name == "codeql/analyze"
            assert "TEMPLATE_UPDATE_TOKEN" not in json.dumps(job)
        for each in job["steps"]:
            if "uses" in each:
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each["uses"])
            if each.get("uses", "").startswith("actions/checkout@"):
                assert each["with"]["persist-credentials"] is False


@pytest.mark.parametrize(
    ("schema", "ci", "path"),
    [
        ("github-workflows", "github", ".github/workflows/verify.yml"),
        ("github-workflows", "github", ".github/workflows/codeql.yml"),
        ("github-workflows", "github", ".github/workflows/update.yml"),
        ("dependabot", "github", ".github/dependabot.yml"),
        ("gitlab-ci", "gitlab", ".gitlab-ci.yml"),
        ("renovate", "gitlab", "renovate.json"),
    ],
)
def test_files_fit_their_schema(
    origins: dict[str, Project], schema: str, ci: str, path: str
) -> None:
    origins[ci].run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", path)


def test_update_bots_wait(origins: dict[str, Project]) -> None:
    """Most hijacked releases are found within days; each ecosystem has a delay of its own."""
    text = (origins["github"].path / ".github/dependabot.yml").read_text("utf-8")
    days = {
        each["package-ecosystem"]: each["cooldown"]["default-days"]
        for each in yaml.safe_load(text)["updates"]
    }
    assert {"uv", "github-actions"} <= days.keys()
    assert min(days.values()) >= DAYS
    renovate = json.loads((origins["gitlab"].path / "renovate.json").read_text("utf-8"))
    assert renovate["minimumReleaseAge"] == f"{DAYS} days"
    # Else an update that is too young is proposed all the same, only marked.
    assert renovate["internalChecksFilter"] == "strict"


def test_renovate_leaves_the_template_to_the_job(origins: dict[str, Project]) -> None:
    settings = json.loads((origins["gitlab"].path / "renovate.json").read_text("utf-8"))
    last = settings["packageRules"][-1]  # of the rules that match, the last one decides
    assert last["matchManagers"] == ["copier"]
    assert last["dependencyDashboardApproval"] is True
    # Renovate's source git-tags knows no dates, and an age that is not known counts as too young.
    assert settings["minimumReleaseAge"] != last["minimumReleaseAge"] == "0 days"
    # Not mixed with the updates of libraries.
    assert last["groupName"] is None
    wanted = (projects.ROOT / "copier.yml").read_text("utf-8")
    assert f'_min_copier_version: "{settings["constraints"]["copier"][2:6]}"' in wanted


KEY = "AKIA" + "Z7Q4XK2MPL9TRB3D"
PLANTED = {
    "format": ("format", "src/my_service/app/planted.py", "x=1\n", "planted.py"),
    "shell": (
        "lint",
        "src/my_service/app/planted.py",
        '"""Planted."""\n\nimport subprocess\n\nsubprocess.run("ls", shell=True, check=True)\n',
        "S602 `subprocess` call",
    ),
    "sql": (
        "lint",
        "src/my_service/app/planted.py",
        '"""Planted."""\n\n\ndef find(name: str) -> str:\n    """Find."""\n'
        "    return f\"SELECT * FROM users WHERE name = '{name}'\"\n",
        "S608 Possible SQL injection",
    ),
    "types": ("types", "src/my_service/app/planted.py", 'x: int = "one"\n', "planted.py:1"),
    "key": ("secrets", "src/my_service/app/planted.py", f'KEY = "{KEY}"\n', "AWS Access Key"),
    "private key": (
        "secrets",
        "deploy.pem",
        "-----BEGIN PRIVATE " + "KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n",
        "Private Key",
    ),
    "conflict": (
        "conflicts",
        "src/my_service/app/planted.py",
        "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n",
        "planted.py",
    ),
    "unpinned action": (
        "workflows",
        ".github/workflows/planted.yml",
        "name: planted\non: push\npermissions: {}\njobs:\n  one:\n    runs-on: ubuntu-24.04\n"
        "    steps:\n      - uses: actions/checkout@v6\n",
        "unpinned-uses",
    ),
    "text of others": (
        "workflows",
        ".github/workflows/planted.yml",
        "name: planted\non: pull_request\npermissions: {}\njobs:\n  one:\n"
        "    runs-on: ubuntu-24.04\n"
        '    steps:\n      - run: echo "${{ github.event.pull_request.title }}"\n',
        "template-injection",
    ),
}


@pytest.fixture
def github(checkouts: dict[str, Project]) -> Iterator[Project]:
    """Return the checkout with GitHub's files, installed; what a test leaves there is removed."""
    project = checkouts["github"]
    project.run("uv", "sync", "--frozen", "--quiet")
    yield project
    project.git("reset", "--hard", "--quiet")
    project.git("clean", "-fdq")


@pytest.mark.parametrize(("gate", "path", "text", "named"), PLANTED.values(), ids=PLANTED.keys())
def test_gate_finds_what_is_planted(
    github: Project, gate: str, path: str, text: str, named: str
) -> None:
    (github.path / path).write_text(text, "utf-8")
    done = github.run("hooks/gate", gate, check=False)
    assert done.returncode not in (0, REFUSED)
    assert named in done.stdout


def test_gate_finds_a_catastrophic_expression(github: Project) -> None:
    """The gate is one of the tests, which `hooks/verify` and `hooks/gate tests` run."""
    planted = github.path / "src/my_service/app/planted.py"
    planted.write_text('"""Planted."""\n\nimport re\n\nX = re.compile(r"(a+)+$")\n', "utf-8")
    command = [github.python, "-m", "pytest", "-q", "tests/contract/test_dep_patterns.py"]
    done = github.run(*command, check=False)
    assert done.returncode == 1
    assert "planted.py:5: '(a+)+$': exponential time" in done.stdout


def test_gate_finds_a_vulnerable_dependency(github: Project, service: osv.Service) -> None:
    lock = tomllib.loads((github.path / "uv.lock").read_text("utf-8"))
    version = next(each["version"] for each in lock["package"] if each["name"] == "jinja2")
    service.advisories = [osv.advisory("GHSA-1", "jinja2", version)]
    done = github.run("hooks/gate", "audit", check=False, AUDIT_SERVICE_URL=service.url)
    assert done.returncode == 1
    assert f"jinja2 {version}" in done.stdout


@pytest.mark.parametrize(
    ("table", "facts", "gate", "code"),
    [
        ("exception", 'setting = "sessions.idle-timeout"\nvalue = 3600', "check", 1),
        ("advisory-exception", 'id = "CVE-2099-1"', "check", 1),
        ("advisory-exception", 'id = "CVE-2099-1"', "audit", 4),
    ],
)
def test_gate_finds_an_expired_exception(
    github: Project, service: osv.Service, table: str, facts: str, gate: str, code: int
) -> None:
    dated = 'reason = "Only for a test"\nowner = "ops"\nexpires = 2020-01-01'
    with (github.path / "policy.toml").open("a", encoding="utf-8") as policy:
        policy.write(f"\n[[{table}]]\n{facts}\n{dated}\n")
    done = github.run("hooks/gate", gate, check=False, AUDIT_SERVICE_URL=service.url)
    assert done.returncode == code
    assert "expired" in done.stdout


@pytest.mark.parametrize("ended", ["framework", "python"])
def test_gate_finds_a_line_without_fixes(checkouts: dict[str, Project], ended: str) -> None:
    project = checkouts["gitlab"]
    project.run("uv", "sync", "--frozen", "--quiet")
    lock = project.path / "uv.lock"
    before = lock.read_text("utf-8")
    patterns = {
        "framework": (r'(name = "flask"\nversion = )"[^"]+"', r'\1"2.3.3"'),
        "python": (r'requires-python = ">=3.11"', 'requires-python = ">=3.9"'),
    }
    changed, count = re.subn(*patterns[ended], before)
    assert count == 1
    lock.write_text(changed, "utf-8")
    try:
        done = project.run("hooks/gate", "check", check=False)
    finally:
        lock.write_text(before, "utf-8")
    assert done.returncode == 1
    assert "is in no supported line" in done.stdout


def test_workflows_know_neither_the_branch_nor_a_common_minute(tmp_path: Path) -> None:
    """A default branch may have any name; an organisation's services do not all start at once."""
    template = projects.copy_template(tmp_path / "template")
    minutes: dict[str, set[int]] = {}
    for name in ("tea-one", "tea-two", "shop-web", "pay-web", "maps-web"):
        project = projects.render(template, tmp_path / name, {"project_name": name})
        for path in (project.path / ".github" / "workflows").iterdir():
            starts = yaml.safe_load(path.read_text("utf-8"))[True]
            assert starts.get("push", {}) in ({}, {"branches": ["**"]})
            cron = starts["schedule"][0]["cron"]
            minutes.setdefault(path.name, set()).add(int(cron.split()[0]))
    assert all(len(found) >= 3 for found in minutes.values()), minutes
    assert all(0 < minute < 59 for found in minutes.values() for minute in found)


def test_a_push_to_another_branch_starts_no_job(origins: dict[str, Project]) -> None:
    for name, job in workflows(origins["github"]):
        condition = "github.ref_name == github.event.repository.default_branch"
        if name != "update/propose":
            assert condition in job["if"], name
