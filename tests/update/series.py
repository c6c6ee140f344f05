"""A series of template versions, made from the working tree: what a template does as it ages.

The first version is the tree itself with examples of what later ones drop. Each step is a kind of
change that docs/updating.md has a rule for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from scripts import manifest
from tests import projects
from tests.projects import Project

APP = "src/my_service/app"
YOURS = ("README.md", "CHANGELOG.md", "policy.toml", f"{APP}/", "tests/app/")
"""The user's in a project of the default answers: see OWNERSHIP in copier.yml."""
PACKAGE = "src/{{ package }}"
BASELINE = f"{PACKAGE}/security/baseline.toml"
DIRECTIONS = f"{PACKAGE}/security/directions.toml"
_CORE_COLUMN = '''# Owned by the template: extend, do not edit.
"""A column of a later version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{next}"
down_revision = "{last}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_account", sa.Column("language", sa.String(10)))


def downgrade() -> None:
    op.drop_column("user_account", "language")
'''


def core_column(folder: Path) -> tuple[str, str]:
    """Return the number and the text of a migration after those of the template in `folder`."""
    last = max(file.stem for file in folder.glob("[0-9]*.py"))[:4]
    following = f"{int(last) + 1:04}"
    return following, _CORE_COLUMN.format(last=last, next=following)


class Template:
    """The template under git, with a tag for each version."""

    def __init__(self, folder: Path) -> None:
        """Take the folder into which `write_all` has written."""
        self.project = Project(folder)
        self.tags = [f"v{number + 1}.0.0" for number in range(len(STEPS))]

    @classmethod
    def write_all(cls, folder: Path) -> None:
        """Write and release all versions into `folder`, which does not exist."""
        made = cls(projects.copy_template(folder))
        for step, tag in zip(STEPS, made.tags, strict=True):
            step(made)
            assert manifest.main(made.path) == 0
            made.release(tag)

    @property
    def path(self) -> Path:
        """The template's folder."""
        return self.project.path

    def file(self, name: str) -> Path:
        """Return the path of a source of the generated project."""
        return self.path / "template" / name

    def write(self, name: str, text: str) -> None:
        """Write a source."""
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        self.file(name).write_text(text, "utf-8")

    def append(self, name: str, text: str) -> None:
        """Append to a source."""
        self.write(name, self.file(name).read_text("utf-8") + text)

    def change(self, name: str, old: str, new: str) -> None:
        """Replace a text that occurs once in a source, or raise `AssertionError`."""
        replace(self.file(name), old, new)

    def release(self, tag: str) -> None:
        """Commit and tag a version."""
        self.project.commit()
        self.project.git("tag", tag)


