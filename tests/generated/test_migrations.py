"""Tables over time: a user's column, the template's, machines that start together."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.conftest import Render
from tests.live.backends import PostgresServer, serving
from tests.projects import BIN, Project
from tests.update.series import core_column
from tests.weekly import some

FRAMEWORKS = ("flask", "django")
"""One for each way to keep tables: the others share Flask's files."""
COLUMN = {
    "flask": (
        "    title: Mapped[str] = mapped_column(String(100))\n",
        "    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())\n",
    ),
    "django": (
        "    created = models.DateTimeField(default=now)\n",
        "    pinned = models.BooleanField(default=False)\n",
    ),
}
CORE_MODEL = """

class Language(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    code = models.CharField(max_length=10)
"""
"""A table of a later version."""
FIRST_EDITION = """
CREATE TABLE user_account (id VARCHAR(16) NOT NULL, name VARCHAR(100) NOT NULL,
  password_hash VARCHAR(255) NOT NULL, PRIMARY KEY (id), UNIQUE (name));
CREATE TABLE note (id VARCHAR(16) NOT NULL, owner VARCHAR(16) NOT NULL,
  title VARCHAR(100) NOT NULL, body VARCHAR(5000) NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY (id), FOREIGN KEY(owner) REFERENCES user_account (id) ON DELETE CASCADE);
CREATE INDEX ix_note_owner ON note (owner);
INSERT INTO user_account VALUES ('1', 'ada', 'x');
INSERT INTO note VALUES ('2', '1', 'One', 'Kept', 1);
"""
"""A database as `create_all` made it, before there were versions."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL."""
    with serving(PostgresServer) as server:
        yield server


@pytest.fixture(params=some(FRAMEWORKS, ["flask"]))
def framework(request: pytest.FixtureRequest) -> str:
    """Return the framework."""
    return str(request.param)


@pytest.fixture
def project(installed: Render, framework: str, tmp_path: Path) -> Project:
    """Return a copy of a project, to be edited."""
    made = installed(framework=framework)
    copy = made.copy(tmp_path / "project")
    (copy.path / ".venv").symlink_to(made.path / ".venv")
    return copy


