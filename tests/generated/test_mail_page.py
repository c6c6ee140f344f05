"""What docs/build.md says of mails, where a project has them, is run.

It is the same for all frameworks but Django: FastAPI and that run with each change.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.generated import snippets
from tests.live.service import Service
from tests.projects import BY_MAIL
from tests.weekly import frameworks

ADDRESS = "ada@example.com"
IN_SESSION = f"""
from my_service.adapter import SqlUsers
from my_service.app.receipts import mail_receipt
from my_service.app.users import open_users
from my_service.config import load

users = open_users(load().database_url)
assert isinstance(users, SqlUsers)
with users.transaction() as session:
    mail_receipt(session, {ADDRESS!r}, "Darjeeling")
"""
IN_DJANGO = f"""
import django

django.setup()
from my_service.app.receipts import mail_receipt

mail_receipt({ADDRESS!r}, "Darjeeling")
"""


@pytest.mark.parametrize("framework", frameworks("fastapi", "django"))
def test_receipt(installed: Render, framework: str, tmp_path: Path) -> None:
    made = installed(framework=framework, **BY_MAIL)
    built = made.copy(tmp_path / "project")
    shutil.rmtree(built.path / "tests" / "contract" / "unit", ignore_errors=True)
    (built.path / ".venv").symlink_to(made.path / ".venv")
    page = (built.path / "docs" / "build.md").read_text("utf-8")
    (snippet,) = snippets.read(page.partition("\n## A mail\n")[2].partition("\n## ")[0])
    snippet.write(built)
    here = {
        "PYTHONPATH": str(built.path / "src"),
        "APP_MAIL_FROM": "shop@example.com",
        "APP_SMTP_URL": "smtp://127.0.0.1:9",
        "DJANGO_SETTINGS_MODULE": "my_service.app.settings",
    }
    desk = Service(built, tmp_path, here)
    assert desk.command("db", "upgrade").returncode == 0
    script = IN_DJANGO if framework == "django" else IN_SESSION
    built.run(built.python, "-c", script, **desk.environment())  # type: ignore[arg-type] # texts
    listed = desk.command("mail", "list", "--json")
    assert [(row["kind"], row["to"]) for row in json.loads(listed.stdout)] == [("message", ADDRESS)]
