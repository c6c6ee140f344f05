"""From every version of a template to its newest: see docs/updating.md for the rules held here."""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from scripts import manifest
from tests import example, projects
from tests.projects import Project
from tests.update.series import APP, STEPS, Template, others, replace, yours
from tests.weekly import some

SECURITY = "src/my_service/security"
FRAMEWORKS = projects.CHOICES["framework"]
PROVIDERS = ("github", "gitlab")
STARTS = tuple(range(len(STEPS) - 1))
CASES = [
    ((number + turn) % len(STARTS), framework, PROVIDERS[turn])
    for turn in (0, 1)
    for number, framework in enumerate(FRAMEWORKS)
]
"""Each version to start from, and each framework, with both CI providers."""

drift = manifest.load_drift()

Make = Callable[..., Project]
Newest = Callable[[Project], dict[str, bytes]]


@pytest.fixture(scope="session")
def newest(series: Template, tmp_path_factory: pytest.TempPathFactory) -> Newest:
    """Return a function that renders the newest version with a project's answers."""

    @cache
    def files(answers: tuple[tuple[str, str], ...]) -> dict[str, bytes]:
        target = tmp_path_factory.mktemp("newest") / "project"
        return projects.render(series.path, target, dict(answers)).files()

    return lambda project: files(tuple(project.answers.items()))


@pytest.fixture
def make(series: Template, tmp_path: Path) -> Make:
    """Return a function that makes a project of a version, committed."""

    def make(start: int, name: str = "project", **answers: str) -> Project:
        made = projects.render(series.path, tmp_path / name, answers, vcs_ref=series.tags[start])
        made.commit()
        return made

    return make


def work(project: Project) -> dict[str, bytes]:
    """Do what a user does in a service, commit it, and return the files that are the user's."""
    path = project.path
    (path / "README.md").write_text("# Mine\n")
    (path / "CHANGELOG.md").write_text("# Mine\n")
    names = ("pages.py", "views.py", "models.py", "schemas.py", "main.py")
    for source in (path / APP / name for name in names if (path / APP / name).exists()):
        source.write_text("# Mine, first.\n" + source.read_text() + "\n\nMINE = 1\n")
    (path / APP / "reports.py").write_text('"""A feature of my own."""\n')
    (path / APP / "templates" / "base.html").write_text("<!doctype html>\n")
    (path / APP / "static" / "logo.svg").write_text("<svg/>\n")
    # The example feature, deleted.
    shutil.rmtree(path / APP / "notes")
    (path / "tests" / "app" / "test_notes.py").unlink()
    (path / "tests" / "app" / "test_reports.py").write_text('"""Mine."""\n')
    shared_and_facts(project)
    project.commit()
    return yours(project.files())


def shared_and_facts(project: Project) -> None:
    """Add dependencies, lines of .gitignore, a fact and exceptions."""
    path = project.path
    for marker, line in (
        ("  # Yours: `uv add NAME` appends below.\n", '  "markdown-it-py>=3",\n'),
        ("  # Yours: `uv add --dev NAME` appends below.\n", '  "iniconfig>=2",\n'),
    ):
        replace(path / "pyproject.toml", marker, marker + line)
    with (path / ".gitignore").open("a") as file:
        file.write("/my-data/\n")
    replace(path / "policy.toml", "redirect-hosts = []", 'redirect-hosts = ["partner.example.com"]')
    with (path / "policy.toml").open("a") as file:
        file.write(
            '\n[[exception]]\nsetting = "sessions.idle-timeout"\nvalue = 3600\n'
            'reason = "Kiosks in the warehouse"\nowner = "ada@example.com"\nexpires = 2030-12-31\n'
        )


def assert_merged(project: Project) -> None:
    """Assert that nothing conflicts, and that shared files hold both parts."""
    assert not project.git("diff", "--name-only", "--diff-filter=U")
    for name, text in project.files().items():
        assert b"<<<<<<<" not in text or b"\n>>>>>>> " not in text, name
    settings = tomllib.loads((project.path / "pyproject.toml").read_text("utf-8"))
    assert {"markdown-it-py>=3", "idna"} <= set(settings["project"]["dependencies"])
    assert "iniconfig>=2" in settings["dependency-groups"]["dev"]
    assert {"/my-data/", "/spool/"} <= set((project.path / ".gitignore").read_text().splitlines())


