"""The conformance suite against an address: what it takes for one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("url", ["http://localhost:8000", "myapp.example.com"])
def test_address_without_https_is_refused_at_once(url: str) -> None:
    command = [sys.executable, "-m", "pytest", "tests/contract", "--base-url", url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"--base-url {url}: name a deployed service, https://host[:port]" in done.stderr
