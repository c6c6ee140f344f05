"""What nginx answers by itself looks like the application (TLS-3, HDR-1, FPR-1 to FPR-3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import Render
from tests.live.nginx import Deployed, Edge, deployed
from tests.live.service import HOST
from tests.live.test_one_face import mask
from tests.needs import HEADERS_MORE, needs_file

HTML, JSON = "text/html", "application/json"
KINDS = {HTML: "text/html; charset=utf-8", JSON: "application/problem+json"}
OWN = {"date", "connection", "keep-alive", "transfer-encoding"}
"""Of the connection, so nginx's in any case."""
NONCE = re.compile(r"nonce-[\w-]{22,32}'")


@dataclass(frozen=True)
class Answer:
    """A response as it came over the wire, with what is random masked."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def names(self) -> list[str]:
        """Names of the headers in order."""
        return [name for name, _ in self.headers]

    def without(self, *names: str) -> list[tuple[str, str]]:
        """Return the headers but some."""
        return [pair for pair in self.headers if pair[0] not in names]


def answer(status: int, pairs: list[tuple[str, str]], body: str) -> Answer:
    """Return an answer as it is compared."""
    headers = [
        (name.lower(), mask(NONCE.sub("nonce-NONCE'", value)))
        for name, value in pairs
        if name.lower() not in OWN
    ]
    return Answer(status, tuple(headers), mask(body))


def parse(raw: bytes) -> Answer:
    """Read one response of HTTP/1.1."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return answer(int(first.split()[1]), pairs, body.decode("utf-8"))


def request(edge: Edge, line: str, accept: str, *more: str, host: str = "") -> bytes:
    """Return the bytes of a request without a body."""
    head = (line, f"Host: {host or f'{HOST}:{edge.https}'}", f"Accept: {accept}", *more)
    return "\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1")


@pytest.fixture(scope="module", autouse=True)
def headers_more() -> Path:
    """Only with this module nginx can leave its name out."""
    return needs_file(HEADERS_MORE)


def of_application(
    chain: Deployed,
    method: str,
    target: str,
    accept: str,
    *more: tuple[str, str],
    content: bytes = b"",
) -> Answer:
    """Ask the application itself, as the edge does."""
    headers = [("Host", f"{HOST}:{chain.edge.https}"), ("Accept", accept), *more]
    headers += [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "https")]
    asked = httpx.Request(
        method,
        f"http://{HOST}/",
        headers=headers,
        content=content,
        extensions={"target": target.encode()},
    )
    with chain.service.transport() as transport:
        got = transport.handle_request(asked)
        body = got.read()
    pairs = [(name.decode(), value.decode("latin-1")) for name, value in got.headers.raw]
    return answer(got.status_code, [pair for pair in pairs if pair[1]], body.decode())


SAME = ("Sec-Fetch-Site", "same-origin")
LARGE = b"a" * 1_100_000
FILLER = "a" * 40_000
# For each status: what the edge answers by itself, and what makes the application answer so.
BOTH: list[tuple[int, str, str, str]] = [
    (400, "GET / HTTP/1.1\r\nTransfer-Encoding: gzip", "GET", "/%00"),
    (400, "GET / HTTP/1.1\r\nContent-Length: x", "GET", "/%00"),
    (404, "GET /.edge/html HTTP/1.1", "GET", "/unknown"),
    (405, "TRACE / HTTP/1.1", "BREW", "/"),
    (413, f"POST / HTTP/1.1\r\nContent-Length: {len(LARGE)}", "POST", "/"),
    (431, f"GET / HTTP/1.1\r\nX-Filler: {FILLER}", "GET", "/"),
]


@pytest.mark.parametrize("accept", KINDS)
@pytest.mark.parametrize(
    ("status", "edges", "method", "target"),
    BOTH,
    ids=["coding", "length", "internal address", "method", "large", "long header"],
)
def test_same_bytes(
    chain: Deployed, accept: str, status: int, edges: str, method: str, target: str
) -> None:
    first, *rest = edges.split("\r\n")
    found = parse(chain.edge.raw(request(chain.edge, first, accept, *rest)))
    more = (SAME, ("X-Filler", FILLER)) if status == 431 else (SAME,)
    content = LARGE if status == 413 else b""
    assert found == of_application(chain, method, target, accept, *more, content=content)
    assert found.status == status


# All that nginx is known to answer by itself, also where the application never would.
OTHERS = [
    ("nonsense", 400, "NONSENSE", ()),
    ("version", 400, "GET / HTTP/3.1", ()),
    ("two hosts", 400, "GET / HTTP/1.1", ("Host: evil.example",)),
    ("two lengths", 400, "POST / HTTP/1.1", ("Content-Length: 1", "Content-Length: 2")),
    ("long line", 414, f"GET /{'a' * 40_000} HTTP/1.1", ()),
    ("CONNECT", 405, "CONNECT / HTTP/1.1", ()),
]


