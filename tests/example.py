"""Deletes the example feature from a project, as the project's README tells its user to."""

from __future__ import annotations

import shlex

from tests.generated import snippets
from tests.projects import Project


def section(project: Project) -> str:
    """Return what the README says of it."""
    text = (project.path / "README.md").read_text("utf-8")
    return text.partition("## Delete the example\n")[2].partition("\n## ")[0]


def delete(project: Project) -> None:
    """Run the commands of that section, and make its changes. The project must be installed."""
    for snippet in snippets.read(section(project)):
        if snippet.file:
            snippet.write(project)
        else:
            for line in snippet.text.splitlines():
                words = shlex.split(
                    line.removeprefix("$ ")
                    .replace("uv run python", project.python)
                    .replace(f"uv run {project.package}", f"{project.python} -m {project.package}")
                )
                project.run(*words)
