# Owned by the template: extend, do not edit.
"""Security events as log lines (ASVS 16; names of the OWASP logging vocabulary).

One JSON object a line, so that a newline from a client is an escape sequence and never a second
line. No password, cookie, token or body is logged.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from logging.handlers import QueueHandler
from typing import Protocol, TextIO, TypeVar

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


class Who(Protocol):
    """What a line says about the request that it belongs to."""

    client: str

    @property
    def request_id(self) -> str:
        """Id of the request, also shown on error pages."""

    @property
    def known_user(self) -> str:
        """Id of the signed-in user, as far as known."""


_T = TypeVar("_T")
REQUEST: ContextVar[Who | None] = ContextVar("request", default=None)

_WARNINGS = frozenset(
    {
        "authn_factor_fail",
        "authn_factor_unreadable",
        "authn_login_fail",
        "authn_login_lock",
        "authn_password_change_fail",
        "authn_reauthenticate_fail",
        "authn_token_fail",
        "authz_fail",
        "excess_mails",
        "input_validation_fail",
        "mail_delayed",
        "mail_given_up",
        "mail_uncertain",
        "malicious_redirect",
        "policy_exception_expired",
        "proxy_address_unreadable",
        "request_refused",
        "response_changed",
        "response_dropped",
        "session_use_after_expire",
        "sys_schema_differs",
        "sys_store_unavailable",
        "sys_worker_hung",
    }
)
_MOST_NOTES = 1000
_log = structlog.get_logger("security")
_python = logging.getLogger("python")


def emit(event: str, **facts: str | int | None) -> None:
    """Log a security event with the request that it happened in."""
    (_log.warning if event in _WARNINGS else _log.info)(event, **facts)


def note(event: str, **facts: str | int | None) -> None:
    """Log what the boundary refused, dropped or changed, with its reason and the setting (BND-2).

    In production a header or a cookie is named once: the same view would fill the log.
    """
    key = (event, *sorted(map(str, facts.values())))
    if _once.production and not event.endswith("refused"):
        if key in _once.seen or len(_once.seen) >= _MOST_NOTES:
            return
        _once.seen.add(key)
    emit(event, **facts)


class _Once:
    """What was noted already."""

    production = False

    def __init__(self) -> None:
        self.seen: set[tuple[str, ...]] = set()


_once = _Once()


def _add_request(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    if request := REQUEST.get():
        line["request_id"] = request.request_id
        line["client"] = request.client
        line["user_id"] = request.known_user
    return line


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the time: a test or a reloader may have replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


# A dictionary's repr escapes control characters, so the terminal is safe in development too.
_line = structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])


def _readable(logger: WrappedLogger, name: str, line: EventDict) -> str:
    """Render a line for a person: what is empty is left out, and a trace stands below it."""
    trace = str(line.pop("exception", ""))
    shown = {key: value for key, value in line.items() if value not in {"", None}}
    text = str(_line(logger, name, shown))
    if not trace:
        return text
    safe = "".join(
        char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in trace
    )
    return f"{text}\n{safe}"


def configure(*, production: bool) -> None:
    """Send all log lines, also those of libraries, to standard error: JSON in production.

    There also what Python itself writes: warnings, and what threads and finalisers fail with.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request,
    ]
    _once.production = production
    render: Processor = structlog.processors.JSONRenderer() if production else _readable
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                render,
            ],
        )
    )
    root = logging.getLogger()
    # What the application writes to a file or sends somewhere is its own; here is one log for all.
    root.handlers = [handler, *filter(_leads_elsewhere, root.handlers)]
    root.setLevel(logging.INFO)
    if production:
        _take_over()


def _leads_elsewhere(handler: logging.Handler) -> bool:
    """Tell whether a handler writes nothing to the terminal, where a plain line could be forged."""
    if isinstance(handler, QueueHandler):
        # As Litestar's own: where it leads is known to what takes from the queue.
        listener = getattr(handler, "listener", None)
        return listener is not None and all(map(_leads_elsewhere, listener.handlers))
    if isinstance(handler, logging.FileHandler):
        # As containers have it: the name of standard output. What is kept in memory is a file.
        name = handler.baseFilename.removeprefix("/dev/shm/")  # noqa: S108 - compared
        return not name.startswith(("/dev/", "/proc/"))
    # `console` is that of rich's, which is no StreamHandler.
    return not (isinstance(handler, logging.StreamHandler) or hasattr(handler, "console"))


def _take_over() -> None:
    """Log what Python would write beside the log, with words of a client's in it (LOG-2)."""
    # pytest shows them itself, and hooks/verify those about former names.
    if "PYTEST_VERSION" not in os.environ:
        logging.captureWarnings(True)
    # Another one is that of a test runner, or of what reports errors.
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _thread_failed
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        name = failed.thread.name if failed.thread else ""
        _python.error("sys_crash in the thread %r", name, exc_info=failed.exc_value)


def _unraisable(failed: sys.UnraisableHookArgs) -> None:
    where = f"{failed.err_msg or 'Exception ignored in'}: {failed.object!r}"
    _python.error("sys_crash: %s", where, exc_info=failed.exc_value)


def for_request(
    request: Who | None, work: Callable[..., _T], *arguments: object
) -> Callable[[], _T]:
    """Return `work` for a thread of its own: its log lines name the request."""

    def run() -> _T:
        REQUEST.set(request)
        try:
            return work(*arguments)
        finally:
            REQUEST.set(None)

    return run
