"""Answers that change after the project was generated: which may, and what has to follow.

Owned by the template: extend, do not edit. docs/updating.md of the template has the rule of each.
"""

import json
import re
from collections.abc import Sequence

from _steps import ROOT, Refused

FACTS = ("description", "domain", "contact")
"""Answers that also stand in policy.toml, which is yours: `carried` writes them there."""
FIXED = ("project_name", "package", "framework")
"""Names of folders, units and databases: another one is another project."""


def options_for(data: Sequence[str]) -> list[str]:
    """Return Copier's options for `NAME=VALUE` words. Raises `Refused` for one that is fixed."""
    options = []
    for word in data:
        name, sign, value = word.partition("=")
        if not sign or not re.fullmatch(r"[a-z]\w*", name):
            raise Refused(f"--data {word}: write NAME=VALUE, the name of an answer")
        if name in FIXED or name.startswith("generated_"):
            raise Refused(
                f"--data {word}: {name} is fixed when the project is generated; generate another"
                " one and move your app/ there"
            )
        options += ["--data", word]
        if name in FACTS:
            options += ["--data", f"generated_{name}={value}"]
    return options


def carried(data: Sequence[str]) -> list[str]:
    """Write facts that changed to policy.toml as well; return a line for each."""
    path, lines = ROOT / "policy.toml", []
    for word in data:
        name, _, value = word.partition("=")
        if name in FACTS and path.exists():
            text = path.read_text("utf-8")
            fact = f"{name} = {json.dumps(value, ensure_ascii=False)}"
            pattern = rf'(?m)^{name} *= *"(?:[^"\\]|\\.)*"'
            # In [service] alone, whose facts stand before the next table.
            found = re.search(r"(?ms)^\[service\]$.*?(?=^\[|\Z)", text)
            quoted = fact.replace("\\", r"\\")
            new, count = re.subn(pattern, quoted, found[0], count=1) if found else ("", 0)
            if found and count:
                path.write_text(text[: found.start()] + new + text[found.end() :], "utf-8")
                lines.append(f"policy.toml: {fact}")
            else:
                lines.append(f"policy.toml has no line {name} in [service]: write {fact} there")
    return lines
