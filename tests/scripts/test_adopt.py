"""make adopt: what an existing service meets when the template's files come to it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import adopt
from scripts.new import answer_options
from tests.projects import Project, shared

ANSWERS = "project_name=tea framework=flask"
OPTIONS = answer_options(ANSWERS)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what `make adopt` makes of the answers that all services of these tests give."""
    return shared(tmp_path_factory, "adopted", lambda path: adopt.render(path, OPTIONS))


@pytest.fixture(autouse=True)
def rendered_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it made once for all: it is read there, and takes longer than all the rest."""

    def render(target: Path, options: Sequence[str]) -> None:
        assert list(options) == OPTIONS
        shutil.copytree(made, target, symlinks=True)

    monkeypatch.setattr(adopt, "render", render)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a service that nobody generated, in git."""
    made = Project(tmp_path / "tea")
    for name, text in {
        "pyproject.toml": '[project]\nname = "tea"\nrequires-python = ">=3.9"\n'
        'dependencies = ["flask>=2,<3", "requests"]\n',
        "README.md": "# Mine\n",
        "Dockerfile": "FROM python:3.9\n",
        "requirements.txt": "# what it needs\n--no-binary x\nFlask\ngunicorn\nPyTest>=8 # tests\n"
        "Flask_SQLAlchemy[x]>=3 --hash=sha256:00\nrequests\n-e .\n",
        "app.py": "import flask\n",
        "shop/views.py": "from werkzeug.security import generate_password_hash\n",
        "shop/templates/shop.html": "<button onclick='buy()'>Buy</button>\n",
        "shop/templates/fine.html": "<script src='x.js'></script>\n<p class='one=1'></p>\n",
        "shop/limits.py": "MAX_CONTENT_LENGTH = 1\n",
        "shop/models.py": "",
        "src/tea/app/pages.py": "",
        ".gitignore": "*.db\n",
        "tea/__init__.py": "",
    }.items():
        (made.path / name).parent.mkdir(parents=True, exist_ok=True)
        (made.path / name).write_text(text)
    made.commit()
    monkeypatch.setenv("DEST", str(made.path))
    monkeypatch.setenv("ANSWERS", ANSWERS)
    return made