@pytest.mark.parametrize(
    "case", some(CASES, CASES[len(STARTS) :]), ids=lambda case: "-".join(map(str, case))
)
def test_work_is_kept_and_the_rest_is_new(
    newest: Newest, make: Make, case: tuple[int, str, str]
) -> None:
    start, framework, ci = case
    project = make(start, framework=framework, ci=ci)
    before = work(project)
    projects.update(project)
    assert_merged(project)
    after = project.files()
    assert yours(after) == before
    assert project.answers["framework"] == framework
    updated, fresh = others(after), others(newest(project))
    for shared in ("pyproject.toml", ".gitignore"):
        del updated[shared], fresh[shared]
    assert updated == fresh


@pytest.mark.parametrize(("start", "framework", "ci"), CASES[: len(STARTS)])
def test_a_project_nobody_edited_equals_a_fresh_one(
    newest: Newest, make: Make, start: int, framework: str, ci: str
) -> None:
    project = make(start, framework=framework, ci=ci)
    before = project.files()
    assert drift.compare(project.path).code == drift.CLEAN
    projects.update(project)
    assert drift.compare(project.path).code == drift.CLEAN
    after = project.files()
    assert others(after) == others(newest(project))
    assert yours(after) == yours(before)


def test_the_cases_meet_every_version_framework_and_provider() -> None:
    for number, values in enumerate((STARTS, FRAMEWORKS, PROVIDERS)):
        assert {case[number] for case in CASES} == set(values)


def test_each_rule_of_the_guide_has_its_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    guide = (projects.ROOT / "docs" / "updating.md").read_text("utf-8")
    for name in re.findall(r"`(test_\w+)`", guide):
        assert f"\ndef {name}(" in tests, name
    for name in re.findall(r"`(tests/[\w/]+\.py)`", guide):
        assert (projects.ROOT / name).exists(), name


def test_files_that_the_template_drops_renames_and_adds(make: Make) -> None:
    project = make(0)
    (project.path / "tests" / "contract" / "mine.py").write_text('"""Mine."""\n')
    (project.path / APP / "templates" / "example.html").write_text("<p>Mine.\n")
    project.commit()
    projects.update(project)
    names = set(project.files())
    assert "tests/contract/dropped.py" not in names
    assert "tests/contract/before.py" not in names
    assert {
        "tests/contract/after.py",
        f"{SECURITY}/validators.py",
    } <= names
    assert f"{SECURITY}/validation.py" not in names
    # Yours stays, though the template has dropped it; so does a file of yours among the template's.
    assert (project.path / APP / "templates" / "example.html").read_text() == "<p>Mine.\n"
    assert "tests/contract/mine.py" in names


def test_a_new_question_takes_its_default_and_a_removed_one_goes(
    series: Template, make: Make
) -> None:
    project = make(0)
    projects.update(project, vcs_ref=series.tags[1])
    assert project.answers["team"] == "platform"
    assert "Run by platform." in (project.path / "SECURITY.md").read_text()
    project.commit()
    projects.update(project)
    assert "team" not in project.answers
    assert "Run by" not in (project.path / "SECURITY.md").read_text()


def test_a_changed_default_leaves_the_answer(make: Make, series: Template, tmp_path: Path) -> None:
    project = make(0)
    projects.update(project)
    assert project.answers["tls_profile"] == "intermediate"
    assert projects.render(series.path, tmp_path / "new", {}).answers["tls_profile"] == "modern"


def test_an_edit_in_a_file_of_the_template_conflicts_loudly(make: Make) -> None:
    project = make(0)
    baseline = project.path / SECURITY / "baseline.toml"
    replace(baseline, "idle-timeout = 1800", "idle-timeout = 2400")
    project.commit()
    projects.update(project)
    assert project.git("diff", "--name-only", "--diff-filter=U") == f"{SECURITY}/baseline.toml"
    text = baseline.read_text()
    assert "idle-timeout = 2400" in text
    assert "idle-timeout = 900" in text


