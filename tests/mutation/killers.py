"""Which test notices each mutation, so that a run of the table runs little else.

    python -m tests.mutation.killers         # look for all anew and write killers.json, in hours
    python -m tests.mutation.killers -k SES  # look for some; the others stay as they are known
    python -m tests.mutation.killers --new   # look for those of which none is known

Of the tests of a mutation's line, the quickest that notices it is written down. A mutation whose
killer is not there, is gone or passes is tried with its line, then with the whole suite, and the
run says at its end that this took longer than it needs to. So the file saves time and proves
nothing: `test_killers_pass_alone` and `test_suite_notices` do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import ROOT

FILE = Path(__file__).with_name("killers.json")
WRITE = "MUTATION_KILLERS"
"""An environment variable: what is found is written."""
PROPERTY = "killer"
"""Of a test's report: the mutation's key and the test that noticed it, each a line."""

found: dict[str, str] = {}
"""What this run has seen that the file does not say."""


def load() -> dict[str, str]:
    """Return the test that noticed each mutation, by the mutation's key."""
    return dict(json.loads(FILE.read_text("utf-8"))) if FILE.exists() else {}


def note(report: pytest.TestReport) -> None:
    """Remember what a test found; with xdist, of all its processes."""
    if report.when == "call" and report.passed:
        for name, value in report.user_properties:
            if name == PROPERTY:
                key, test = str(value).split("\n")
                found[key] = test


def end() -> str:
    """Write what was found if that was asked for; return what is to be said."""
    if not found:
        return ""
    if WRITE not in os.environ:
        return f"{len(found)} mutations without their killer: python -m tests.mutation.killers"
    # Here, so that a fault of the table stops none but its own tests.
    from tests.mutation.table import MUTATIONS

    known = load() | found
    keys = [mutation.key for mutation in MUTATIONS]
    content = {key: known[key] for key in sorted(keys) if key in known}
    FILE.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n", "utf-8")
    return f"{len(found)} killers written"


def main(arguments: list[str]) -> int:
    """Try mutations anew and return pytest's exit code."""
    from tests.mutation.table import MUTATIONS

    tests = ["tests/mutation/test_mutations.py::test_suite_notices"]
    if "--new" in arguments:
        known = load()
        tests = [f"{tests[0]}[{each.name}]" for each in MUTATIONS if each.key not in known]
        arguments = [each for each in arguments if each != "--new"]
        if not tests:
            return 0
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *tests]
    environment = {**os.environ, WRITE: "1"}
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
