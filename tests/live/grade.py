"""`make grade`: the verdicts of programs of others on the edge, as a table in docs/grade.md."""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests import projects
from tests.live import judges
from tests.live.nginx import deployed
from tests.needs import NODE_JUDGES, needs
from tests.projects import CHOICES, ROOT

PAGE = ROOT / "docs" / "grade.md"
HEAD = """# What others' programs say

A generated service behind the nginx of `deploy/`, judged by programs of others. Made
by `make grade`; `tests/live/test_judges.py` holds the same on every change.

"""
TAIL = """
What lies behind a verdict:

- **sslyze** knows guideline 5.7 of Mozilla. 6.0 is given to it: the same without DHE.
- **testssl.sh** of Debian gives no grade. Not counted: `cipher_order`, since the guideline leaves
  the order to the client, all suites being strong.
- **HTTP Observatory**: 135 is the most for a page without a cookie, under a name that browsers have
  not preloaded.
- **gixy-ng** misses HSTS in the configuration: the application sends it, once, with the others.
- The certificates are of a test authority.
"""


def version(*command: str) -> str:
    """Return the first version number that a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def rows(folder: Path) -> list[tuple[str, str, str, str]]:
    """Return judge, version, what it judged, and its verdict."""
    template = projects.copy_template(folder / "template")
    table: list[tuple[str, str, str, str]] = []
    judges_python = Path(needs("sslyze")).with_name("python")
    show = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    versions = {
        name: version(str(judges_python), "-c", show, name) for name in ("sslyze", "gixy-ng")
    }
    for profile in CHOICES["tls_profile"]:
        project = projects.render(template, folder / profile, {"tls_profile": profile})
        project.install()
        with ExitStack() as stack:
            edge = stack.enter_context(deployed(project)).edge
            for guideline in ("5.7", "6.0"):
                said = judges.sslyze(edge, profile, guideline=guideline)
                what = f"{profile}, guideline {guideline}"
                table.append(("sslyze", versions["sslyze"], what, said))
            found = judges.testssl(edge)
            said = "; ".join(f"{name} {text}" for name, text in found.items())
            table.append(
                (
                    "testssl.sh",
                    version(needs("testssl"), "--version"),
                    profile,
                    said or "none above LOW",
                )
            )
            table.append(
                (
                    "nmap ssl-enum-ciphers",
                    version(needs("nmap"), "--version"),
                    profile,
                    judges.nmap(edge),
                )
            )
            if profile != "intermediate":
                continue
            said = ", ".join(f"{n} ({s})" for n, s in judges.gixy(edge).items())
            table.append(("gixy-ng", versions["gixy-ng"], "nginx.conf", said or "none"))
            verdict = judges.observatory(edge)
            name = judges.OBSERVATORY
            said = f"{verdict['grade']}, {verdict['score']} points, {len(verdict['failed'])} failed"
            what = f"home page, algorithm {verdict['algorithm']}"
            table.append(("HTTP Observatory", NODE_JUDGES[name], what, said))
            with edge.client() as client:
                policy = client.get("/").headers["content-security-policy"]
            said = "; ".join(f"{s}: {text}" for s, text in judges.csp(policy)) or "no finding"
            table.append(("csp_evaluator", NODE_JUDGES[judges.CSP], "home page", said))
            said = ", ".join(sorted(judges.whatweb(edge)))
            table.append(("whatweb", version(needs("whatweb"), "--version"), "home page", said))
    return table


def main() -> None:
    """Print the table and write it to the page."""
    with tempfile.TemporaryDirectory() as folder:
        table = rows(Path(folder))
    lines = ["| Program | Version | Judged | Verdict |", "| --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |" for row in table]
    server = (
        f"nginx {version(needs('nginx'), '-v')}, OpenSSL {version(needs('openssl'), 'version')}"
    )
    date = datetime.now(UTC).date()
    text = "\n".join([f"{date:%Y-%m-%d}, {server}:", "", *lines, ""])
    PAGE.write_text(HEAD + text + TAIL, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