@pytest.mark.parametrize("framework", some(["flask", "litestar", "django"], ["flask"]))
def test_a_service_that_is_worked_on_updates_by_its_hook(
    make: Make, tmp_path: Path, framework: str
) -> None:
    """The whole way: install, update, and the suite of the new version with the user's work."""
    project = make(0, framework=framework)
    project.install()
    example.delete(project)
    if framework == "flask":
        add_feature(project)
    shared_and_facts(project)
    project.commit()
    before = yours(project.files())
    report = tmp_path / "report.md"
    hook = str(project.path / "hooks" / "update")
    done = project.run(
        *(sys.executable, hook, "--report", str(report)),
        check=False,
        timeout=1200,
        # Nobody answers there, so that the outcome is the same everywhere.
        AUDIT_SERVICE_URL="http://127.0.0.1:1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert yours(project.files()) == before
    text = report.read_text()
    for line in (
        "sessions.idle-timeout 1800 -> 900 (stricter)",
        'headers.permissions-off +"bluetooth" (stricter)',
        "series.new-key = 5 (new)",
        "sessions.idle-timeout = 3600 here until 2030-12-31; the policy now has 900",
        "shared: pyproject.toml",
        f"template: {SECURITY}/validators.py",
    ):
        assert f"\n    {line}\n" in text
    assert "yours:" not in text
    lines = r"\n## End of life of what is locked\n\n    \w+: template v5\.0\.0, python 3\."
    assert re.search(lines, text)
    assert "\n## Audit\n\n    could not be asked, so nothing is known\n    audit: not " in text
    # Of a suite that leans on the example too much, little would be left.
    passed, skipped = (
        sum(map(int, re.findall(rf"(\d+) {word}", text))) for word in ("passed", "skipped")
    )
    assert passed > 10 * skipped > 0, (passed, skipped)
    # A name of the door that the application imports has changed: it works, and this is said.
    views = f"{APP}/{'views' if framework == 'django' else 'pages'}.py"
    said = rf"warn  {views}:\d+: adapter\.safe_target is a former name, .* use safe_return"
    assert re.search(rf"\n    {said}\n", text)
    assert f"\n    in the patch, changed: {views}" in text
    if framework == "flask":
        project.run(project.python, "-m", "pytest", "-q", "tests/app/test_reports.py")
        # The template's history and the user's are two.
        ran = project.run(project.python, "-m", project.package, "db", "upgrade").stdout
        assert re.search(r"^ran core/\d+\n", ran, re.MULTILINE)
        assert len(re.findall("^ran app/", ran, re.MULTILINE)) == 3
    else:
        project.commit()
        # The service has facts of its own at the end of the policy: a conflict, as it should be.
        patch = str(report.with_suffix(".patch"))
        project.git("apply", "-3", "--exclude=policy.toml", patch)
        assert "safe_target" not in (project.path / views).read_text()
        strict = "error:adapter.safe_target is a former name:DeprecationWarning"
        tests = [f"tests/contract/test_{name}.py" for name in ("own_door", "red_redirects")]
        project.run(project.python, "-m", "pytest", "-q", "-W", strict, *tests)


def add_feature(project: Project) -> None:
    """Add a table, a route and its test to a Flask service, by the door."""
    path = project.path / APP
    replace(
        path / "models.py",
        "from sqlalchemy import MetaData\nfrom sqlalchemy.orm import DeclarativeBase\n\n"
        "from ..adapter import UserColumns\n",
        "from sqlalchemy import MetaData, String\n"
        "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\n\n"
        "from ..adapter import UserColumns, new_id\n",
    )
    with (path / "models.py").open("a") as file:
        file.write(
            '\n\nclass Report(Base):\n    """Mine."""\n\n    __tablename__ = "report"\n\n'
            "    id: Mapped[str] = mapped_column(String(16), primary_key=True, default=new_id)\n"
        )
    replace(
        path / "pages.py",
        '\n\n@blueprint.get("/login")\n',
        '\n\n@blueprint.get("/reports")\ndef reports() -> ResponseReturnValue:\n'
        '    return redirect(safe_target("/account", "/"), 303)\n'
        '\n\n@blueprint.get("/login")\n',
    )
    example_of_a_test = projects.ROOT / "template" / "tests" / "app" / "test_notes.py"
    (project.path / "tests" / "app" / "test_reports.py").write_text(
        example_of_a_test.read_text("utf-8").partition("def test_note_is")[0]
        + "def test_reports_lead_to_the_account(service: Inside) -> None:\n"
        '    assert service.member().get("/reports").headers["location"].endswith("/account")\n'
    )
    project.run(project.python, "-m", project.package, "db", "revision", "reports")
