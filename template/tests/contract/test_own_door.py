# Owned by the template: extend, do not edit.
"""`app/` and the template's code meet at one place, which an update keeps: the door, `adapter`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from .conftest import ROOT

[PACKAGE] = [path.parent for path in ROOT.glob("src/*/adapter")]
DOORS = {"adapter", "adapter.mail", "adapter.settings"}
"""What `app/` may import from; the second is there with mail, the third in Django's settings."""


def imports(package: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each import of this package in `app/`: the place, the module, the name."""
    for path in sorted((package / "app").rglob("*.py")):
        # The package of a file: that of an `__init__.py` is its folder, too.
        folder = path.relative_to(package.parent).parent.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found = [(each.name, "") for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                up = folder[: len(folder) + 1 - node.level] if node.level else ()
                module = ".".join([*up, *([node.module] if node.module else [])])
                found = [(module, each.name) for each in node.names]
            else:
                continue
            place = f"{path.relative_to(package.parent.parent)}:{node.lineno}"
            for module, name in found:
                if module.partition(".")[0] == package.name:
                    inside = module.partition(".")[2]
                    yield place, *((inside, name) if inside else (name, ""))


@pytest.mark.contract("OWN-2")
def test_application_comes_by_the_door() -> None:
    """What is behind it may move with any version, also with one that only corrects."""
    adapter = import_module(f"{PACKAGE.name}.adapter")
    former = import_module(f"{PACKAGE.name}.adapter.former").FORMER
    found = [each for each in imports(PACKAGE) if each[1].partition(".")[0] != "app"]
    assert found, "none found: this test has lost its subject"
    bad = []
    for place, module, name in found:
        if module not in DOORS:
            bad.append(f"{place}: {module}: import from {PACKAGE.name}.adapter, which updates keep")
        elif module == "adapter" and name and name not in {*adapter.__all__, *former, "mail"}:
            bad.append(f"{place}: {name}: not in __all__ of adapter/__init__.py")
        elif module == "adapter.mail" and name:
            door = import_module(f"{PACKAGE.name}.adapter.mail")
            if name not in door.__all__:
                bad.append(f"{place}: {name}: not in __all__ of adapter/mail.py")
    assert not bad, "\n".join(bad)


@pytest.mark.contract("OWN-2")
def test_former_name_of_the_door_works_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = import_module(f"{PACKAGE.name}.adapter")
    former = import_module(f"{PACKAGE.name}.adapter.former")
    monkeypatch.setitem(former.FORMER, "Objection", ("Problem", "9.0.0"))
    with pytest.warns(DeprecationWarning, match=r"Objection .* 9\.0\.0: use Problem") as warned:
        assert adapter.Objection is adapter.Problem
    assert warned[0].filename == __file__, "it must name the line that imports"
    with pytest.raises(AttributeError, match="no attribute 'Protest'"):
        _ = adapter.Protest
