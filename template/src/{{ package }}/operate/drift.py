# Owned by the template: extend, do not edit.
"""Which of the template's files differ from what the template made (OWN-1).

`.template/manifest` holds the SHA-256 of each as it was made for this project's answers, so neither
the template nor a network is asked. It finds the edit that the next update would meet, not an
attacker: who can edit a file can edit the manifest.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from pathlib import Path

MANIFEST = ".template/manifest"
CLEAN, DRIFTED, UNKNOWN = 0, 1, 2
"""Exit codes."""

PINS = (
    r"(?am)^([ -]*(?:FROM|image:|name:|uses:) +[\w./-]+)"
    r"(?::[\w.$-]+)?(?:@[\w.:/-]+)?(?: +# v?[0-9][\w.]*)?"
)
r"""Tag, digest and version of an image or an action: `\1` is what stays without them."""

_DIGEST = re.compile("[0-9a-f]{64}")
_SHOWN = 5
_REMEDY = """\
  -> undo the edit (`git checkout -- FILE`; if it is committed, `git log -- FILE` names the commit),
     move it to a file of yours (`.template/owners.toml`), or bring it into the template\
"""


class ManifestError(Exception):
    """Raised if it cannot be told what the template made, or what is there."""


@dataclass(frozen=True, slots=True)
class Report:
    """The files of the template that differ, by their paths in the project."""

    files: int
    """How many were compared."""
    edited: list[str]
    deleted: list[str]

    @property
    def code(self) -> int:
        """The exit code."""
        return DRIFTED if self.edited or self.deleted else CLEAN

    def as_dict(self) -> dict[str, object]:
        """Return the report for `--json`."""
        return asdict(self)

    def as_text(self) -> str:
        """Return a line for each file, the remedy, and the result as the last line."""
        found = [*self.edited, *(f"{name} (deleted)" for name in self.deleted)]
        if not found:
            return f"drift: none, {self.files} files are as the template made them"
        lines = [f"edited   {name}" for name in self.edited]
        lines += [f"deleted  {name}" for name in self.deleted]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        named = ", ".join(found[:_SHOWN]) + more
        result = f"drift: {len(found)} of {self.files} files of the template differ: {named}"
        return "\n".join([*lines, _REMEDY, result])


def compare(root: Path) -> Report:
    """Compare the project in `root` with its manifest. Raises `ManifestError`."""
    made = read(root)
    edited, deleted = [], []
    for name, (expected, until) in sorted(made.items()):
        try:
            content = (root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            deleted.append(name)
        except OSError as error:
            raise ManifestError(f"{name} cannot be read: {error.strerror}") from None
        else:
            if fingerprint(name, content, until) != expected:
                edited.append(name)
    return Report(len(made), edited, deleted)


def read(root: Path) -> dict[str, tuple[str, str]]:
    """Return by path each file's fingerprint, and the line that ends the template's part, if any.

    Raises `ManifestError`.
    """
    try:
        text = (root / MANIFEST).read_text("utf-8")
    except FileNotFoundError:
        remedy = f"run this in the project's folder, or take it back: git checkout -- {MANIFEST}"
        raise ManifestError(f"{MANIFEST} is not there: {remedy}") from None
    except (OSError, ValueError) as error:
        raise ManifestError(f"{MANIFEST} cannot be read: {error}") from None
    made = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line.startswith("#"):
            digest, _, rest = line.partition("  ")
            name, _, until = rest.partition("  ")
            if not (_DIGEST.fullmatch(digest) and name):
                remedy = f"git checkout -- {MANIFEST}, or finish the update that left it so"
                raise ManifestError(f"{MANIFEST}, line {number}, is no hash and path: {remedy}")
            made[name] = (digest, until)
    return made


def fingerprint(name: str, content: bytes, until: str = "") -> str:
    """Return the SHA-256 of what counts of a file.

    Newlines count as LF, because git checks them out in either way; pins do not count, because bots
    move them between two updates; nor does what stands from the line `until` on.
    """
    text = content.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
    if until:
        text = re.split(f"(?m)^[ \t]*{re.escape(until)}$", text, maxsplit=1)[0]
    if pinned(name):
        text = re.sub(PINS, r"\1", text)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def pinned(name: str) -> bool:
    """Tell whether a file is one in which bots move pins."""
    return name.endswith((".yml", ".yaml", "Dockerfile"))
