"""Draw docs/speed.svg from the results: what comes on top of each framework's own answer."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
PICTURE = HERE.parent / "docs" / "speed.svg"
KINDS = {
    "headers and host check by hand": ("floor", "#9aa5b1"),
    "anonymous request": ("this template", "#2f6f9f"),
    "request with a session (SQLite)": ("with a session", "#7fb2d6"),
    "usual peers": ("usual peers", "#c98a3b"),
}
WIDTH, BAR, GAP, LEFT, RIGHT, MOST = 720, 16, 6, 190, 70, 3.0
"""In pixels, but `MOST`: a bar that is longer is cut, its figure says how long."""


def rows(results: Path) -> list[tuple[str, str, float, str]]:
    """Return framework, kind, what is added as a part of the bare framework's time, and colour."""
    data = json.loads((results / "latest.json").read_text("utf-8"))
    found = []
    for each in data["figures"]:
        framework, separator, kind = each["what"].partition(", added in process: ")
        for begin, (label, colour) in KINDS.items():
            if separator and kind.startswith(begin):
                found.append((framework, label, each["value"], colour))
    return found


def draw(results: Path, target: Path = PICTURE) -> None:
    """Write the picture."""
    found = rows(results)
    if not found:
        return
    lines: list[str] = []
    y, before = 34, ""
    scale = (WIDTH - LEFT - RIGHT) / MOST
    for framework, label, value, colour in found:
        if framework != before:
            y += 14
            lines.append(f'<text x="8" y="{y + 13}" font-weight="bold">{framework}</text>')
            before = framework
        length = max(2.0, min(value, MOST) * scale)
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{label}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{LEFT + length + 6:.0f}" y="{y + 13}">{value:+.2f}</text>',
        ]
        y += BAR + GAP
    title = "Added to an answer, as a part of the bare framework's own time (0 is free)"
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 12}"'
        f' viewBox="0 0 {WIDTH} {y + 12}" font-family="sans-serif" font-size="13" role="img"'
        f' aria-label="{title}">',
        f'<rect width="{WIDTH}" height="{y + 12}" fill="#fff"/>',
        f'<text x="8" y="22" font-size="15">{title}</text>',
        *lines,
        "</svg>",
    ]
    target.write_text("\n".join(svg) + "\n", "utf-8")
