"""Ports for servers that start later than their port is said: as the projects' suite has them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

SERVICES = Path(__file__).parents[1] / "template" / "tests" / "contract" / "services.py"


def _load() -> Callable[[], int]:
    spec = importlib.util.spec_from_file_location("services", SERVICES)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[], int] = module.free_port
    return found


free_port = _load()
