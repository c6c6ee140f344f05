"""The page of the settings is complete: what the environment may say, and no more."""

from __future__ import annotations

import ast
import re

from tests.conftest import Render
from tests.projects import BY_MAIL, ROOT


def test_each_setting_stands_in_the_table(rendered: Render) -> None:
    file = rendered(**BY_MAIL).path / "src" / "my_service" / "config.py"
    (settings,) = (
        each
        for each in ast.parse(file.read_text("utf-8")).body
        if isinstance(each, ast.ClassDef) and each.name == "Settings"
    )
    fields = {
        each.target.id
        for each in settings.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    page = (ROOT / "docs" / "using.md").read_text("utf-8")
    table = page.partition("\n## Configure\n")[2].partition("\n\nEach can be read")[0]
    assert set(re.findall(r"`APP_(\w+)`", table)) == {name.upper() for name in fields}