def test_says_what_it_takes_and_changes_nothing(
    service: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = service.files()
    assert adopt.main([]) == 0
    assert service.files() == before
    said = capsys.readouterr().out
    parts = {part.splitlines()[0].partition(":")[0]: part for part in said.split("\n\n")}
    assert "\n  Dockerfile" in parts["Collide"]
    assert "\n  pyproject.toml" in parts["Merge by hand"]
    assert "\n  README.md" in parts["Yours, stay"]
    assert "\n  src/tea/app/pages.py" in parts["Yours, stay"]
    assert parts["Code to move below src/<package>/app/, or to delete"].splitlines()[1:] == [
        "  app.py",
        "  shop/",
        "  tea/",
    ]
    for line in (
        "requires-python >=3.9: the template's is >=3.11",
        "flask>=2,<3: the template's is flask>=3.1,<4",
        "PyTest>=8: the template's is pytest>=9",
        "its other dependencies, once the files are merged: "
        "uv add requests 'Flask_SQLAlchemy[x]>=3'\n",
        "requirements.txt: dependencies are in pyproject.toml alone",
        "tea/: move it first, Python finds it before src/tea/",
        "app.py: the service is started by `run`",
    ):
        assert f"\n  {line}" in parts["To give up"]
    for what, files in (
        ("a login of its own", "shop/views.py"),
        ("headers, CSRF, CORS or limits of its own", "shop/limits.py"),
        ("a script or style inside HTML", "shop/templates/shop.html"),
    ):
        (line,) = [line for line in parts["To give up"].splitlines() if what in line]
        assert line.endswith(f": {files}")


def test_writes_all_or_nothing(service: Project, capsys: pytest.CaptureFixture[str]) -> None:
    before = service.files()
    assert adopt.main(["--write"]) == 0
    after = service.files()
    for name in ("README.md", "pyproject.toml", ".gitignore", "app.py", "src/tea/app/pages.py"):
        assert after[name] == before[name]
    assert after["Dockerfile"] != before["Dockerfile"]
    assert b'name = "tea"' in after["pyproject.toml.template-version"]
    assert b"Delete the example" in after["README.md.template-version"]
    assert "src/tea/app/pages.py.template-version" not in after
    assert ".copier-answers.yml" in after
    service.git("reset", "--hard", "--quiet")
    service.git("clean", "-fdq")
    assert service.files() == before


@pytest.mark.parametrize("state", ["changes", "no git", "blocked", "hidden", "generated"])
def test_refuses_what_cannot_be_undone(service: Project, state: str) -> None:
    if state == "changes":
        (service.path / "new.txt").write_text("new")
    elif state == "no git":
        (service.path / ".git").rename(service.path / "git")
    elif state == "generated":
        (service.path / ".copier-answers.yml").write_text("_commit: v1.0.0\n")
    elif state == "hidden":
        # Else they would be in no commit, and `git clean` would leave them behind.
        (service.path / ".gitignore").write_text(".env*\n")
        service.commit()
    else:
        (service.path / "hooks").write_text("a file")
        service.commit()
    before = service.files()
    with pytest.raises(SystemExit) as stopped:
        adopt.main(["--write"])
    assert str(stopped.value).startswith("adopt: ")
    assert service.files() == before


def test_the_way_back_is_for_that_folder(
    service: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is typed where the template is, whose files it must not clean."""
    spaced = service.path.rename(service.path.with_name("my tea"))
    monkeypatch.setenv("DEST", str(spaced))
    before = Project(spaced).files()
    assert adopt.main(["--write"]) == 0
    way = capsys.readouterr().out.rpartition("the way back: ")[2].strip()
    here = Project(spaced.parent / "here")
    here.path.mkdir()
    (here.path / "mine.txt").write_text("mine")
    here.commit()
    (here.path / "new.txt").write_text("new")
    here.run("sh", "-c", way)
    assert (here.path / "new.txt").exists()
    assert Project(spaced).files() == before


def test_reads_all_lists_of_dependencies(
    service: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {
        "pyproject.toml": '[project]\nname = "tea"\ndependencies = ["not one !!"]\n'
        '[project.optional-dependencies]\ns3 = ["boto3"]\n'
        '[dependency-groups]\ndev = ["black", {include-group = "x"}]\n'
        '[tool.poetry.dependencies]\npython = "^3.9"\nstripe = "^5"\n'
        '[tool.poetry.group.dev.dependencies]\nfreezegun = "*"\n',
        "requirements.txt": "-r requirements/base.txt\nrequests\n",
        "requirements/base.txt": "celery\n-r ../requirements.txt\n",
        "Pipfile": "",
    }.items():
        (service.path / name).parent.mkdir(exist_ok=True)
        (service.path / name).write_text(text)
    service.commit()
    assert adopt.main([]) == 0
    said = capsys.readouterr().out
    assert "uv add black boto3 stripe freezegun celery requests\n" in said
    assert "pyproject.toml: 'not one !!' is no requirement; mend it\n" in said
    assert "Pipfile: dependencies are in pyproject.toml alone; `uv add` what it asks for" in said


def test_no_dependency_is_lost_with_a_list_that_is_deleted(
    service: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {
        "pyproject.toml": "[tool.pdm.dev-dependencies]\nlint = ['flake8']\n",
        "setup.cfg": "[options]\ninstall_requires =\n  # ours\n  markdown>=3 # old\n  pillow\n"
        "[options.extras_require]\nmail =\n  flask-mail\n",
        # As pip-compile writes it.
        "requirements.txt": "-c limits.txt\n--index-url https://pypi.example/simple\n"
        "bleach==6.0.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n    # via -r x.in\n"
        "python-slugify  # for links\n-e .\n-e .[dev]\n-e git+https://a.example/b.git#egg=b\n"
        "git+https://a.example/c.git\nd @ git+https://a.example/d.git\n./vendored\n",
        "requirements-dev.txt": "black\n",
        "requirements/test.txt": "factory-boy\n",
        "test-requirements.txt": "-r requirements.txt\nmoto\n",
        "pdm.lock": "",
        "yarn.lock": "",
    }.items():
        (service.path / name).parent.mkdir(exist_ok=True)
        (service.path / name).write_text(text)
    frozen = service.path / "requirements" / "frozen.txt"
    frozen.write_bytes("\ufeffcelery==5.4.0\r\nkombu==5.4.0\r\n".encode("utf-16-le"))
    service.commit()
    assert adopt.main([]) == 0
    said = capsys.readouterr().out
    line = said.partition("uv add ")[2].partition("\n")[0]
    assert set(shlex.split(line)) == {
        *("flake8", "markdown>=3", "pillow", "flask-mail", "bleach==6.0.0", "python-slugify"),
        *("d @ git+https://a.example/d.git", "black", "factory-boy", "moto"),
        *("celery==5.4.0", "kombu==5.4.0"),
    }
    for text in ("-e git+https://a.example/b.git#egg=b", "git+https://a.example/c.git"):
        assert f"\n  {text}: only pip knows that; `uv add` what it is\n" in said
    assert "yarn.lock" not in said
    for name in ("pdm.lock", "requirements-dev.txt", "requirements/test.txt"):
        assert f"\n  {name}: dependencies are in pyproject.toml alone; delete it\n" in said
    # It may hold settings of tools, too.
    assert "\n  setup.cfg: dependencies are in pyproject.toml alone; take them out of it\n" in said


def test_of_its_own_package_what_lies_within_moves(
    service: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """The template's code lies there as well, from then on."""
    for name in ("src/tea/views.py", "src/tea/shop/models.py", "src/other/x.py", "src/y.py"):
        (service.path / name).parent.mkdir(parents=True, exist_ok=True)
        (service.path / name).write_text("")
    service.commit()
    assert adopt.main([]) == 0
    moved = capsys.readouterr().out.partition("\nCode to move")[2].partition("\n\n")[0]
    assert moved.splitlines()[1:] == [
        *("  app.py", "  shop/", "  src/", "  src/other/", "  src/tea/shop/"),
        *("  src/tea/views.py", "  tea/"),
    ]


def test_without_git_installed_packages_are_no_code_of_the_service(
    service: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(service.path / ".git")
    for name in (".venv/lib/a.py", "venv/lib/b.py", "node_modules/c/d.py"):
        (service.path / name).parent.mkdir(parents=True)
        (service.path / name).write_text("import passlib\n")
    assert adopt.main([]) == 0
    said = capsys.readouterr().out
    assert "shop/views.py" in said
    assert not [word for word in ("venv", "node_modules") if word in said]


@pytest.mark.parametrize("name", ["Dockerfile", "deploy"])
def test_writes_through_no_link(service: Project, tmp_path: Path, name: str) -> None:
    """What lies behind it may be of another repository, where git takes nothing back."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (service.path / name).unlink(missing_ok=True)
    (service.path / name).symlink_to(outside / ("file" if name == "Dockerfile" else "."))
    service.commit()
    with pytest.raises(SystemExit) as stopped:
        adopt.main(["--write"])
    assert f"{name} is a symbolic link, where the template has files" in str(stopped.value)
    assert not list(outside.iterdir())


def test_the_template_is_no_service(service: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEST", str(adopt.ROOT))
    with pytest.raises(SystemExit) as stopped:
        adopt.main([])
    assert "is the template" in str(stopped.value)
    assert service.path.exists()
