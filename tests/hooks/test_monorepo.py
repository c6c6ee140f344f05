"""A service in a folder of a larger repository: update, git's hooks, and CI at the root."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests import projects
from tests.hooks.conftest import BASELINE, FIRST, SECOND, Project, furnish

FOLDER = "services/tea"


@pytest.fixture
def tea(service: Project, tmp_path: Path) -> Project:
    """Return a service in a folder of a repository that also holds other work."""
    whole = Project(tmp_path / "whole", service.environment)
    whole.write("other/README.md", "Other work.\n")
    whole.git("init", "--quiet")
    shutil.rmtree(service.path / ".git")
    (whole.path / "services").mkdir()
    shutil.move(service.path, whole.path / FOLDER)
    whole.commit("Begin")
    return Project(whole.path / FOLDER, service.environment)


def test_updates_in_its_folder(tea: Project, packages: Path, tmp_path: Path) -> None:
    furnish(tea, packages)
    report = tmp_path / "report.md"
    done = tea.hook("update", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tea.path / BASELINE).read_text() == SECOND
    assert f"\n    template: {BASELINE}\n" in report.read_text()
    changed = tea.git("status", "--porcelain", "-uall").splitlines()
    assert all(f" {FOLDER}/" in line for line in changed), changed
    assert "for CI and git's hooks at the root of this repository: hooks/monorepo" in done.stdout
    tea.commit("Update")
    assert tea.hook("update").returncode == 4


def test_a_conflict_and_the_way_back(tea: Project) -> None:
    tea.write(BASELINE, FIRST.replace("31536000", "3"))
    tea.commit()
    before = tea.files()
    done = tea.hook("update")
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"\n  {BASELINE}\n" in done.stdout
    assert tea.run("sh", "-c", "git reset --hard && git clean -fd :/").returncode == 0
    assert tea.files() == before


def test_refuses_beside_work_of_others(tea: Project) -> None:
    (tea.path.parents[1] / "other/README.md").write_text("Mine.\n")
    assert "commit or stash your changes first: other/README.md" in tea.hook("update").stderr


def test_git_runs_the_hooks_of_the_service_that_changes(tea: Project) -> None:
    root = Project(tea.path.parents[1], tea.environment)
    done = tea.hook("monorepo")
    assert done.returncode == 0, done.stderr
    assert "git runs the services' hooks/pre-commit" in done.stdout
    hook = '#!/bin/sh\ncd "$(dirname "$0")/.." && git diff --cached --name-only >&2\n'
    (tea.path / "hooks" / "pre-commit").write_text(hook + "exit 1\n")
    root.write("other/README.md", "Changed.\n")
    root.git("commit", "--quiet", "--message", "Other", "--", "other")
    root.git("add", "--all")
    refused = root.run("git", "commit", "--message", "Tea")
    assert refused.returncode == 1
    assert f"{FOLDER}/hooks/pre-commit" in refused.stderr
    # A hook of somebody stays.
    mine = root.path / ".git" / "hooks" / "pre-push"
    mine.write_text("#!/bin/sh\n")
    assert "git keeps your hook pre-push" in tea.hook("monorepo").stdout
    assert mine.read_text() == "#!/bin/sh\n"


def test_at_the_root_there_is_nothing_to_write(repository: Project) -> None:
    done = repository.hook("monorepo")
    assert done.returncode == 2
    assert "this project is the repository's root" in done.stderr


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """Return a repository with three generated services, of both providers: only copy it."""

    def make(folder: Path) -> None:
        whole = Project(folder / "whole", environment)
        source = projects.copy_template(folder / "source")
        for name, ci in (("tea", "github"), ("shop", "gitlab"), ("pay", "github")):
            answers = {"ci": ci, "project_name": name}
            projects.render(source, whole.path / "services" / name, answers)
        whole.git("init", "--quiet")
        whole.commit()

    return projects.shared(tmp_path_factory, "three", make) / "whole"


@pytest.fixture
def two(tmp_path: Path, three: Path, environment: dict[str, str]) -> Project:
    """Return a copy of that repository."""
    return Project(shutil.copytree(three, tmp_path / "two", symlinks=True), environment)


def test_ci_at_the_root_is_for_changes_of_the_folder(two: Project) -> None:
    for name in ("tea", "shop", "pay"):
        hook = str(two.path / "services" / name / "hooks" / "monorepo")
        done = two.run(sys.executable, hook)
        assert done.returncode == 0, done.stderr
    places = sorted((two.path / ".github/workflows").iterdir())
    assert [path.name for path in places] == [
        f"services-{name}-{kind}.yml"
        for name in ("pay", "tea")
        for kind in ("codeql", "update", "verify")
    ]
    text = (two.path / ".github/workflows/services-tea-verify.yml").read_text()
    found = yaml.safe_load(text)
    paths = ["services/tea/**", ".github/workflows/services-tea-verify.yml"]
    assert found[True]["push"]["paths"] == found[True]["pull_request"]["paths"] == paths
    assert found["defaults"]["run"]["working-directory"] == "services/tea"
    assert found["name"] == "services/tea: verify"
    kept = found["jobs"]["audit"]["steps"][-1]["with"]["path"].split()
    assert kept == ["services/tea/var/sbom.cdx.json", "services/tea/var/audit.sarif"]
    update = (two.path / ".github/workflows/services-tea-update.yml").read_text()
    assert update.count("path: services/tea/var/update\n") == 2
    bots = yaml.safe_load((two.path / ".github/dependabot.yml").read_text())["updates"]
    assert {each["directory"] for each in bots} == {"/services/tea", "/services/pay"}
    pipeline = yaml.safe_load((two.path / ".gitlab-ci.yml").read_text())
    job = pipeline["services-shop"]
    assert job["trigger"]["include"] == "services/shop/.gitlab-ci.yml"
    assert job["variables"] == {"SERVICE_FOLDER": "services/shop"}
    for schema, name in (
        ("github-workflows", ".github/workflows/services-tea-verify.yml"),
        ("github-workflows", ".github/workflows/services-tea-update.yml"),
        ("dependabot", ".github/dependabot.yml"),
        ("gitlab-ci", ".gitlab-ci.yml"),
    ):
        done = two.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", name)
        assert done.returncode == 0, done.stdout
    # A file of somebody stays, and what it lacks is said.
    two.write(".gitlab-ci.yml", "mine: {script: [ls]}\n")
    done = two.run(sys.executable, str(two.path / "services/shop/hooks/monorepo"))
    assert ".gitlab-ci.yml is yours and stays; it should hold" in done.stdout
    assert (two.path / ".gitlab-ci.yml").read_text() == "mine: {script: [ls]}\n"


def run_monorepo(two: Project, name: str) -> str:
    done = two.run(sys.executable, str(two.path / "services" / name / "hooks" / "monorepo"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_service_has_no_more_goes_from_the_root(two: Project) -> None:
    """Else it runs on, each day, for a folder that is not there or for another provider."""
    two.git("mv", "services/pay", "services/tea-pay")
    for name in ("tea", "shop", "tea-pay"):
        run_monorepo(two, name)
    two.commit("At the root")
    workflows = two.path / ".github" / "workflows"
    mine = workflows / "services-tea-mine.yml"
    mine.write_text("name: mine\n")
    # The template drops a file, and a service moves.
    (two.path / "services/tea/.github/workflows/codeql.yml").unlink()
    two.git("mv", "services/tea-pay", "services/till")
    two.commit("Moved")
    assert ".github/workflows/services-tea-codeql.yml: services/tea has it no more" in (
        run_monorepo(two, "tea")
    )
    run_monorepo(two, "till")
    names = {path.name for path in workflows.iterdir()} - {mine.name}
    assert names == {
        *(f"services-tea-{kind}.yml" for kind in ("update", "verify")),
        *(f"services-till-{kind}.yml" for kind in ("codeql", "update", "verify")),
    }
    assert mine.read_text() == "name: mine\n"
    # Another provider, and the last one of each goes.
    two.git("rm", "-r", "--quiet", "services/till", "services/shop")
    shutil.rmtree(two.path / "services/tea/.github")
    two.commit("GitLab")
    said = run_monorepo(two, "tea")
    assert "removed .github/dependabot.yml: no service has it any more" in said
    assert "removed .gitlab-ci.yml" in said
    assert [path.name for path in workflows.iterdir()] == [mine.name]


def test_a_sparse_checkout_takes_nothing_from_the_others(two: Project) -> None:
    for name in ("tea", "shop", "pay"):
        run_monorepo(two, name)
    two.write(".gitlab-ci.yml", "mine: {script: [ls]}\n")
    two.commit("At the root")
    two.git("sparse-checkout", "set", "--no-cone", "/services/tea/", "/.github/workflows/")
    assert not (two.path / "services/pay/.github").exists()
    assert ".gitlab-ci.yml is yours and stays" in run_monorepo(two, "tea")
    assert not (two.path / ".gitlab-ci.yml").exists()
    bots = yaml.safe_load((two.path / ".github/dependabot.yml").read_text())["updates"]
    assert {each["directory"] for each in bots} == {"/services/tea", "/services/pay"}
    names = sorted(path.name for path in (two.path / ".github/workflows").iterdir())
    assert "services-pay-verify.yml" in names


def test_a_folder_of_any_name(tea: Project) -> None:
    """A name that the shell or git would take apart leaves no service without its hooks."""
    root = Project(tea.path.parents[1], tea.environment)
    names = ["services/my tea", "services/th\u00e9", "services/a[b]"]
    for name in names:
        shutil.copytree(tea.path, root.path / name)
        hook = root.path / name / "hooks" / "pre-commit"
        hook.write_text('#!/bin/sh\necho "ran $0" >&2\n')
        root.write(f"{name}/.gitlab-ci.yml", 'test: {script: ["true"]}\n')
    root.commit("More")
    for name in names:
        done = root.run(sys.executable, str(root.path / name / "hooks" / "monorepo"))
        assert done.returncode == 0, done.stderr
        root.write(f"{name}/new.txt", "new\n")
    jobs = yaml.safe_load((root.path / ".gitlab-ci.yml").read_text("utf-8"))
    assert jobs["services-my-tea"]["trigger"]["include"] == "services/my tea/.gitlab-ci.yml"
    root.git("add", "--all")
    said = root.run("git", "commit", "--message", "All").stderr
    for name in names:
        assert f"ran {name}/hooks/pre-commit" in said


def test_two_folders_that_would_share_a_name(tea: Project) -> None:
    root = Project(tea.path.parents[1], tea.environment)
    twin = FOLDER.replace("/", "-")
    shutil.copytree(tea.path, root.path / twin)
    root.commit("Twin")
    said = tea.hook("monorepo").stdout
    assert f"{FOLDER} and {twin} would have the same files at the root: rename a folder" in said
    assert not (root.path / ".github").exists()