@pytest.mark.parametrize(
    ("status", "line", "more"), [each[1:] for each in OTHERS], ids=[each[0] for each in OTHERS]
)
def test_same_face(chain: Deployed, status: int, line: str, more: tuple[str, ...]) -> None:
    wanted = of_application(chain, "GET", "/unknown", HTML)
    raw = chain.edge.raw(request(chain.edge, line, HTML, *more))
    found = parse(raw)
    assert found.status == status
    varying = ("content-length", "allow", "retry-after")
    assert found.without(*varying) == wanted.without(*varying)
    assert len(found.names) == len(set(found.names))
    assert f'aria-hidden="true">{status}</p>' in found.body
    assert b"nginx" not in raw.lower()


# What the parser of the application's server refuses, before the application sees it (BND-7).
UNREADABLE = {
    "quote in a query": ('/notes?x="', ()),
    "backtick in a path": ("/a`b", ()),
    "angle in a path": ("/a<b", ()),
    "angle in a query": ("/?a>b", ()),
    "latin-1 in a path": ("/\xe9", ()),
    "latin-1 in a query": ("/?x=\xff", ()),
    "overlong utf-8": ("/\xc0\xaf", ()),
    "surrogate": ("/?\xed\xa0\x80", ()),
    "control character in a header": ("/", ("User-Agent: a\x01b",)),
    "delete in a cookie": ("/", ("Cookie: a=\x7f",)),
}


@pytest.mark.parametrize("accept", KINDS)
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_the_parser_refuses(chain: Deployed, accept: str, name: str) -> None:
    target, more = UNREADABLE[name]
    count = len(chain.edge.lines())
    raw = chain.edge.raw(request(chain.edge, f"GET {target} HTTP/1.1", accept, *more))
    assert parse(raw) == of_application(chain, "GET", "/%00", accept)
    (line,) = chain.edge.lines()[count:]
    assert line["status"] == 400
    assert line["request_id"].encode() in raw


def test_what_the_parser_accepts_is_passed_on(chain: Deployed) -> None:
    wanted = of_application(chain, "GET", "/unknown", HTML)
    browser = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"#<>')
    for target in (f"/unknown?{browser}", "/unknown/{}|^[]'\"", "/unknown?\xc3\xa9", "/a//b?c?d"):
        found = parse(chain.edge.raw(request(chain.edge, f"GET {target} HTTP/1.1", HTML)))
        assert found == wanted, target


@pytest.mark.parametrize("accept", KINDS)
@pytest.mark.parametrize("number", [80, 99, 101, 120, 400])
def test_too_many_headers(chain: Deployed, accept: str, number: int) -> None:
    if "max_headers" not in chain.edge.file.read_text("utf-8"):
        pytest.skip("this nginx cannot count headers: it needs the directive max_headers")
    count = len(chain.edge.lines())
    many = tuple(f"X-{each}: a" for each in range(number))
    raw = chain.edge.raw(request(chain.edge, "GET / HTTP/1.1", accept, *many))
    wanted = of_application(chain, "GET", "/", accept, ("X-Filler", FILLER))
    assert parse(raw) == wanted
    assert wanted.status == 431
    (line,) = chain.edge.lines()[count:]
    assert line["request_id"].encode() in raw


@pytest.mark.parametrize(("status", "more"), [(400, ("X-Own: a\x01b",))])
def test_what_no_edge_can_know_has_the_headers(
    chain: Deployed, status: int, more: tuple[str, ...]
) -> None:
    wanted = of_application(chain, "GET", "/api/unknown", JSON)
    count = len(chain.edge.lines())
    found = parse(chain.edge.raw(request(chain.edge, "GET / HTTP/1.1", HTML, *more)))
    assert found.status == status
    varying = ("content-length", "content-type")
    assert sorted(found.without(*varying)) == sorted(wanted.without(*varying))
    (line,) = chain.edge.lines()[count:]
    assert line["status"] == status


@pytest.mark.parametrize("accept", KINDS)
def test_own_400_of_the_application_stays(chain: Deployed, accept: str) -> None:
    target = "/go?url=https://evil.example/"
    wanted = of_application(chain, "GET", target, accept)
    found = parse(chain.edge.raw(request(chain.edge, f"GET {target} HTTP/1.1", accept)))
    assert found == wanted
    assert found.status == 400


@pytest.mark.parametrize("accept", KINDS)
def test_misdirected(chain: Deployed, accept: str) -> None:
    # The handshake was for one name, the request is for another.
    for host in ("evil.example", f"evil.{HOST}", "127.0.0.1"):
        raw = chain.edge.raw(request(chain.edge, "GET / HTTP/1.1", accept, host=host))
        found, wanted = parse(raw), of_application(chain, "GET", "/unknown", accept)
        assert found.status == 421
        assert found.without("content-length") == wanted.without("content-length")
    plain = request(chain.edge, "GET / HTTP/1.1", accept, host="evil.example")
    found = parse(chain.edge.raw(plain, tls=False))
    assert found.status == 421
    assert "strict-transport-security" not in found.names


