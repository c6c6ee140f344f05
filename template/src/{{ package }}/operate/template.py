# Owned by the template: extend, do not edit.
"""The version of the template that this project is on, and what is known against it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "prodsec-template"
_SECURITY = Path(__file__).resolve().parent.parent / "security"
_ANSWERS = Path(".copier-answers.yml")
# Its folder is named by a question of the template.
_THERE = "template/src/" + "{" * 2 + " package " + "}" * 2 + "/security/advisories.toml"
_SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/", "git+": ""}
_SECONDS = 20
_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)+)")


@dataclass(frozen=True, slots=True)
class TemplateAdvisory:
    """A known vulnerability of versions of the template."""

    id: str
    introduced: str
    fixed: str
    """Empty while there is no fix."""
    summary: str

    def affects(self, version: str) -> bool:
        """Tell whether a version has it; one between two tags counts as the tag before it."""
        here = numbers(version)
        return numbers(self.introduced) <= here and (not self.fixed or here < numbers(self.fixed))


def version() -> str:
    """Return the template's version, like "v1.2.0"; empty for a project of no version."""
    text = (_SECURITY / "version.toml").read_text("utf-8")
    return str(tomllib.loads(text)["template"])


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a version for comparing, empty for what is none."""
    found = _NUMBERS.match(text)
    return tuple(map(int, found[1].split("."))) if found else ()


def known() -> list[TemplateAdvisory]:
    """Return what was known when the project was last updated."""
    return parsed((_SECURITY / "advisories.toml").read_text("utf-8"))


def newest() -> list[TemplateAdvisory] | None:
    """Return what the template says now at its address; None if it cannot be asked."""
    try:
        text = fetched(source())
        return parsed(text)
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
        return None


def affecting(advisories: Sequence[TemplateAdvisory]) -> list[TemplateAdvisory]:
    """Return those that affect this project; all of them where its version is not known."""
    here = version()
    return [each for each in advisories if not numbers(here) or each.affects(here)]


def parsed(text: str) -> list[TemplateAdvisory]:
    """Return the advisories that a file holds. Raises `KeyError` or `ValueError`."""
    return [
        TemplateAdvisory(
            str(each["id"]),
            str(each["introduced"]),
            str(each.get("fixed", "")),
            " ".join(str(each["summary"]).split())[:200],
        )
        for each in tomllib.loads(text).get("advisory", [])
    ]


def source() -> str:
    """Return the template's address by the stored answers. Raises `OSError` or `ValueError`."""
    # YAML folds a value at its spaces, which a folder may have.
    found = re.search(r"(?m)^_src_path:(.*(?:\n[ \t].*)*)", _ANSWERS.read_text("utf-8"))
    address = " ".join(found[1].split()).strip("'\"") if found else ""
    if not address:
        raise ValueError("no _src_path")
    if address.startswith("~"):
        address = str(Path(address).expanduser())
    for short, long in _SHORT.items():
        if address.startswith(short):
            address = long + address.removeprefix(short)
    return address


def fetched(address: str) -> str:
    """Return the list at the template's default branch. Raises what `subprocess` raises."""
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    with tempfile.TemporaryDirectory() as folder:
        texts = [
            subprocess.run(  # noqa: S603 - git, on the address that updates come from
                ["git", *arguments],  # noqa: S607 - as the hooks find it
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=True,
            ).stdout
            for arguments in (
                ["clone", "--quiet", "--bare", "--depth=1", "--", address, folder],
                ["-C", folder, "show", f"HEAD:{_THERE}"],
            )
        ]
    return texts[-1]