def command(
    project: Project, *words: str, url: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the project's command on the database at `url`, by default on that of development."""
    where = url or "sqlite:///var/app.db"
    source = str(project.path / "src")
    return project.run(
        *(project.python, "-m", project.package, *words),
        check=check,
        PYTHONPATH=source,
        APP_DATABASE_URL=where,
    )


def edit(project: Project, name: str, old: str, new: str) -> None:
    path = project.path / "src" / project.package / name
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{name}: {old}"
    path.write_text(text.replace(old, new), "utf-8")


def add_column(project: Project, framework: str) -> None:
    """Do what a user does: a column of the notes."""
    before, added = COLUMN[framework]
    edit(project, "app/notes/models.py", before, before + added)
    if framework == "flask":
        old = "from sqlalchemy import ForeignKey, String\n"
        edit(project, "app/notes/models.py", old, old.replace("String", "String, false"))


def urls(project: Project, postgres: PostgresServer, name: str) -> list[str]:
    """Return a new database of each kind."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return [f"sqlite:///{project.path / 'var' / 'other.db'}", postgres.url_of(name)]


def test_a_column_of_the_users(
    project: Project, framework: str, postgres: PostgresServer, mypy: tuple[str, ...]
) -> None:
    databases = urls(project, postgres, f"column_{framework}")
    for url in databases:
        command(project, "db", "upgrade", url=url)
        assert "up to date" in command(project, "db", "upgrade", url=url).stdout
    add_column(project, framework)
    missing = command(project, "db", "check", check=False)
    assert missing.returncode == 1
    assert "pinned" in missing.stdout
    assert "db revision" in missing.stdout
    wrote = command(project, "db", "revision", "pinned notes").stdout
    assert "pinned_notes.py" in wrote
    assert "nothing to write" in command(project, "db", "revision", "again").stdout
    command(project, "db", "check")
    for url in databases:
        assert "ran " in command(project, "db", "upgrade", url=url).stdout
        command(project, "db", "check", url=url)
    ruff = str(BIN / "ruff")
    project.run(ruff, "format", "--check", "--diff", "--no-cache", "src")
    project.run(ruff, "check", "--no-cache", "src")
    project.run(project.python, *mypy, "src")


def test_machines_that_start_together(
    project: Project, framework: str, postgres: PostgresServer
) -> None:
    source = str(project.path / "src")
    for url in urls(project, postgres, f"together_{framework}"):
        started = [
            subprocess.Popen(
                [project.python, "-m", project.package, "db", "upgrade"],
                cwd=project.path,
                env={"PATH": str(BIN), "PYTHONPATH": source, "APP_DATABASE_URL": url},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(3)
        ]
        said = [process.communicate()[0] for process in started]
        assert [process.returncode for process in started] == [0, 0, 0], said
        assert sum("ran " in text for text in said) == 1


def test_the_template_brings_its_own(project: Project, framework: str) -> None:
    command(project, "db", "upgrade")
    app = project.path / "src" / project.package / "app"
    before = {path: path.read_bytes() for path in app.rglob("*.py")}
    adapter = project.path / "src" / project.package / "adapter"
    if framework == "flask":
        core = adapter / "migrations" / "core"
        number, text = core_column(core)
        (core / f"{number}_language.py").write_text(text)
        old = "    disabled: Mapped[bool]"
        new = f"    language: Mapped[str | None] = mapped_column(String(10))\n{old}"
        edit(project, "adapter/users.py", old, new)
        expected = f"core/{number}"
    else:
        with (adapter / "models.py").open("a") as models:
            models.write(CORE_MODEL)
        words = (project.python, "manage.py", "makemigrations", "adapter")
        project.run(*words, PYTHONPATH=str(adapter.parent.parent))
        expected = "_language"
    # Nothing for the application to do.
    command(project, "db", "check")
    assert "nothing to write" in command(project, "db", "revision", "mine").stdout
    assert expected in command(project, "db", "upgrade").stdout
    assert {path: path.read_bytes() for path in app.rglob("*.py")} == before
    # What the application adds afterwards is its own alone.
    add_column(project, framework)
    command(project, "db", "revision", "pinned")
    made = {path for path in app.rglob("*.py") if path not in before}
    assert len(made) == 1
    assert "language" not in made.pop().read_text("utf-8")


@pytest.mark.parametrize("framework", ["flask"], indirect=True)
def test_a_database_of_the_first_edition_is_adopted(project: Project) -> None:
    path = project.path / "var" / "app.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(FIRST_EDITION)
        database.commit()
    said = command(project, "db", "upgrade").stdout
    assert "core/0002" in said
    assert "core/0001" not in said
    assert "app/0001" not in said
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT title FROM note").fetchall() == [("One",)]
        assert database.execute("SELECT name, disabled FROM user_account").fetchall() == [
            ("ada", 0)
        ]


@pytest.mark.parametrize("framework", ["flask"], indirect=True)
def test_another_database_is_not_adopted(project: Project) -> None:
    path = project.path / "var" / "app.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        script = FIRST_EDITION.replace("title VARCHAR(100) NOT NULL, ", "")
        database.executescript(script.replace("'One', ", ""))
        database.commit()
    done = command(project, "db", "upgrade", check=False)
    assert done.returncode == 1
    assert "note.title" in done.stderr
    assert "Traceback" not in done.stderr


CHILD = """

class Label(Base):
    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str] = mapped_column(ForeignKey("note.id", ondelete="CASCADE"))
"""


@pytest.mark.parametrize("framework", ["flask"], indirect=True)
def test_copying_a_table_in_sqlite_keeps_what_belongs_to_its_rows(project: Project) -> None:
    """SQLite changes a column by copying the table and dropping the old one."""
    models = project.path / "src" / project.package / "app" / "notes" / "models.py"
    models.write_text(models.read_text("utf-8") + CHILD, "utf-8")
    command(project, "db", "revision", "labels")
    command(project, "db", "upgrade")
    path = project.path / "var" / "app.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO user_account (id, name, password_hash) VALUES (1, 'a', 'x')")
        database.execute("INSERT INTO note VALUES (1, 1, 'One', '', 1)")
        database.execute("INSERT INTO label VALUES (1, 1)")
        database.commit()
    edit(project, "app/notes/models.py", "title: Mapped[str]", "title: Mapped[str | None]")
    command(project, "db", "revision", "title may be missing")
    command(project, "db", "upgrade")
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM label").fetchone() == (1,)
        sql = database.execute("SELECT sql FROM sqlite_master WHERE name = 'note'").fetchone()[0]
    assert "title VARCHAR(100) NOT NULL" not in sql
