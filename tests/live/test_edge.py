"""Real clients through the real edge: who they are, how much they may, and what they cannot do."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import Render
from tests.live.nginx import Deployed, Edge, deployed, has_ipv6
from tests.live.probing import visits_during
from tests.live.service import HOST, START_SECONDS, Service, User, folder, running
from tests.live.test_browser import QUIET, heading, log_in
from tests.live.test_edge_faces import HTML, parse, request
from tests.needs import needs
from tests.weekly import frameworks

SPOOFED = "6.6.6.6"
EVIL = "/go?url=https://evil.example/"
WRONG = "certainly not the password"
LIMIT = 5
"""`throttle.pair.limit` of the policy."""
PLUGIN = f"""
import socket
_real = socket.getaddrinfo
def _here(host, *arguments, **options):
    host = "127.0.0.1" if host in ({HOST!r}, {HOST.encode()!r}) else host
    return _real(host, *arguments, **options)
socket.getaddrinfo = _here
"""


# The edge is the same for all, and test_one_face.py compares what the frameworks' servers answer to
# what it passes on.
@pytest.fixture(scope="module", params=frameworks("fastapi"))
def each(request: pytest.FixtureRequest, installed: Render) -> Iterator[Deployed]:
    """Run the service of each framework behind its edge."""
    with deployed(installed(framework=request.param)) as started:
        yield started


def client_of(chain: Deployed, headers: dict[str, str], source: str = "127.0.0.1") -> str:
    """Return the address that the application logs for a request with these headers."""
    mark = chain.service.mark()
    with chain.edge.client(source) as client:
        assert client.get(EVIL, headers=headers).status_code == 400
    (line,) = chain.service.events("malicious_redirect", mark)
    return str(line["client"])


# The whole contract, seen from outside.


def test_conformance_suite(each: Deployed) -> None:
    user = each.service.add_user()
    password = each.edge.folder / "password"
    password.write_text(user.password)
    (each.edge.folder / "here.py").write_text(PLUGIN)
    options = ("-p", "here", "-p", "no:cacheprovider", "-q", "--base-url", each.edge.origin)
    known = ("--user", user.name, "--password-file", str(password))
    authority = ("--ca", str(each.edge.authority.file))
    done = each.service.project.run(
        each.service.project.python,
        *("-m", "pytest", "tests/contract", *options, *known, *authority),
        PYTHONPATH=str(each.edge.folder),
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) > 400


# Who is asking (PRX-1 to PRX-3).


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "x_forwarded_for",
        "X-Real-IP",
        "X_Real_IP",
        "Forwarded",
        "Client-IP",
        "True-Client-IP",
    ],
)
def test_client_cannot_claim_an_address(each: Deployed, name: str) -> None:
    value = f"for={SPOOFED}" if name == "Forwarded" else SPOOFED
    assert client_of(each, {name: value}) == "127.0.0.1"


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9", "::1"])
def test_client_is_who_connects(chain: Deployed, source: str) -> None:
    if ":" in source and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    assert client_of(chain, {}, source) == source


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Proto": "http"},
        {"X_Forwarded_Proto": "http"},
        {"X-Forwarded-Host": "evil.example"},
        {"X_Forwarded_Host": "evil.example"},
        {"X-Forwarded-Port": "80", "X-Forwarded-Prefix": "/evil", "X-Script-Name": "/evil"},
        {"X-Original-URL": "/account", "X-Rewrite-URL": "/account"},
        {"X-HTTP-Method-Override": "DELETE"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_client_cannot_claim_scheme_host_or_path(each: Deployed, headers: dict[str, str]) -> None:
    with each.edge.client() as client:
        # Which leads there only where it is the service's own origin.
        answer = client.get(f"/go?url={each.edge.origin}/notes", headers=headers)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{each.edge.origin}/notes"
    assert "strict-transport-security" in answer.headers


def test_client_cannot_claim_a_request_id(chain: Deployed) -> None:
    claimed = "ab" * 16
    mark = chain.service.mark()
    with chain.edge.client() as client:
        page = client.get(EVIL, headers={"X-Request-ID": claimed, "X_Request_ID": claimed}).text
    (shown,) = re.findall(r"<code>([0-9a-f]{32})</code>", page)
    assert shown != claimed
    # What the visitor sees, the application's log and the edge's log name the same request.
    assert [line["request_id"] for line in chain.service.lines(mark)].count(shown) == 2
    assert [line["path"] for line in chain.edge.lines_of(shown)] == ["/go"]


def test_two_clients_are_two_buckets(chain: Deployed) -> None:
    user = chain.service.add_user()
    wrong = User(user.name, WRONG)
    with chain.edge.client("127.0.0.21") as first, chain.edge.client("127.0.0.22") as second:
        statuses = [first.login(wrong).status_code for _ in range(LIMIT + 1)]
        assert statuses == [401] * LIMIT + [429]
        # A spoofed address is no third one.
        first.headers["X-Forwarded-For"] = SPOOFED
        assert first.login(user).status_code == 429
        assert second.login(wrong).status_code == 401
        assert second.login(user).status_code == 303
        assert second.logged_in()


def test_browser_logs_in(chain: Deployed) -> None:
    user = chain.service.add_user()
    rules = f"--host-resolver-rules=MAP {HOST} 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=needs("chromium"), args=[*QUIET, rules]
        )
        context = browser.new_context(base_url=chain.edge.origin, ignore_https_errors=True)
        window = context.new_page()
        window.goto("/notes")
        log_in(window, user)
        assert window.url == f"{chain.edge.origin}/notes"
        assert heading(window) == "Notes"
        spoken = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert window.evaluate(spoken) == "h2"
        # By the name, http leads to https, and the session goes along.
        window.goto(f"http://{HOST}:{chain.edge.http}/account")
        assert window.url == f"{chain.edge.origin}/account"
        assert heading(window) == "Account"
        (cookie,) = [each for each in context.cookies() if each["name"] == "__Host-session"]
        assert cookie["secure"]
        assert cookie["httpOnly"]
        browser.close()


def test_upgrade_is_refused(chain: Deployed) -> None:
    headers = (
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {'A' * 22}==",
    )
    asked = request(chain.edge, "GET / HTTP/1.1", HTML, *headers)
    asked = asked.replace(b"Connection: close", b"Connection: Upgrade, close")
    found = parse(chain.edge.raw(asked))
    assert found.status == 200
    assert "upgrade" not in found.names


# Names (PRX-2, TLS-1).


@pytest.mark.parametrize("name", ["evil.example", f"www.{HOST}", "localhost", None])
def test_unknown_names_get_no_handshake(chain: Deployed, name: str | None) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(
            ("127.0.0.1", chain.edge.https), timeout=START_SECONDS
        ) as connection,
        pytest.raises(ssl.SSLError, match=r"UNRECOGNIZED_NAME|unrecognized name"),
    ):
        context.wrap_socket(connection, server_hostname=name)


# One request is one request (ASVS 4.2.1).

SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
SMUGGLING = {
    "CL.TE": f"Content-Length: 6\r\n{CHUNKED}\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "TE.CL": f"{CHUNKED}\r\nContent-Length: 4\r\n\r\n5c\r\n{SMUGGLED}\r\n0\r\n\r\n",
    "two codings": f"{CHUNKED}\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "coding unknown": f"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "coding list": f"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "coding, vertical tab": f"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "space before the colon": f"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "folded header": f"X-None: a\r\n {CHUNKED}\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "folded value": f"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "two lengths": f"Content-Length: 0\r\nContent-Length: 40\r\n\r\n{SMUGGLED}",
    "length list": f"Content-Length: 0, 40\r\n\r\n{SMUGGLED}",
    "length, sign": f"Content-Length: +0\r\n\r\n{SMUGGLED}",
    "length, negative": f"Content-Length: -1\r\n\r\n{SMUGGLED}",
    "length, hexadecimal": f"Content-Length: 0x0\r\n\r\n{SMUGGLED}",
    "chunk size, no digit": f"{CHUNKED}\r\n\r\nz\r\n\r\n{SMUGGLED}",
    "chunk size, negative": f"{CHUNKED}\r\n\r\n-1\r\n\r\n{SMUGGLED}",
    "chunk size, overflow": f"{CHUNKED}\r\n\r\n{'f' * 17}\r\n\r\n{SMUGGLED}",
    "chunk longer than said": f"{CHUNKED}\r\n\r\n1\r\naaa\r\n0\r\n\r\n{SMUGGLED}",
    "CR in a value": f"X-None: a\r{CHUNKED}\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "NUL in a value": f"X-None: a\0\r\n{CHUNKED}\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "LF in a value": f"Content-Length: 6\r\nX: a\n{CHUNKED}\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "coding in HTTP/1.0": f"{CHUNKED}\r\n\r\n0\r\n\r\n{SMUGGLED}",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggling_is_refused(chain: Deployed, name: str) -> None:
    host = f"{HOST}:{chain.edge.https}"
    version = "1.0" if name.endswith("1.0") else "1.1"
    text = f"POST /logout HTTP/{version}\r\nHost: {host}\r\n{SMUGGLING[name]}"
    raw = chain.edge.raw(text.replace("HOST", host).encode("latin-1"))
    assert parse(raw).status == 400
    # One answer, and the connection is over: what came after it was never a request.
    assert raw.count(b"HTTP/1.1 ") == 1
    assert not [line for line in chain.edge.lines() if line["path"] == "/smuggled"]
    with chain.edge.client() as client:
        assert client.get("/healthz").text == "ok\n"


def test_line_feed_ends_a_line_for_everybody(chain: Deployed) -> None:
    # RFC 9112 section 2.2 allows it. The edge writes the request anew, so the application cannot
    # see other lines than the edge did.
    asked = request(chain.edge, "GET /healthz HTTP/1.1", HTML).replace(b"\r\n", b"\n")
    raw = chain.edge.raw(asked)
    assert parse(raw).status == 200
    assert raw.count(b"HTTP/1.1 ") == 1


def test_large_upload_is_not_taken_in(chain: Deployed) -> None:
    whole = 512  # 32 MiB
    head = f"POST /notes HTTP/1.1\r\nHost: {HOST}:{chain.edge.https}\r\n{CHUNKED}\r\n\r\n"
    sent, received = 0, b""
    with (
        socket.create_connection(("127.0.0.1", chain.edge.https), timeout=START_SECONDS) as plain,
        chain.edge.trust().wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(head.encode())
        while sent < whole and not received:
            connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
            sent += 1
            connection.setblocking(False)
            with suppress(ssl.SSLWantReadError):
                received = connection.recv(65536)
            connection.settimeout(20)
    # What the kernel's buffers hold may be on its way when the answer comes.
    assert sent < whole
    assert parse(received).status == 413
    kept = (path.stat().st_size for path in (chain.edge.folder / "cache").rglob("*"))
    assert sum(kept) < 2 * 1024 * 1024


# Limits (TLS-3), tight ones so that tests are quick.

OTHER = "other.example.com"
TIGHT = {
    "edge.login-rate-per-minute": 1,
    "edge.login-burst": 3,
    "edge.connections": 4,
    "edge.header-timeout": 1,
    "edge.body-timeout": 1,
}


@pytest.fixture(scope="module")
def tight(installed: Render) -> Iterator[Deployed]:
    """Run an edge by a stricter policy, which believes tests who they are."""
    further = {"further-names": [OTHER]}
    with deployed(installed(framework="fastapi"), facts=further) as started:
        edge = started.edge
        edge.render(policy=str(with_exceptions(started, TIGHT)))
        text = edge.file.read_text("utf-8")
        trusting = "http {\n  set_real_ip_from 127.0.0.0/8;\n  real_ip_header X-Test-Client;\n"
        edge.file.write_text(text.replace("http {\n", trusting, 1))
        edge.reload()

        def limited() -> None:
            # A worker that knows the client's claim is one that has read the new file.
            with edge.client() as client:
                client.get(EVIL, headers={"X-Test-Client": "192.0.2.99"})
            assert "192.0.2.99" in {line["client"] for line in edge.lines()}
            assert edge.settled()

        edge.wait_until(limited)
        yield started


def with_exceptions(chain: Deployed, settings: dict[str, Any]) -> Path:
    """Write a policy file that deviates, and return its path."""
    text = (chain.service.project.path / "policy.toml").read_text("utf-8")
    for name, value in settings.items():
        text += (
            f"\n[[exception]]\nsetting = {json.dumps(name)}\nvalue = {json.dumps(value)}\n"
            'reason = "Needed by a test of it"\nowner = "tests"\nexpires = 2100-01-01\n'
        )
    path = chain.edge.folder / "policy.toml"
    path.write_text(text, "utf-8")
    return path


def test_two_names_of_ours_are_two_handshakes(tight: Deployed) -> None:
    # What one certificate or one name's rules let through must not be had under another name.
    found = parse(tight.edge.raw(request(tight.edge, "GET / HTTP/1.1", HTML, host=OTHER)))
    assert found.status == 421
    for target in ("/login", "/static/0000000000000000/app.css"):
        line = f"GET {target} HTTP/1.1"
        assert parse(tight.edge.raw(request(tight.edge, line, HTML, host=OTHER))).status == 421


def test_exceptions_of_the_policy_reach_nginx(tight: Deployed) -> None:
    text = tight.edge.file.read_text("utf-8")
    assert "rate=1r/m" in text
    assert "limit_conn clients 4;" in text


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"], "2001:db8:1:3::1"),
        (["2001:db8:a0a:a0a::1", "2001:db8:a0a:a0a::a"], "2001:db8:a0a:a0b::1"),
        (["192.0.2.1"], "192.0.2.2"),
    ],
    ids=["IPv6", "IPv6 with a byte that ends lines", "IPv4"],
)
def test_login_floods_stop_at_the_edge(tight: Deployed, same: list[str], other: str) -> None:
    mark = tight.service.mark()
    answers = []
    with tight.edge.client() as client:
        for number in range(6):
            client.headers["X-Test-Client"] = same[number % len(same)]
            answers.append(client.post("/login", data={"username": "a", "password": "b"}))
        assert [answer.status_code for answer in answers] == [401] * 4 + [429] * 2
        assert answers[-1].headers["retry-after"] == "60"
        assert "Too many attempts" in answers[-1].text
        # Reading the form is no attempt, and others are not concerned.
        assert client.get("/login").status_code == 200
        client.headers["X-Test-Client"] = other
        assert client.post("/login", data={"username": "a", "password": "b"}).status_code == 401
    seen = {line["client"] for line in tight.service.events("authn_login_fail", mark)}
    assert seen == {*same, other}


def test_connections_of_one_client_are_limited(tight: Deployed) -> None:
    head = request(tight.edge, "POST /notes HTTP/1.1", HTML, "Content-Length: 9")
    with ExitStack() as stack:
        waiting = []
        for _ in range(4):
            plain = socket.create_connection(("127.0.0.1", tight.edge.https), timeout=START_SECONDS)
            wrapped = tight.edge.trust().wrap_socket(plain, server_hostname=HOST)
            waiting.append(stack.enter_context(wrapped))
            waiting[-1].sendall(head)
        found = parse(tight.edge.raw(head + b"a=b&c=d&e"))
        assert found.status == 429
        assert "retry-after" in found.names
    with tight.edge.client("127.0.0.5") as client:
        assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: a",
        b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 9\r\n\r\na",
    ],
    ids=["nothing", "half a header", "half a body"],
)
def test_slow_clients_are_dropped(tight: Deployed, sent: bytes) -> None:
    host = f"{HOST}:{tight.edge.https}".encode()
    raw = tight.edge.raw(sent.replace(b"HOST", host))
    assert raw == b"" or parse(raw).status == 408


# What is written down, and what is compressed.


def test_log_is_json_without_secrets(chain: Deployed) -> None:
    secret = "verysecret"  # noqa: S105 - to look for
    line = f"GET /login?next=/{secret} HTTP/1.1"
    headers = (f"Cookie: __Host-session={secret}", f"Authorization: Bearer {secret}")
    agent = 'User-Agent: a"b\\c\x01\xff' + "x" * 500
    chain.edge.raw(request(chain.edge, line, HTML, *headers, agent))
    chain.edge.raw(request(chain.edge, 'GET /a"b\xff\xfe HTTP/1.1', HTML))
    text = (chain.edge.folder / "logs" / "access.log").read_bytes()
    assert secret.encode() not in text
    assert text.isascii()
    logged = chain.edge.lines()
    assert all(
        {"timestamp", "event", "request_id", "client", "status"} <= each.keys() for each in logged
    )
    assert all(each["timestamp"].endswith("+00:00") for each in logged)
    assert {"/login", '/a"b'} <= {each["path"] for each in logged}


def test_only_static_files_are_compressed(chain: Deployed) -> None:
    with chain.edge.client() as client:
        page = client.get("/login", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in page.headers
        (sheet,) = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
        plain = client.get(sheet, headers={"Accept-Encoding": "identity"})
        packed = client.get(sheet, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.text == plain.text
    once = {"vary", "content-encoding", "content-length", "transfer-encoding", "etag"}
    for answer in (plain, packed):
        names = [name for name, _ in answer.headers.multi_items()]
        assert len(names) == len(set(names))
    assert set(plain.headers) - once == set(packed.headers) - once


def test_old_hash_is_no_new_file(chain: Deployed) -> None:
    with chain.edge.client() as client:
        (sheet,) = re.findall(r'rel="stylesheet" href="([^"]+)"', client.get("/").text)
        assert client.get(sheet).status_code == 200
        other = re.sub("[0-9a-f]{16}", "0" * 16, sheet)
        for _ in range(2):
            missing = client.get(other)
            assert missing.status_code == 404
            assert missing.headers["cache-control"] == "no-store"


# Nothing gets lost.


def under_load(edge: Edge, change: Callable[[], None], *, method: str = "GET") -> list[int]:
    """Return the statuses that clients see, each on a connection of its own, during `change`."""

    def visit() -> int:
        with edge.client() as client:
            return client.request(method, "/logout").status_code

    return visits_during(change, visit)


def test_reload_loses_no_request(chain: Deployed) -> None:
    def change() -> None:
        for _ in range(3):
            generation = chain.edge.workers()
            chain.edge.reload()
            chain.edge.wait_for_new(generation)

    statuses = under_load(chain.edge, change)
    assert len(statuses) > 3
    assert set(statuses) == {405}


@dataclass
class Pair:
    """Two services with the same state, and the edge in front of them."""

    services: list[Service]
    edge: Edge


@pytest.fixture(scope="module")
def pair(installed: Render) -> Iterator[Pair]:
    """Run two services that may be stopped."""
    project = installed(framework="fastapi")
    with ExitStack() as stack:
        edge = Edge(project, stack.enter_context(folder()), [])
        hosts = {"APP_HOSTS": f"{HOST}:{edge.https}"}
        services: list[Service] = []
        for _ in range(2):
            shared = services[0].environment() if services else {}
            kept = ("APP_SECRET_KEYS_FILE", "APP_DATABASE_URL", "APP_STORE_URL")
            variables = {**hosts, **{name: shared[name] for name in kept if shared}}
            services.append(
                stack.enter_context(
                    running(project, variables=variables, origin=edge.origin, alone=True)
                )
            )
        edge.sockets = [service.socket for service in services]
        edge.render()
        edge.start()
        stack.callback(edge.stop)
        yield Pair(services, edge)


@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("POST", 303)])
def test_restart_one_by_one_loses_no_request(pair: Pair, method: str, status: int) -> None:
    def change() -> None:
        for service in pair.services:
            assert service.stop() == 0
            service.start()

    statuses = under_load(pair.edge, change, method=method)
    assert len(statuses) > 3
    assert set(statuses) == {status}


def test_runs_without_ipv6(installed: Render) -> None:
    with deployed(installed(framework="fastapi"), addresses=["127.0.0.1"]) as started:
        assert "[::" not in started.edge.file.read_text("utf-8")
        with started.edge.client() as client:
            assert client.get("/").status_code == 200
