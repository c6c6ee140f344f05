"""Runs tests again and again beside load on all processors: one that leans on time fails there.

    python -m tests.stress                                    # live and update tests, ten times
    python -m tests.stress --runs 3 --minutes 10 tests/live/test_workers.py

What is not known is given to pytest. No run begins after --minutes, and the load ends with the last
one. Exit code 1 if any test failed in any run.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.projects import ROOT

TESTS = ("tests/live", "tests/update")
BUSY = """
import hashlib, os, tempfile
parent, text = os.getppid(), os.urandom(1 << 20)
with tempfile.TemporaryFile() as file:
    while os.getppid() == parent:
        for _ in range(64):
            text = hashlib.shake_256(text).digest(1 << 20)
        file.seek(0)
        file.write(text * 8)
        os.fsync(file.fileno())
"""
"""Takes a processor, memory and the disk in turn, until the one who started it is gone."""


@contextmanager
def load(number: int) -> Iterator[None]:
    """Run so many busy processes."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(number)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def run(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Run pytest once; return the tests that failed, and its last line. Says why they did."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if done.returncode:
        # Its report of them, if there is one: what is red by chance may not be seen again.
        report = re.search(r"^=+ (?:FAILURES|ERRORS) =+$", done.stdout, re.MULTILINE)
        print(done.stdout[report.start() :] if report else done.stdout[-4000:])
        print(done.stderr[-2000:], flush=True)
        failed = failed or [f"pytest ended with {done.returncode}"]
    return failed, (done.stdout.strip().splitlines() or [""])[-1]


def main() -> int:
    """Run the tests beside load and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--busy", type=int, default=os.cpu_count() or 1, help="busy processes")
    options, rest = parser.parse_known_args()
    arguments = rest if any(each.startswith("tests") for each in rest) else [*rest, *TESTS]
    end = time.monotonic() + options.minutes * 60
    red: Counter[str] = Counter()
    runs = 0
    with load(options.busy):
        while runs < options.runs and (not runs or time.monotonic() < end):
            failed, said = run(arguments)
            red.update(failed)
            runs += 1
            print(f"{runs}. {said.strip('= ')}", flush=True)
    for name, times in red.most_common():
        print(f"red in {times} of {runs}: {name}")
    print(f"stress: {sum(red.values())} red in {runs} runs beside {options.busy} busy processes")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
