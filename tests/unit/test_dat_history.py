"""Migrations that say in other ways what they are and what comes before them (DAT-1)."""

from __future__ import annotations

from pathlib import Path

import pytest

history = pytest.importorskip("my_service.adapter.history")
if not hasattr(history, "History"):
    pytest.skip("Django reads its migrations itself", allow_module_level=True)


@pytest.mark.contract("DAT-1")
@pytest.mark.parametrize(
    ("text", "revision", "before"),
    [
        ('revision = "b"\ndown_revision = "a"\n', "b", ("a",)),
        ('revision: str = "b"\ndown_revision: str | None = None\ndepends_on = "a"\n', "b", ("a",)),
        ('revision = "b"\ndown_revision = ("a", "c")\n', "b", ("a", "c")),
        ('revision, down_revision, branch_labels = "b", "a", None\n', "b", ("a",)),
        ('BASE = "a"\nrevision = "b" + "c"\ndown_revision = BASE\n', "bc", ("a",)),
    ],
    ids=["alembic's template", "annotated", "a merge", "in one line", "computed"],
)
def test_migration_is_known(
    text: str, revision: str, before: tuple[str, ...], tmp_path: Path
) -> None:
    """One that is overlooked would be missing in the database without a word."""
    (tmp_path / "it.py").write_text(f"{text}\n\ndef upgrade() -> None:\n    pass\n", "utf-8")
    assert history.History("app", tmp_path, "version")._migrations() == {revision: before}
