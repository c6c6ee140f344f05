# Owned by the template: extend, do not edit.
"""Names that the door no longer has: they keep working, with a warning, for one major version."""

from __future__ import annotations

import sys
import warnings
from typing import Any

FORMER: dict[str, tuple[str, str]] = {}
"""Each former name: the one in the door's `__all__` that does the same now, and the version
without it. A name that goes in 1.x works in all of 2.x, and is gone in 3.0.0.

Type checkers, which do not look here, need a line `former = now` below `if TYPE_CHECKING:` in the
door as well.
"""


def stand_in(door: str, name: str) -> Any:
    """Return what a former name of the module `door` stands for; warn the one who asks.

    Raises `AttributeError` for any other name, as the module would.
    """
    module = sys.modules[door]
    now, gone = FORMER.get(name, ("", ""))
    if now not in module.__all__:
        raise AttributeError(f"module {door!r} has no attribute {name!r}", name=name, obj=module)
    # The callers: the door's __getattr__, and then who imports.
    warnings.warn(
        f"adapter.{name} is a former name, gone in {gone}: use {now}",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(module, now)
