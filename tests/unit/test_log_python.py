"""What Python itself would write beside the log, with words of a client's in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, threading, warnings
from my_service.security import events

forged = 'eve\\n{"event": "forged"}\\n'
class Fails:
    def __del__(self):
        raise ValueError(forged)

def fail():
    raise ValueError(forged)

events.configure(production=True)
warnings.warn(forged)
failing = threading.Thread(target=fail, name=forged)
failing.start()
failing.join()
leaving = threading.Thread(target=sys.exit)
leaving.start()
leaving.join()
Fails()
"""


@pytest.mark.contract("LOG-1")
@pytest.mark.contract("LOG-2")
def test_warnings_and_threads_write_lines_of_the_log() -> None:
    command = [sys.executable, "-W", "default", "-c", PROGRAM]
    own = {name: text for name, text in os.environ.items() if name != "PYTEST_VERSION"}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["warning", "error", "error"], lines
    for line in lines:
        assert line["event"] != "forged"
        assert "eve" in json.dumps(line)
        assert line["timestamp"]


def test_threads_that_fail_under_a_test_runner_stay_its_own() -> None:
    program = (
        "import threading; threading.excepthook = mine = lambda failed: None\n"
        "from my_service.security import events; events.configure(production=True)\n"
        "assert threading.excepthook is mine"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_what_the_application_logs_elsewhere_goes_on(tmp_path: Path) -> None:
    """As by `dictConfig` before the application is made; what writes to the terminal does not."""
    program = (
        "import logging, queue, sys\n"
        "from logging.handlers import QueueHandler, QueueListener\n"
        "from my_service.security import events\n"
        "class OfRich(logging.Handler):\n"
        "    console = sys.stdout\n"
        "    def emit(self, record): print(record.getMessage())\n"
        "def queued(*handlers):\n"
        "    made = QueueHandler(queue.Queue())\n"
        "    made.listener = QueueListener(made.queue, *handlers)\n"
        "    made.listener.start()\n"
        "    return made\n"
        f"own = [logging.FileHandler({str(tmp_path)!r} + '/' + name) for name in ('own', 'late')]\n"
        "terminal = [logging.StreamHandler(), logging.StreamHandler(sys.stdout), OfRich()]\n"
        "terminal += [logging.FileHandler('/dev/stdout'), logging.FileHandler('/dev/stderr')]\n"
        "queues = [queued(own[1]), queued(logging.StreamHandler()), QueueHandler(queue.Queue())]\n"
        "root = logging.getLogger()\n"
        "root.handlers = [own[0], *terminal, *queues]\n"
        "events.configure(production=True); events.configure(production=True)\n"
        "root.warning('twice')\n"
        "for each in queues[:2]: each.listener.stop()\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["twice"]
    assert done.stdout == ""
    for name in ("own", "late"):
        assert (tmp_path / name).read_text("utf-8") == "twice\n"
