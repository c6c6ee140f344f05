"""Modules of the suite that each project has, for tests here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

CONTRACT = Path(__file__).parents[1] / "template" / "tests" / "contract"


def load(name: str) -> ModuleType:
    """Return one that imports no other of them."""
    spec = importlib.util.spec_from_file_location(f"suite_{name}", CONTRACT / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