def test_http_on_the_port_of_https(chain: Deployed) -> None:
    raw = chain.edge.raw(
        request(chain.edge, "GET / HTTP/1.1", HTML), tls=False, port=chain.edge.https
    )
    assert parse(raw).status == 400
    assert b"nginx" not in raw.lower()


@pytest.mark.parametrize(
    ("line", "accept", "kind"),
    [
        ("TRACE / HTTP/1.1", "*/*", HTML),
        ("TRACE /api/notes HTTP/1.1", "*/*", JSON),
        ("TRACE /api/notes HTTP/1.1", HTML, HTML),
        ("TRACE / HTTP/1.1", "application/problem+json", JSON),
        ("TRACE / HTTP/1.1", "application/json, text/html", HTML),
        ("TRACE /apis HTTP/1.1", "image/png", HTML),
    ],
)
def test_type_by_accept_and_address(chain: Deployed, line: str, accept: str, kind: str) -> None:
    found = parse(chain.edge.raw(request(chain.edge, line, accept)))
    assert dict(found.headers)["content-type"] == KINDS[kind]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /account?a=b HTTP/1.1", 308),
        ("HEAD / HTTP/1.1", 308),
        ("POST /login HTTP/1.1", 403),
        ("OPTIONS / HTTP/1.1", 403),
        ("GET /api/notes HTTP/1.1", 403),
        ("DELETE /api/notes HTTP/1.1", 403),
        ("TRACE / HTTP/1.1", 405),
        ("GET /.well-known/acme-challenge/unknown HTTP/1.1", 404),
        ("GET /.well-known/acme-challenge/../x HTTP/1.1", 308),
        ("POST /.well-known/acme-challenge/unknown HTTP/1.1", 404),
        ("GET /.edge/https HTTP/1.1", 404),
    ],
)
def test_plain_http(chain: Deployed, line: str, status: int) -> None:
    raw = chain.edge.raw(request(chain.edge, line, "*/*", host=HOST), tls=False)
    found = parse(raw)
    headers = dict(found.headers)
    assert found.status == status
    assert len(found.names) == len(headers)
    assert headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in headers
    assert "upgrade-insecure-requests" not in headers["content-security-policy"]
    assert b"nginx" not in raw.lower()
    target = line.split()[1]
    if status == 308:
        assert headers["location"] == f"{chain.edge.origin}{target}"
        assert not found.body
        assert "content-type" not in headers
    else:
        kind = JSON if target.startswith("/api/") else HTML
        assert headers["content-type"] == KINDS[kind]
        assert headers["cache-control"] == "no-store"


def test_challenge_is_answered(chain: Deployed) -> None:
    folder = chain.edge.folder / "acme" / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token").write_text("token.key")
    line = "GET /.well-known/acme-challenge/token HTTP/1.1"
    found = parse(chain.edge.raw(request(chain.edge, line, "*/*", host=HOST), tls=False))
    assert (found.status, found.body) == (200, "token.key")
    assert len(found.names) == len(set(found.names))
    assert "x-content-type-options" in found.names


@pytest.fixture(scope="module")
def down(installed: Render) -> Iterator[Deployed]:
    """Run an edge whose service has stopped."""
    with deployed(installed(framework="fastapi")) as started:
        with started.edge.client() as client:
            page = client.get("/").text
            for asset in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
                assert client.get(asset).status_code == 200
        started.service.stop()
        yield started


@pytest.mark.parametrize("accept", KINDS)
def test_application_is_down(down: Deployed, chain: Deployed, accept: str) -> None:
    wanted = of_application(chain, "GET", "/unknown", accept)
    for line in ("GET / HTTP/1.1", "POST /login HTTP/1.1", "GET /api/notes HTTP/1.1"):
        raw = down.edge.raw(request(down.edge, line, accept))
        found = parse(raw)
        assert found.status == 503
        assert found.without("content-length") == wanted.without("content-length")
        assert b"nginx" not in raw.lower()
        assert "503" in found.body


def test_error_page_keeps_its_style_while_down(down: Deployed) -> None:
    with down.edge.client() as client:
        page = client.get("/unknown")
        assert page.status_code == 503
        (sheet,) = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
        style = client.get(sheet)
    assert style.status_code == 200
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
    names = [name.lower() for name, _ in style.headers.raw]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_same_over_both_versions(chain: Deployed, version: str) -> None:
    shown = chain.edge.curl("-i", version, "-X", "TRACE", f"{chain.edge.origin}/")
    head, _, body = shown.partition("\n\n" if "\r" not in shown else "\r\n\r\n")
    assert " 405" in head.splitlines()[0]
    assert "server:" not in head.lower()
    assert "strict-transport-security: " in head
    assert "<title>405 Method not allowed</title>" in body
