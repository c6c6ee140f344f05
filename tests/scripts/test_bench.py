"""benchmarks: what a part measured alone leaves of the results; what the bounds of CI let pass."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.__main__ import Figure, beside

HERE = {"date": "2026-01-01", "machine": "2 cores", "load": "0.1 at the start", "flask": "3.1"}
MEMORY = Figure("Flask: memory", 10.0, "MiB", 15.0)
COST = Figure("Flask: added", 0.5, "x", 0.25, spread=(0.4, 0.6))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{**asdict(each), "met": each.met} for each in (COST, MEMORY)]
    text = json.dumps({"environment": HERE, "figures": rows})
    (tmp_path / "latest.json").write_text(text, "utf-8")
    return tmp_path


def test_a_part_takes_its_place_among_the_others(folder: Path) -> None:
    faster = Figure("Flask: added", 0.2, "x", 0.25)
    new = Figure("Flask: sockets", 1.0, "x", 0.9, least=True)
    later = HERE | {"date": "2026-02-02", "load": "0.9 at the start"}
    assert beside([faster, new], later, folder) == [faster, MEMORY, new]
    assert beside([new], later, folder) == [COST, MEMORY, new]


@pytest.mark.parametrize("other", [{"machine": "4 cores"}, {"flask": "3.2"}])
def test_figures_of_other_conditions_do_not_mix(folder: Path, other: dict[str, str]) -> None:
    assert beside([COST], HERE | other, folder) is None


def test_the_first_part_stands_alone(tmp_path: Path) -> None:
    assert beside([COST], HERE, tmp_path) == [COST]


def test_ci_refuses_what_is_twice_the_target_and_the_record() -> None:
    recorded = {COST.what: 0.5}
    assert COST.kept(recorded)
    assert Figure(COST.what, 0.9, "x", 0.25).kept(recorded)
    assert not Figure(COST.what, 1.1, "x", 0.25).kept(recorded)
    # Where more is better, half of it.
    speed = Figure("Flask: requests", 0.5, "x", 0.9, least=True)
    assert speed.kept({})
    assert not Figure(speed.what, 0.4, "x", 0.9, least=True).kept({})
