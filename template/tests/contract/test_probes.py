# Owned by the template: extend, do not edit.
"""Health, readiness and the address for reports (RFC 9116)."""

from __future__ import annotations

import pytest

from . import expect
from .driver import Service


@pytest.mark.contract("HDR-1")
@pytest.mark.parametrize(("target", "text"), [("/healthz", "ok\n"), ("/readyz", "ready\n")])
def test_health(service: Service, target: str, text: str) -> None:
    answer = service.visitor().get(target)
    assert answer.status_code == 200
    assert answer.text == text
    assert expect.once(answer, "content-type") == "text/plain; charset=utf-8"
    assert expect.once(answer, "cache-control") == "no-store"
    expect.headers(answer)


@pytest.mark.contract("FPR-1")
def test_security_txt(service: Service) -> None:
    answer = service.visitor().get("/.well-known/security.txt")
    assert answer.status_code == 200
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == f"mailto:{service.policy.service.contact}"
    assert fields["Canonical"].endswith(f"{service.policy.service.domain}/.well-known/security.txt")
    assert fields["Expires"].endswith("Z")
