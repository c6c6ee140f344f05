# Owned by the template: extend, do not edit.
"""What looks after the workers: they end with the main process, and one that hangs is replaced.

A worker's event loop beats once a second. One that falls silent, because it was stopped or is stuck
in a call that never returns, is killed; the server starts another. systemd is told that all is well
as long as one beats (`WatchdogSec`).
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..security.events import emit

_BEAT = 1
"""Seconds."""
_MOST_SILENT = 20
"""Beats that a worker may miss. Beats, not seconds: time in which everything slept, as in a frozen
container, does not count."""
_MOST_STARTING = 60
"""Beats until the first one: an application may load what it needs."""
_PID = struct.Struct("i")
_PR_SET_PDEATHSIG = 1
_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 1_048_576


class Watch:
    """The main process watches its workers through a pipe."""

    def __init__(self) -> None:
        """Call it in the main process, before there are workers."""
        self._main = os.getpid()
        self._read, self._write = os.pipe()
        # Neither side waits for the other: a main process that was stopped stops nobody else.
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._missed: dict[int, int] = {}

    def join(self) -> None:
        """Have the new worker watched: call it there before its event loop runs."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Not at once: until the loop runs freely for the first time, the worker is starting.
        loop = asyncio.get_event_loop()
        loop.call_later(_BEAT, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        if os.getppid() != self._main:
            # Killed before the kernel was asked, or where it cannot be.
            os._exit(1)
        with suppress(BlockingIOError):
            os.write(self._write, _PID.pack(os.getpid()))
        loop.call_later(_BEAT, self._beat, loop)

    def start(self) -> None:
        """Replace silent workers from now on."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(_BEAT)
            self._look()
            if any(missed < _MOST_SILENT for missed in self._missed.values()):
                _tell_systemd("WATCHDOG=1")

    def _look(self) -> None:
        beaten = set()
        with suppress(BlockingIOError):
            beaten = {pid for (pid,) in _PID.iter_unpack(os.read(self._read, 65536))}
        workers = {worker.pid or 0: worker for worker in multiprocessing.active_children()}
        new = _MOST_SILENT - _MOST_STARTING
        self._missed = {
            pid: 0 if pid in beaten else self._missed.get(pid, new) + 1 for pid in workers
        }
        for pid, missed in self._missed.items():
            if missed == _MOST_SILENT:
                emit("sys_worker_hung", worker=pid, reason="no sign of life")
                workers[pid].kill()


@contextmanager
def hearing_signals() -> Iterator[None]:
    """Have the main thread, which this is, look for signals once a second.

    The kernel may hand SIGTERM to another thread, for example while the process goes on after
    SIGSTOP. Python acts on it in the main thread, which waits for the workers and would sleep on.
    """
    signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    # Workers do not inherit it.
    signal.setitimer(signal.ITIMER_REAL, _BEAT, _BEAT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def keep_memory_apart() -> None:
    """Have large blocks go back to the system when they are freed.

    A password hash takes 19 MiB; glibc would keep such a block for each thread that ever hashed.
    """
    if sys.platform == "linux":
        # Other C libraries have no such function, and no such habit.
        with suppress(AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def _tell_systemd(text: str) -> None:
    """Send what sd_notify(3) sends, where systemd asks for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.setblocking(False)
        notify.sendto(text.encode(), address)
