# Owned by the template: extend, do not edit.
"""Files that are there to be locked: the kernel gives a lock back, however a process ends."""

from __future__ import annotations

import os
from pathlib import Path


def open_lock(folder: Path, name: str) -> int:
    """Return a descriptor of a file in `folder`; both are made where they are missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    give(descriptor, folder)
    return descriptor


def give(descriptor: int, folder: Path) -> None:
    """Give an open file to the owner of its folder, where an operator came before the service."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
