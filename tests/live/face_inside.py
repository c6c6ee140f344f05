"""Sends probes to the service of the project in the current folder, in its own process.

Run by the project's Python: reads pickled probes from standard input, and prints the answers as
JSON: a list of status, headers and body.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import tempfile
from contextlib import closing
from pathlib import Path


def main() -> None:
    """Send all probes, each from an address of its own."""
    # A program's own folder comes first otherwise, and it has a package `tests` too.
    sys.path[0] = ""
    driver = importlib.import_module("tests.contract.driver")
    probes = pickle.load(sys.stdin.buffer)  # noqa: S301 - by the test that runs this program
    answers = []
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(driver.Inside(driver.Files(Path(folder)))) as service,
    ):
        for method, target, headers, content in probes:
            answer = service.visitor().send(method, target, headers, content)
            pairs = [
                (name.decode().lower(), value.decode("latin-1"))
                for name, value in answer.headers.raw
            ]
            answers.append((answer.status_code, pairs, answer.content.decode("latin-1")))
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
