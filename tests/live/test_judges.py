"""What others' programs say about the edge and the site behind it (TLS-1, HDR-2, HDR-3, FPR-1)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest

from tests.conftest import Render
from tests.live import judges
from tests.live.nginx import Deployed, deployed
from tests.projects import CHOICES


@pytest.fixture(scope="module")
def modern(installed: Render, rendered: Render) -> Iterator[Deployed]:
    """Run a service behind an edge of the modern profile: one line of the machine's facts."""
    file = rendered(framework="fastapi", tls_profile="modern").path / "deploy" / "edge.toml"
    facts = {"tls-profile": tomllib.loads(file.read_text("utf-8"))["tls-profile"]}
    with deployed(installed(framework="fastapi"), facts=facts) as started:
        yield started


@pytest.fixture
def edges(chain: Deployed, modern: Deployed) -> dict[str, Deployed]:
    """Return a chain of each profile."""
    return {"intermediate": chain, "modern": modern}


@pytest.mark.parametrize("guideline", ["5.7", "6.0"])
@pytest.mark.parametrize("profile", CHOICES["tls_profile"])
def test_sslyze(edges: dict[str, Deployed], profile: str, guideline: str) -> None:
    assert judges.sslyze(edges[profile].edge, profile, guideline=guideline) == "OK"


def test_sslyze_tells_good_from_nearly_good(chain: Deployed) -> None:
    assert "modern" not in chain.edge.file.read_text("utf-8")
    assert "TLSv1.2" in judges.sslyze(chain.edge, "modern", guideline="6.0")


@pytest.mark.weekly
def test_testssl(chain: Deployed) -> None:
    # Protocols, server defaults and preferences, forward secrecy; `make grade` runs the rest too.
    assert judges.testssl(chain.edge, "-p", "-S", "-P", "-f") == {}


@pytest.mark.parametrize("profile", CHOICES["tls_profile"])
def test_nmap(edges: dict[str, Deployed], profile: str) -> None:
    assert judges.nmap(edges[profile].edge) == "A"


def test_observatory(chain: Deployed) -> None:
    verdict = judges.observatory(chain.edge)
    assert verdict["failed"] == []
    assert verdict["grade"] == "A+"
    # The most that a page without a cookie can get under a name that is not preloaded.
    assert verdict["score"] >= 135


def test_csp_evaluator(chain: Deployed) -> None:
    with chain.edge.client() as client:
        for path in ("/", "/login", "/unknown", "/healthz"):
            policy = client.get(path).headers["content-security-policy"]
            assert judges.csp(policy) == []
    severe = {severity for severity, _ in judges.csp("script-src 'unsafe-inline'")}
    assert "HIGH" in severe


def test_whatweb_recognises_nobody(chain: Deployed) -> None:
    found = judges.whatweb(chain.edge)
    assert {
        *("Country", "HTML5", "IP", "Script", "Strict-Transport-Security", "Title"),
        *("UncommonHeaders", "X-Frame-Options", "X-XSS-Protection", "PasswordField"),
    } >= found.keys()


def test_gixy(chain: Deployed) -> None:
    # The application sends HSTS, and the error pages do: a second place would send it twice.
    assert judges.gixy(chain.edge).keys() == {"hsts_header"}
