"""What the Dockerfile and compose.yaml of a project say, for the tests that hold them to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

from tests.projects import Project

Service = dict[str, Any]


@dataclass
class Stage:
    """One image of a Dockerfile."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        """Return the arguments of all instructions of a kind, in order."""
        return [value for name, value in self.instructions if name == instruction]


def stages(project: Project) -> dict[str, Stage]:
    """Return the images of the Dockerfile by name."""
    parser = DockerfileParser(str(project.path / "Dockerfile"))
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for each in parser.structure:
        name, value = each["instruction"], each["value"]
        if name == "FROM":
            base, _, stage = value.partition(" AS ")
            current = Stage(base)
            found[stage] = current
        elif name != "COMMENT":
            assert current is not None, each
            current.instructions.append((name, value))
    return found


def compose(project: Project) -> dict[str, Any]:
    """Return what compose.yaml says."""
    loaded = yaml.safe_load((project.path / "compose.yaml").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def volumes(service: Service) -> dict[str, str]:
    """Return the volume at each path of a container; `:ro` stays part of the path."""
    pairs = [each.split(":", 1) for each in service.get("volumes", [])]
    return {target: name for name, target in pairs}


def scratch(service: Service) -> list[str]:
    """Return the paths of a container that are in memory."""
    return [each.split(":")[0] for each in service.get("tmpfs", [])]
