"""Ports of servers that tests start: nobody takes one between its choice and the server's start."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.projects import ROOT

GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
IN_ORDER = """
import random
random.SystemRandom.sample = lambda _, ports, __: list(ports)
from tests.ports import free_port
print(free_port())
"""


def test_it_is_none_that_the_system_gives_to_whoever_connects() -> None:
    if not GIVEN.exists():
        pytest.skip("this system does not say which ports it gives")
    first, last = map(int, GIVEN.read_text().split())
    assert free_port() not in range(first, last + 1)


def test_it_is_one_for_browsers() -> None:
    # The highest of the Fetch standard's bad ports.
    assert free_port() > 10080


def test_who_asks_beside_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random.SystemRandom, "sample", lambda _, ports, __: list(ports))
    mine = free_port()
    assert free_port() != mine
    command = [sys.executable, "-c", IN_ORDER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) != mine


def test_one_that_somebody_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        monkeypatch.setattr(random.SystemRandom, "sample", lambda *_: [taken])
        with pytest.raises(OSError, match="no port of"):
            free_port()
