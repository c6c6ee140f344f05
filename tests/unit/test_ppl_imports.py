"""What second factors need is loaded by who needs it (PPL-4)."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LIBRARIES = {"pyotp", "segno", "webauthn"}


@pytest.mark.contract("PPL-4")
def test_workers_that_check_no_factor_load_no_library_for_it() -> None:
    code = f"import sys, my_service.security.boundary; print({_LIBRARIES} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
