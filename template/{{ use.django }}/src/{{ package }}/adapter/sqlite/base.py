# Owned by the template: extend, do not edit.
"""Where Django looks for an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite that makes the file's folder, and the file with mode 0600, before it is opened."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        name = str(conn_params["database"])
        # Tests of Django's run in memory, at an address that is no path.
        if not name.startswith((":memory:", "file:")):
            path = Path(name)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        return super().get_new_connection(conn_params)
