"""A stand-in for GitHub's `gh`, which needs GitHub: records its calls and lists what it is told."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """\
#!{python}
import json, os, sys
from pathlib import Path
here, words = Path(__file__).parent, sys.argv[1:]
body = Path(words[words.index("--body-file") + 1]).read_text() if "--body-file" in words else ""
if words[0] == "workflow":
    (here / "started").write_text(" ".join(words))
    sys.exit()
with (here / "calls").open("a") as file:
    print(json.dumps([words, os.environ["GH_TOKEN"], body]), file=file)
if words[:2] == ["pr", "list"]:
    print((here / "open").read_text())
elif (here / "broken").exists():
    sys.exit("GitHub Actions is not permitted to create or approve pull requests")
"""


@dataclass
class Call:
    """One call: its arguments, the token, and the text of the file that it was given."""

    words: list[str]
    token: str
    body: str

    def option(self, name: str) -> str:
        """Return the value of an option, or raise `ValueError`."""
        return self.words[self.words.index(name) + 1]


@dataclass
class Gh:
    """The program, in a folder for the PATH."""

    folder: Path

    def __post_init__(self) -> None:
        """Write it, with no pull request open."""
        self.folder.mkdir(parents=True)
        program = self.folder / "gh"
        program.write_text(PROGRAM.format(python=sys.executable))
        program.chmod(0o700)
        self.listed()

    def calls(self) -> list[Call]:
        """Return the calls, and forget them."""
        path = self.folder / "calls"
        text = path.read_text() if path.exists() else ""
        path.unlink(missing_ok=True)
        return [Call(*json.loads(line)) for line in text.splitlines()]

    def listed(self, *pulls: dict[str, object]) -> None:
        """Have these pull requests open."""
        (self.folder / "open").write_text(json.dumps(pulls))

    def breaks(self) -> None:
        """Refuse to open any."""
        (self.folder / "broken").touch()
