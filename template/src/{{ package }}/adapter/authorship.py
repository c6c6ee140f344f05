# Owned by the template: extend, do not edit.
"""Who wrote the text of an error: the application's author, or the framework (FPR-2)."""

from __future__ import annotations

from http import HTTPStatus
from traceback import walk_tb

_RAISERS = frozenset({"abort", "Aborter.__call__"})
"""Functions of frameworks that raise for the author who calls them."""


def author_wrote(error: BaseException, text: str, *packages: str) -> bool:
    """Tell whether `text` is the author's own.

    It differs from what HTTP says anyway, and the exception was raised outside of the framework's
    `packages`. Either alone would show the framework's wording, or swallow the author's.
    """
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    try:
        phrase = HTTPStatus(int(status)).phrase if status else ""
    except ValueError:
        phrase = ""
    return bool(text) and text != phrase and not raised_in(error, *packages)


def raised_in(error: BaseException, *packages: str) -> bool:
    """Tell whether the frame that raised is code of one of these packages."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    while frames and frames[-1].f_code.co_qualname in _RAISERS:
        frames.pop()
    name = str(frames[-1].f_globals.get("__name__", "")) if frames else ""
    return name.partition(".")[0] in packages
