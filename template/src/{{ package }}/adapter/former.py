# Owned by the template: extend, do not edit.
"""Names that the door no longer has: they keep working, with a warning, for one major version."""

from __future__ import annotations

import sys
import warnings
from typing import Any

FORMER: dict[str, str] = {}
"""Each former name and the one in the door's `__all__` that does the same now.

An entry stays until the first number of the template's version has gone up twice. Type checkers,
which do not look here, need a line `former = now` below `if TYPE_CHECKING:` in the door as well.
"""


def stand_in(door: str, name: str) -> Any:
    """Return what a former name of the module `door` stands for; warn the one who asks.

    Raises `AttributeError` for any other name, as the module would.
    """
    module, now = sys.modules[door], FORMER.get(name)
    if now is None or now not in module.__all__:
        raise AttributeError(f"module {door!r} has no attribute {name!r}", name=name, obj=module)
    # The callers: the door's __getattr__, and then who imports.
    warnings.warn(
        f"adapter.{name} is a former name, gone with the next major version: use {now}",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(module, now)
