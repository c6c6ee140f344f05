# Owned by the template: extend, do not edit.
"""Whose an error is: the author's, the framework's (FPR-2), or the client's."""

from __future__ import annotations

from http import HTTPStatus
from traceback import walk_tb

from ..security.errors import Problem

_RAISERS = frozenset({"abort", "Aborter.__call__"})
"""Functions of frameworks that raise for the author who calls them."""
_READERS = frozenset(
    {
        *("receive_json", "receive_text", "receive_bytes", "receive_msgpack", "handle_receive"),
        *("json", "msgpack"),
    }
)
"""Functions of frameworks that read a message of a WebSocket, or a body."""
_CONNECTIONS = (
    f"{__package__}.requests",
    "starlette.requests",
    "starlette.websockets",
    "litestar.connection.",
    "litestar.handlers.websocket_handlers.",
)
"""Modules in which they are."""
_EXTRACTORS = "litestar._kwargs.extractors"
"""The module that reads a body for a handler's arguments, by functions of many names."""
_SHOWN = 100
_PARSERS = (
    "json.",
    "litestar.dto.",
    "litestar.plugins.pydantic.",
    "litestar.serialization.",
    "pydantic.",
)
"""Modules that they call to make sense of it; neither the server nor the author is in between."""


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


def unreadable(error: BaseException) -> bool:
    """Tell whether a framework could not read a message of a WebSocket, or a body.

    By where it was raised: an author who parses something else has an error of the same type.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        # A group of tasks, one of which reads.
        error = error.exceptions[0]
    reading = False
    for frame, _ in walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        named = frame.f_code.co_name in _READERS and module.startswith(_CONNECTIONS)
        if named or module == _EXTRACTORS:
            reading = True
        elif not f"{module}.".startswith(_PARSERS):
            reading = False
    # A RuntimeError is about how the author calls them; but what is too deep is one, too, and so is
    # a form that lacks what the only argument is taken from.
    by_client = isinstance(error, RecursionError) or isinstance(error.__cause__, StopIteration)
    return reading and (by_client or not isinstance(error, RuntimeError))


def judged(error: Exception) -> Exception:
    """Return an error as it is answered: a `Problem` in the place of one that is `unreadable`."""
    if not unreadable(error):
        return error
    kind = type(error)
    # The words of others repeat what was sent: pydantic's do.
    words = f", {error}"[:_SHOWN] if kind.__module__ == "msgspec" else ""
    return Problem(400, reason=f"the framework could not read the body: {kind.__name__}{words}")
