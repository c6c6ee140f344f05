"""Write the manifest of a project, by which `drift` knows what the template made.

The manifest is rendered with the project: it includes each file as Copier renders it, and hashes
that. So it follows a change of a file by itself, Copier runs no code for it, and a project needs
neither the template nor a network to compare. This script lists the files, and hashes those that
are copied as they are while they hold what Jinja would read as its own.
"""

from __future__ import annotations

import fnmatch
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
OWNERS = "template/.template/owners.toml"
MANIFEST = "template/.template/manifest.jinja"
ANSWERS = "{{ _copier_conf.answers_file }}"
YOURS = "# Yours"
"""The line of a shared file above which it is the template's."""
LAYER = re.compile(r"\{\{ use\.([a-z_]+) \}\}")
HEAD = """\
{#- Written by `make manifest`. -#}
{%- set pins_of_bots = PINS -%}
# Owned by the template: do not edit. What `drift` compares the project with: the SHA-256 of each
# file of the template, newlines as LF, without the pins of images and actions. owners.toml says
# whose a file is.
"""


class Source(NamedTuple):
    """A file of the template."""

    layer: str
    """The choice that brings it, empty for all projects."""
    place: str
    """Its path in a project."""
    path: Path


def main(root: Path = ROOT) -> int:
    """Write the manifest if it is not current; return the exit code, 1 if a file has no owner."""
    path = root / MANIFEST
    try:
        text = manifest(root)
    except ValueError as error:
        print(f"manifest: {error}", file=sys.stderr)
        return 1
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8", newline="\n")
        print(f"manifest: wrote {MANIFEST}")
    return 0


def manifest(root: Path = ROOT) -> str:
    """Return the text of the manifest. Raises `ValueError` for a file without an owner."""
    drift, owners = load_drift(root), load_owners(root)
    layers: dict[str, list[str]] = {"": []}
    for source in sorted(sources(root)):
        until = {"template": "", "shared": YOURS}.get(owner(source.place, owners))
        # The manifest cannot hold its own hash, and a shared file without that line is left out.
        if source.path == root / MANIFEST or until is None:
            continue
        if not until or until in map(str.strip, source.path.read_text("utf-8").splitlines()):
            layers.setdefault(source.layer, []).append(line(root, drift, source, until))
    base = "\n".join(layers.pop(""))
    chosen = [
        "\n{%- if use." + layer + " %}\n" + "\n".join(lines) + "\n{%- endif %}"
        for layer, lines in layers.items()
    ]
    return HEAD.replace("PINS", json.dumps(drift.PINS)) + base + "".join(chosen) + "\n"


def line(root: Path, drift: ModuleType, source: Source, until: str) -> str:
    """Return the line of a file: its hash, or what renders and hashes it, and its place."""
    place = f"{source.place}  {until}" if until else source.place
    content = source.path.read_bytes()
    if source.path.suffix != ".jinja" and re.search(rb"\{[{%#]|[^\n -~]", content):
        return f"{drift.fingerprint(source.place, content, until)}  {place}"
    filters = []
    if until:
        rest = json.dumps(f"(?ms)^[ \\t]*{re.escape(until)}$.*")
        filters.append(f'regex_replace({rest}, "")')
    if drift.pinned(source.place):
        filters.append('regex_replace(pins_of_bots, "\\\\1")')
    filters.append('hash("sha256")')
    name = json.dumps(source.path.relative_to(root).as_posix())
    return f"{{% filter {' | '.join(filters)} %}}{{% include {name} %}}{{% endfilter %}}  {place}"


def sources(root: Path) -> Iterator[Source]:
    """Yield each file that Copier would copy or render, also through the link hooks/."""
    patterns = yaml.safe_load((root / "copier.yml").read_text("utf-8"))["_exclude"]

    def walk(folder: Path) -> Iterator[Path]:
        for path in folder.iterdir():
            if not any(fnmatch.fnmatchcase(path.name, pattern) for pattern in patterns):
                yield from walk(path) if path.is_dir() else [path]

    template = root / "template"
    for path in walk(template):
        first, *others = path.relative_to(template).parts
        layer = LAYER.fullmatch(first)
        place = "/".join(others if layer else [first, *others]).removesuffix(".jinja")
        yield Source(layer[1] if layer else "", place.replace(ANSWERS, ".copier-answers.yml"), path)


def load_owners(root: Path = ROOT) -> dict[str, list[str]]:
    """Return the paths of each owner."""
    return tomllib.loads((root / OWNERS).read_text("utf-8"))


def owner(place: str, owners: dict[str, list[str]]) -> str:
    """Return who owns a file. Raises `ValueError` if nobody does, or two do."""
    fitting = [
        (pattern.rstrip("/").count("/"), name)
        for name, paths in owners.items()
        for pattern in paths
        if fits(place, pattern)
    ]
    found = [name for depth, name in fitting if depth == max(fitting)[0]]
    if len(found) != 1:
        whose = " and ".join(found) or "nobody"
        raise ValueError(f"{place} belongs to {whose}: it needs one line that fits in {OWNERS}")
    return found[0]


def fits(place: str, pattern: str) -> bool:
    """Tell whether a path of owners.toml means this file: itself, or a folder above it."""
    names, wanted = place.split("/"), pattern.rstrip("/").split("/")
    enough = len(names) > len(wanted) if pattern.endswith("/") else len(names) == len(wanted)
    return enough and all(map(fnmatch.fnmatchcase, names, wanted))


def load_drift(root: Path = ROOT) -> ModuleType:
    """Return a project's module `drift`, wherever its package has it: we count as it counts."""
    [path] = (root / "template" / "src" / "{{ package }}").rglob("drift.py")
    # dataclasses look a module up by its name.
    sys.modules["drift"] = module = ModuleType("drift")
    SourceFileLoader("drift", str(path)).exec_module(module)
    return module


if __name__ == "__main__":
    raise SystemExit(main())