def yours(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return those files of a project that are the user's."""
    return {name: text for name, text in files.items() if name.startswith(YOURS)}


def others(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return those that are not."""
    return {name: text for name, text in files.items() if not name.startswith(YOURS)}


def replace(path: Path, old: str, new: str) -> None:
    """Replace a text that occurs once in a file, or raise `AssertionError`."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{path.name}: {old!r} occurs {text.count(old)} times"
    path.write_text(text.replace(old, new), "utf-8")


def first(template: Template) -> None:
    """Begin: the tree, and examples of files that a later version drops or renames."""
    owned = '# Owned by the template: extend, do not edit.\n"""{}."""\n'
    template.write("tests/contract/dropped.py", owned.format("Dropped"))
    template.write("tests/contract/before.py", owned.format("Renamed"))
    template.write(f"{PACKAGE}/app/templates/example.html", "<p>An example of the first version.\n")


def policy_values(template: Template) -> None:
    """Make values of the policy stricter, and ask a new question."""
    template.change(BASELINE, "idle-timeout = 1800", "idle-timeout = 1200")
    template.change(BASELINE, '  "midi", "payment",', '  "midi", "bluetooth", "payment",')
    expected = "tests/contract/expect.py"
    template.change(expected, '"midi", "payment",', '"midi", "bluetooth", "payment",')
    replace(
        template.path / "copier.yml",
        "# Stored, not asked; change one with --data.\n",
        "team:\n  type: str\n  help: Which team runs it?\n  default: platform\n\n"
        "# Stored, not asked; change one with --data.\n",
    )
    template.append("SECURITY.md.jinja", "\nRun by {{ team }}.\n")


def page_and_module(template: Template) -> None:
    """Add a page that every framework has, move a module of the core, rename at the door."""
    template.change(
        f"{PACKAGE}/security/boundary.py",
        "        if path == _ALIVE:\n",
        '        if path in {_ALIVE, "/aboutz"}:\n',
    )
    template.change(
        f"{PACKAGE}/security/boundary.py",
        "frozenset({_ALIVE, ",
        'frozenset({_ALIVE, "/aboutz", ',
    )
    security = template.file(f"{PACKAGE}/security")
    shutil.move(security / "validation.py", security / "validators.py")
    # Applications know the door alone, so nobody but the adapters is told of another name.
    for room in ("adapter", "security"):
        for file in template.path.glob(f"template/**/src/*/{room}/**/*.py*"):
            text = file.read_text("utf-8")
            file.write_text(text.replace("validation import", "validators import"), "utf-8")
    rename_at_the_door(template, "safe_target", "safe_return")


def rename_at_the_door(template: Template, old: str, new: str) -> None:
    """Give a function of the door another name; the old one stays as a former name (OWN-2)."""
    for door in template.path.glob("template/*/src/*/adapter/__init__.py"):
        replace(door, f'    "{old}",\n', f'    "{new}",\n')
        replace(door, f"def {old}(", f"def {new}(")
        with door.open("a") as file:
            file.write(f"\n\nif TYPE_CHECKING:\n    {old} = {new}\n")
    for path in template.path.glob("template/*/src/*/app/*.py"):
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    former = f"{PACKAGE}/adapter/former.py"
    template.change(former, "]] = {}\n", f']] = {{"{old}": ("{new}", "9.0.0")}}\n')


def key_dependency_and_files(template: Template) -> None:
    """Add a key to the policy, a dependency, a column; drop a file of each owner, rename one."""
    template.append(BASELINE, "\n[series]\nnew-key = 5\n")
    template.append(DIRECTIONS, '\n[series]\nnew-key = "lower"\n')
    policy = f"{PACKAGE}/security/policy.py"
    template.change(
        policy,
        "class Baseline(_Model):\n",
        'class Series(_Model):\n    """New."""\n\n    new_key: Positive\n\n\n'
        "class Baseline(_Model):\n",
    )
    static = "    static: StaticPolicy\n"
    template.change(policy, static, f"{static}    series: Series\n")
    template.change(
        "pyproject.toml.jinja", '  "zxcvbn>=4.5,<5",\n', '  "zxcvbn>=4.5,<5",\n  "idna",\n'
    )
    users = f"{{{{ use.sqlalchemy }}}}/{PACKAGE}/adapter"
    core = f"{users}/migrations/core"
    number, text = core_column(template.file(core))
    template.write(f"{core}/{number}_language.py", text)
    column = "    language: Mapped[str | None] = mapped_column(String(10))\n"
    disabled = "    disabled: Mapped[bool]"
    template.change(f"{users}/users.py", disabled, column + disabled)
    template.file("tests/contract/dropped.py").unlink()
    template.file("tests/contract/before.py").rename(template.file("tests/contract/after.py"))
    template.file(f"{PACKAGE}/app/templates/example.html").unlink()
    template.change(".gitignore", "/var/\n", "/var/\n/spool/\n")


def defaults_and_answers(template: Template) -> None:
    """Change the default of a question and remove another one; change yours for new projects."""
    config = template.path / "copier.yml"
    replace(
        config,
        "  default: intermediate\n  choices:\n    All in use today, TLS",
        "  default: modern\n  choices:\n    All in use today, TLS",
    )
    replace(
        config,
        "team:\n  type: str\n  help: Which team runs it?\n  default: platform\n\n",
        "",
    )
    template.change("SECURITY.md.jinja", "\nRun by {{ team }}.\n", "")
    template.change(BASELINE, "idle-timeout = 1200", "idle-timeout = 900")
    change_yours(template)
    template.append(f"{{{{ use.jinja }}}}/{PACKAGE}/app/schemas.py", "\n# New.\n")
    template.append("tests/app/test_notes.py", "\n# New.\n")


def change_yours(template: Template) -> None:
    """Change files that are the user's, so that the change is for new projects only."""
    template.append("README.md.jinja", "\nNew.\n")
    template.append("CHANGELOG.md", "\nNew.\n")
    template.append("policy.toml.jinja", "\n# New.\n")
    template.append(f"{PACKAGE}/app/static/app.css", "\n/* New. */\n")


STEPS: tuple[Callable[[Template], None], ...] = (
    first,
    policy_values,
    page_and_module,
    key_dependency_and_files,
    defaults_and_answers,
)
