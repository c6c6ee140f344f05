"""Answers that change after the project was generated: which may, and what has to follow.

Owned by the template: extend, do not edit. docs/updating.md of the template has the rule of each.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress

from _steps import ROOT, Refused, parse_toml

FACTS = ("description", "domain", "contact")
"""Answers that also stand in policy.toml, which is yours: `carried` writes them there."""
FIXED = ("project_name", "package", "framework")
"""Names of folders, units and databases: another one is another project."""
LINE = r"""(?m)^[ \t]*({name}[ \t]*=[ \t]*(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'))[ \t]*(?:\#|\r?$)"""


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
            fact = f"{name} = {json.dumps(value, ensure_ascii=False)}"
            # As it is, with its line ends.
            text = path.read_bytes().decode()
            new = with_fact(text, name, value, fact)
            if new:
                path.write_text(new, "utf-8", newline="")
                lines.append(f"policy.toml: {fact}")
            else:
                lines.append(f"policy.toml has no line {name} in [service]: write {fact} there")
    return lines


def with_fact(text: str, name: str, value: str, fact: str) -> str:
    """Return the text with that line in [service] and nothing else changed; "" if it has none."""
    wanted = parse_toml(text)
    if name not in wanted.get("service", {}):
        return ""
    wanted["service"][name] = value
    # Its line is the one that makes it so: others may be in another table, or within a text.
    for found in re.finditer(LINE.format(name=name), text):
        new = text[: found.start(1)] + fact + text[found.end(1) :]
        with suppress(ValueError):
            if parse_toml(new) == wanted:
                return new
    return ""
