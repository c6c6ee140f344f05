"""Write docs/contract.md, the template's and a project's, from `docs/contract.toml`."""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "docs/contract.toml"
WIDTH = 100

OWNED = "<!-- Owned by the template: extend, do not edit. -->\n"
PAGES = {
    "docs/contract.md": """\
<!-- Made from docs/contract.toml by `make manifest`. -->
# The contract

What every generated service does, whichever framework it has. Each line has an id that its tests
carry, `@pytest.mark.contract("THR-4")`: most of them in the conformance suite that ships in each
project, those of the edge and of CI in `tests/` here. Removing the code behind a line turns its
test red. A project has this page too.
""",
    "template/docs/contract.md": f"""\
{OWNED}# The contract

What this service does, and each service of the same template. Each line has an id that its tests
carry, `@pytest.mark.contract("THR-4")`, here or in the template; `check` names it as evidence.
""",
}
"""Each page with how it begins."""
COMMON = """\
Numbers are limits: `security/baseline.toml` may be stricter, and only a dated exception in
`policy.toml` weaker; the command `policy show` prints what is in force. "Guide" is the Express
guide [Production best practices: security][guide], "ASVS" the chapter or requirement of [OWASP ASVS
5.0.0][asvs].

[guide]: https://expressjs.com/en/advanced/best-practice-security.html
[asvs]: https://owasp.org/www-project-application-security-verification-standard/
"""


def main(root: Path = ROOT) -> int:
    """Write the pages that are not current, say which, and return the exit code: always 0."""
    for name, text in pages(root).items():
        path = root / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8", newline="\n")
            print(f"contract: wrote {name}")
    return 0


def pages(root: Path = ROOT) -> dict[str, str]:
    """Return each page by its place. Raises `ValueError` where the data contradict themselves."""
    contract = load(root)
    lines = "".join(family(name, contract) for name in contract["family"])
    return {place: f"{begin}\n{COMMON}{lines}" for place, begin in PAGES.items()}


def load(root: Path = ROOT) -> dict[str, Any]:
    """Return the data. Raises `ValueError` for a line of no family, or one that says nothing."""
    contract = tomllib.loads((root / SOURCE).read_text("utf-8"))
    for name, line in contract["line"].items():
        if name.partition("-")[0] not in contract["family"]:
            raise ValueError(f"{SOURCE}: line {name} has no [family.{name.partition('-')[0]}]")
        if not line.get("says"):
            raise ValueError(f"{SOURCE}: line {name} needs a text, says")
        if line.keys() - {"says", "status"} or line.get("status", "planned") != "planned":
            raise ValueError(f'{SOURCE}: line {name} has says, and status = "planned" or none')
    return contract


def family(name: str, contract: dict[str, Any]) -> str:
    """Return a family's part of the page, nothing where all of it is planned."""
    facts = contract["family"][name]
    lines = {
        each: " ".join(line["says"].split())
        for each, line in contract["line"].items()
        if each.startswith(f"{name}-") and line.get("status") != "planned"
    }
    if not lines:
        return ""
    sources = [f"Guide: {facts['guide']}."] if "guide" in facts else []
    sources += [f"ASVS {', '.join(facts['asvs'])}."] if "asvs" in facts else []
    heading = f"\n## {name}: {facts['title']}\n\n" + (f"{' '.join(sources)}\n\n" if sources else "")
    return heading + "\n".join(entry(*line) for line in lines.items()) + "\n"


def entry(name: str, text: str) -> str:
    """Return a line of the contract as an item of a list."""
    return textwrap.fill(
        f"- **{name}** {text}",
        width=WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


if __name__ == "__main__":
    raise SystemExit(main())
