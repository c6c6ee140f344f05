"""`drift`: what of the template's files is no longer as it came."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ..driver import run_cli

MADE = b"As it was made.\n"


@pytest.mark.contract("OWN-1")
def test_edited_and_deleted_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    digest, names = hashlib.sha256(MADE).hexdigest(), ("same", "edited", "deleted")
    manifest = tmp_path / ".template" / "manifest"
    manifest.parent.mkdir()
    manifest.write_text("".join(f"{digest}  {name}\n" for name in names))
    for name in names:
        (tmp_path / name).write_bytes(MADE)
    assert run_cli("drift", environment={}).exit_code == 0
    (tmp_path / "edited").write_bytes(MADE + b"And then edited.\n")
    (tmp_path / "deleted").unlink()
    done = run_cli("drift", "--json", environment={})
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"files": 3, "edited": ["edited"], "deleted": ["deleted"]}
