"""Who is asking, behind a proxy and without one (PRX-1 to PRX-3)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.live.service import HOST, Service, User, running
from tests.ports import free_port
from tests.projects import Project

CLIENT, SPOOFED = "203.0.113.9", "6.6.6.6"
FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"

Headers = list[tuple[str, str]]


@pytest.fixture(scope="module")
def exposed(project: Project) -> Iterator[Service]:
    """Run the service on TCP, with its only trusted proxy elsewhere."""
    elsewhere = {"APP_TRUSTED_PROXIES": "10.0.0.1"}
    with running(project, port=free_port(), variables=elsewhere) as started:
        yield started


def ask(service: Service, headers: Headers, path: str = "/") -> httpx.Response:
    """Send a GET as it stands, straight to the service."""
    url = f"http://127.0.0.1:{service.port or 80}{path}"
    with service.transport() as transport:
        answer = transport.handle_request(
            httpx.Request("GET", url, headers=[("Host", HOST), *headers])
        )
        answer.read()
        return answer


def origins(service: Service, headers: Headers) -> list[str]:
    """Return the origins that the service takes for its own in a request with these headers."""
    found = []
    for origin in (f"https://{HOST}", f"http://{HOST}", "https://evil.example"):
        answer = ask(service, headers, f"/go?url={origin}/notes")
        if answer.status_code == 303:
            assert answer.headers["location"] == f"{origin}/notes"
            found.append(origin)
        else:
            assert answer.status_code == 400
    return found


def client_of(service: Service, headers: Headers) -> str:
    """Return the address that the service logs for a request with these headers."""
    mark = service.mark()
    assert ask(service, headers, "/go?url=https://evil.example/").status_code == 400
    (line,) = service.events("malicious_redirect", mark)
    return str(line["client"])


@pytest.mark.parametrize(
    "headers",
    [
        [(FOR, CLIENT)],
        [(FOR, f"{SPOOFED}, {CLIENT}")],
        [(FOR, f"{SPOOFED},{SPOOFED},{CLIENT}")],
        [(FOR, f"nonsense, {CLIENT}")],
        [(FOR, SPOOFED), (FOR, CLIENT)],
        [(FOR, CLIENT), ("Forwarded", f"for={SPOOFED}"), ("X-Real-IP", SPOOFED)],
    ],
    ids=str,
)
def test_counts_from_the_right(service: Service, headers: Headers) -> None:
    assert client_of(service, headers) == CLIENT


@pytest.mark.parametrize(
    "headers",
    [
        [(FOR, CLIENT), ("X_Forwarded_For", SPOOFED)],
        [("X_Forwarded_For", SPOOFED), (FOR, CLIENT)],
        [(FOR, CLIENT), ("X-Forwarded_For", SPOOFED)],
        [("X-Forwarded_For", SPOOFED), (FOR, CLIENT), ("X_Forwarded-For", SPOOFED)],
    ],
    ids=str,
)
def test_underscores_name_another_header(service: Service, headers: Headers) -> None:
    # Also where the framework has CGI's names, which write "-" as "_".
    assert client_of(service, headers) == CLIENT


def test_scheme_and_host_of_the_proxy(service: Service) -> None:
    headers = [(FOR, CLIENT), (PROTO, "https")]
    assert origins(service, headers) == [f"https://{HOST}"]
    assert "strict-transport-security" in ask(service, headers).headers
    headers = [(FOR, CLIENT), (PROTO, "https, http")]
    assert origins(service, headers) == [f"http://{HOST}"]
    assert "strict-transport-security" not in ask(service, headers).headers
    assert ask(service, [(FOR, CLIENT), ("X-Forwarded-Host", "evil.example")]).status_code == 400


@pytest.mark.parametrize("value", [CLIENT, f"{SPOOFED}, {CLIENT}", "127.0.0.1", "10.0.0.1", ""])
def test_claims_of_others_are_ignored(exposed: Service, value: str) -> None:
    assert client_of(exposed, [(FOR, value), ("X-Real-IP", value)]) == "127.0.0.1"


def test_scheme_and_host_of_others_are_ignored(exposed: Service) -> None:
    headers = [(PROTO, "https"), ("X-Forwarded-Host", "evil.example")]
    assert origins(exposed, headers) == [f"http://{HOST}"]
    assert "strict-transport-security" not in ask(exposed, headers).headers


def test_claims_win_no_more_guesses(exposed: Service) -> None:
    statuses = []
    for number in range(6):
        with exposed.client(f"203.0.113.{number}") as client:
            statuses.append(client.login(User("ada", "wrong guess")).status_code)
    assert statuses == [401] * 5 + [429]
