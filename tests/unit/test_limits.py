"""The policy's numbers are those of the contract."""

from __future__ import annotations

import pytest

from ..driver import Inside


@pytest.mark.contract("SES-5")
@pytest.mark.contract("SES-8")
def test_limits_of_sessions(inside: Inside) -> None:
    times = inside.policy.sessions
    # Not more; an organisation's policy may well be stricter.
    assert times.idle_timeout <= 1800
    assert times.absolute_timeout <= 43200
    assert times.touch_interval <= 60
    assert inside.policy.cookies.max_bytes <= 4093


@pytest.mark.contract("INP-1")
def test_limits_of_input(inside: Inside) -> None:
    assert inside.policy.input.max_body == 1024 * 1024


@pytest.mark.contract("THR-2")
def test_limit_of_an_address(inside: Inside) -> None:
    rule = inside.policy.throttle.address
    assert (rule.limit, rule.window) == (100, 86400)
    assert inside.policy.throttle.ipv6_prefix == 64


@pytest.mark.contract("THR-8")
@pytest.mark.contract("ACC-1")
def test_cost_of_a_hash(inside: Inside) -> None:
    """OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes."""
    baseline = {**inside.policy.replaced}
    assert baseline["passwords.memory-kib"] == 19456
    assert baseline["passwords.time-cost"] == 2


@pytest.mark.contract("ACC-1")
def test_length_is_as_the_contract_says(inside: Inside) -> None:
    assert inside.policy.passwords.min_length >= 12
    assert inside.policy.passwords.max_length >= 256
