# Owned by the template: extend, do not edit.
"""Whether the service runs: a lock beside each of its files, which the kernel gives back."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from ..config import Settings
from ..security.lock_file import open_lock

_NAME = ".serving"


def files(settings: Settings) -> dict[str, Path]:
    """Return the files of the service's state by their name in a backup."""
    urls = {"app.sqlite3": settings.database_url, "store.sqlite3": settings.store_url}
    return {
        name: Path(url.removeprefix("sqlite:///")).absolute()
        for name, url in urls.items()
        if url.startswith("sqlite:///")
    }


def hold(settings: Settings) -> list[int]:
    """Say that the service runs, until this process and all that it forks have ended."""
    held = []
    for folder in _folders(files(settings).values()):
        descriptor = open_lock(folder, _NAME)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        held.append(descriptor)
    return held


@contextmanager
def stopped(settings: Settings) -> Iterator[None]:
    """Keep the service from starting; refuse while it runs."""
    with ExitStack() as stack:
        for folder in _folders(files(settings).values()):
            descriptor = open_lock(folder, _NAME)
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise click.ClickException(
                    f"the service runs on the files in {folder}; stop it first"
                ) from None
        yield


def _folders(paths: Iterable[Path]) -> list[Path]:
    return sorted({path.parent for path in paths})
