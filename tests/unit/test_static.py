"""Which files of the static folder are served."""

from __future__ import annotations

from pathlib import Path

import pytest

from my_service.security.errors import Problem
from my_service.security.static import StaticFiles


@pytest.mark.contract("CFG-2")
@pytest.mark.parametrize("name", [".env", ".git/config", "css/.cache/a.map", "css/.DS_Store"])
def test_hidden_files_and_what_hidden_folders_have_are_not_served(
    tmp_path: Path, name: str
) -> None:
    for each in ("css/app.css", name):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text("a", "utf-8")
    files = StaticFiles(tmp_path, 60)
    assert files.response(files.url("css/app.css")).body == b"a"
    for path in (f"/static/{name}", f"{files.url_path}/{name}"):
        with pytest.raises(Problem):
            files.response(path)
