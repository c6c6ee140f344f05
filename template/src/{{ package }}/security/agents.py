# Owned by the template: extend, do not edit.
"""What people call a browser, for the list of their sessions."""

from __future__ import annotations

import re

from .proxy import read_address

UNKNOWN = "Unknown device"
_OURS = {
    "AndroidBrowser": "Android browser",
    "ChromeiOS": "Chrome",
    "ChromiumEdge": "Edge",
    "Mac OS": "macOS",
}
"""Names that only the library has; another spelling of a system or browser stays as it is."""
_PROGRAM = re.compile(r"(?!Mozilla)[A-Za-z][A-Za-z0-9._-]{1,30}")


def name(agent: str) -> str:
    """Return a name as "Chrome on Linux", or the program's own, of a User-Agent header."""
    # Imported here: one page needs it. It compares texts, so no header makes it slow.
    import httpagentparser  # type: ignore[import-untyped] # it brings no types

    found = httpagentparser.detect(agent)
    browser = str((found.get("browser") or {}).get("name") or "")
    system = str((found.get("platform") or {}).get("name") or "").strip()
    browser, system = (_OURS.get(each, each) for each in (browser, system))
    if browser and system:
        return f"{browser} on {system}"
    program = _PROGRAM.match(agent)
    return browser or system or (program[0] if program else UNKNOWN)


def kept(address: str, agent: str) -> str:
    """Return the text by which a session keeps from where, and by what, it was begun."""
    return f"{address} {agent}".strip()


def read(text: str) -> tuple[str, str]:
    """Return the address, "" for none, and the User-Agent header of what was `kept`."""
    first, _, rest = text.partition(" ")
    # Sessions that were begun before an address was kept have the header alone.
    return (first, rest) if read_address(first) else ("", text)
