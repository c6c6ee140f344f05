"""make adopt: what an existing service meets when the template's files come to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import adopt
from tests.projects import Project


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a service that nobody generated, in git."""
    made = Project(tmp_path / "tea")
    for name, text in {
        "pyproject.toml": '[project]\nname = "tea"\nrequires-python = ">=3.9"\n'
        'dependencies = ["flask>=2,<3", "requests"]\n',
        "README.md": "# Mine\n",
        "Dockerfile": "FROM python:3.9\n",
        "requirements.txt": "flask\n",
        "app.py": "import flask\n",
        "shop/views.py": "",
        "shop/models.py": "",
        "src/tea/app/pages.py": "",
        ".gitignore": "*.db\n",
    }.items():
        (made.path / name).parent.mkdir(parents=True, exist_ok=True)
        (made.path / name).write_text(text)
    made.commit()
    monkeypatch.setenv("DEST", str(made.path))
    monkeypatch.setenv("ANSWERS", "project_name=tea framework=flask")
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
    ]
    for line in (
        "requires-python >=3.9: the template's is >=3.11",
        "flask>=2,<3: the template's is flask>=3.1,<4",
        "requirements.txt: other lists of dependencies",
        "app.py: the service is started by `run`",
    ):
        assert f"\n  {line}" in parts["To give up"]


def test_writes_all_or_nothing(service: Project, capsys: pytest.CaptureFixture[str]) -> None:
    before = service.files()
    assert adopt.main(["--write"]) == 0
    after = service.files()
    for name in ("README.md", "pyproject.toml", ".gitignore", "app.py", "src/tea/app/pages.py"):
        assert after[name] == before[name]
    assert after["Dockerfile"] != before["Dockerfile"]
    assert b'name = "tea"' in after["pyproject.toml.template-version"]
    assert ".copier-answers.yml" in after
    service.git("reset", "--hard", "--quiet")
    service.git("clean", "-fdq")
    assert service.files() == before


@pytest.mark.parametrize("state", ["changes", "no git", "blocked", "generated"])
def test_refuses_what_cannot_be_undone(service: Project, state: str) -> None:
    if state == "changes":
        (service.path / "new.txt").write_text("new")
    elif state == "no git":
        (service.path / ".git").rename(service.path / "git")
    elif state == "generated":
        (service.path / ".copier-answers.yml").write_text("_commit: v1.0.0\n")
    else:
        (service.path / "hooks").write_text("a file")
        service.commit()
    before = service.files()
    with pytest.raises(SystemExit) as stopped:
        adopt.main(["--write"])
    assert str(stopped.value).startswith("adopt: ")
    assert service.files() == before
