"""Deletes the example feature from a project, as the project's README tells its user to."""

from __future__ import annotations

import re

from tests.projects import BIN, Project

FILES = ("notes.py", "api.py", "templates/notes.html")
# What goes from each file of `app/`: from the first pattern up to the second, or to the end.
PAGES = {
    "fastapi": (r'@router\.get\("/notes"\)', r"def _account_page"),
    "flask": (r'@blueprint\.get\("/notes"\)', r"def _account_page"),
    "django": (r"class Notes\(View\)", r"def _account_page"),
    "litestar": (r"class NotesPages\(", r"def _account_page"),
}
PARTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "fastapi": (
        ("deps.py", r"def _notes\(", r"CurrentUsers"),
        ("deps.py", r"CurrentNotes = ", r"\Z"),
        ("deps.py", r"from \.notes import", r"from \.users"),
        ("main.py", r"    app\.include_router\(api\.", r"    return"),
        ("main.py", r"api, (?=pages\n)", r"pages\n"),
    ),
    "flask": (
        ("deps.py", r"def notes\(", r"\Z"),
        ("deps.py", r"from \.notes import", r"from \.users"),
        ("main.py", r"    app\.register_blueprint\(api\.", r"    return"),
        ("main.py", r"api, (?=pages\n)", r"pages\n"),
    ),
    "litestar": (
        ("deps.py", r"def _notes\(", r"CurrentUsers"),
        ("deps.py", r"CurrentNotes = ", r"\nDEPENDENCIES"),
        ("deps.py", r'    "notes": ', r"}"),
        ("deps.py", r"from \.notes import", r"from \.users"),
        ("main.py", r"from \.api import", r"from \.database"),
        ("main.py", r"NotesPages, (?=Pages\n)", r"Pages\n"),
        ("main.py", r", NotesPages, NotesApi", r"\]"),
    ),
    "django": (
        ("urls.py", r'    path\("notes"', r"\]"),
        ("urls.py", r"api, (?=pages\n)", r"pages\n"),
        ("pages.py", r"from \. import notes", r"from \.schemas"),
    ),
}
EVERYWHERE = (
    ("models.py", r"class Note\(", r"\Z"),
    ("schemas.py", r"class NoteIn\(", r"def parse"),
    ("templates/base.html", r"\{\{ entry\('notes'", r"\{% if user"),
    ("templates/home.html", r'<p><a class="button" href="/notes"', r"\{% else"),
    ("templates/home.html", r'<section class="card">\n<h2><a href="/notes"', r"<section .*\n.*acc"),
)


ADMIN = ("admin.py", r"@admin\.register\(Note\)", r"admin\.site\.unregister")


def files(framework: str, *, admin: bool = False) -> set[str]:
    """Return the files of `app/` that change or go."""
    parts = (*PARTS[framework], *EVERYWHERE, *([ADMIN] if admin else []))
    return {"pages.py", *FILES, *(name for name, _, _ in parts)}


def delete(project: Project) -> None:
    """Delete the example's files, what leads to them, and the imports that are left over.

    The project of Django must be installed: its migration is made.
    """
    framework = project.answers["framework"]
    app = project.path / "src" / project.package / "app"
    for name in FILES:
        (app / name).unlink()
    (project.path / "tests" / "app" / "test_notes.py").unlink()
    parts = [("pages.py", *PAGES[framework]), *PARTS[framework], *EVERYWHERE]
    if (app / "admin.py").exists():
        parts.append(ADMIN)
    for name, first, last in parts:
        text = (app / name).read_text("utf-8")
        changed, number = re.subn(rf"{first}(?s:.*?)(?={last})", "", text, count=1)
        assert number == 1, f"{name} has no {first}"
        (app / name).write_text(changed.rstrip("\n") + "\n", "utf-8")
    ruff = str(BIN / "ruff")
    project.run(ruff, "check", "--fix", "--quiet", ".")
    if framework == "django":
        project.run(project.python, "manage.py", "makemigrations", "--name", "delete_note")
    project.run(ruff, "format", "--quiet", ".")
