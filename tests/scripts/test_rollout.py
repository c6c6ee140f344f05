"""benchmarks/rollout.py: a small roll-out, whole in what it measures and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import rollout


@pytest.mark.weekly
def test_a_small_roll_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--services", "2", "--versions", "2", "--whole", "0", "--parallel", "2"]
    assert rollout.main([*size, "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "rollout.json").read_text())
    assert [wave["version"] for wave in found["waves"]] == ["v2.0.0", "v3.0.0"]
    for wave in found["waves"]:
        assert len(wave["services"]) == len(wave["floors"]) == 2
        for service, floor in zip(wave["services"], wave["floors"], strict=True):
            assert service["processor"] > floor["processor"] > 0
    # The mirror of docs/organisation.md: no request leaves the machine.
    assert found["requests"]["host"] > 0
    assert found["requests"]["mirror"] == 0
    text = (tmp_path / "rollout.md").read_text()
    assert "2 services x 2 versions = 4 updates by Copier" in text
    assert "= 2000 updates, estimated" in text
    assert text in capsys.readouterr().out


def test_refuses_what_measures_nothing() -> None:
    with pytest.raises(SystemExit):
        rollout.main(["--services", "0"])
