# Owned by the template: extend, do not edit.
"""The server: granian, for every framework, so that the socket has one face too."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

from ..adapter.server import server_app
from ..app.main import create_app
from ..config import Settings
from ..security.policy import load as load_policy
from .listening import claim_port, claim_socket
from .serving import hold
from .workers import Watch, keep_memory_apart

_PACKAGE = __name__.partition(".")[0]
_HEADER_BUFFER = 65536
_HEADER_SECONDS = 10
_STOP_SECONDS = 30
_LOGGERS = {"version": 1, "disable_existing_loggers": False, "handlers": {}, "loggers": {}}


def run(settings: Settings, *, host: str, port: int, uds: Path | None, workers: int) -> None:
    """Serve until SIGTERM or SIGINT; running requests get up to 30 s to finish."""
    # Before the workers are forked: they share this memory, and a mistake shows at once.
    multiprocessing.set_start_method("fork")
    keep_memory_apart()
    if uds:
        claim_socket(uds)
    else:
        host = claim_port(host, port)
    # Held by the workers, too, as long as one of them is there.
    hold(settings)
    app = server_app(create_app(settings))
    # The server copies the environment into every WSGI request; secrets have no business there.
    for name in ("APP_SECRET_KEYS", "APP_DATABASE_URL", "APP_STORE_URL"):
        os.environ.pop(name, None)
    if not settings.production:
        app = _with_terminal(app)
    # The collector would unshare the memory of what lives as long as the process.
    gc.collect()
    gc.freeze()
    watch = Watch()
    if settings.production:
        # Not in development: a worker in the debugger is silent, too.
        watch.start()

    def load() -> Any:
        watch.join()
        return app

    Server(
        f"{_PACKAGE}.app.main",
        address=host,
        port=port,
        uds=uds,
        uds_permissions=0o660 if uds else None,
        interface=Interfaces.ASGI,
        workers=workers,
        blocking_threads=1,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=_HEADER_SECONDS * 1000, max_buffer_size=_HEADER_BUFFER
        ),
        # Without a fact they are requests like others, and answered as such.
        websockets=any(route.websocket for route in load_policy(settings.policy).routes),
        log_dictconfig=_LOGGERS,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_SECONDS,
    ).serve(target_loader=load, wrap_loader=False)


def _with_terminal(app: Any) -> Any:
    """Give `breakpoint()` the terminal: a forked worker reads from nowhere."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            with suppress(OSError):
                os.dup2(os.open("/dev/tty", os.O_RDONLY), 0)
                sys.stdin = open(0, closefd=False)  # noqa: SIM115, ASYNC230 - a descriptor
        await app(scope, receive, send)

    return call
