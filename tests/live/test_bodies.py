"""Bodies that stall, stop short or are too large, and answers that break off (BND-4, BND-5)."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

import httpx
import pytest

from tests.live import probing
from tests.live.nginx import deployed
from tests.live.probing import answer, chunk, connection, everything, head, resident, waits
from tests.live.service import HOST, STOP_SECONDS, Client, Service, running
from tests.ports import free_port
from tests.projects import Project
from tests.weekly import frameworks

FORM = "Content-Type: application/x-www-form-urlencoded"
CHUNKED = "Transfer-Encoding: chunked"
HALVES = 20
"""More than a worker has threads for views."""
MIB = 1 << 20
NOTE = b"title=whole&text=I+do+not+agree"
END = b"0\r\n\r\n"
BOUNDARY = "parts"
CLIENT = "203.0.113.9"


@pytest.fixture(scope="module", params=frameworks("django", "litestar"))
def project(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """Return an installed project of each framework with views of ours."""
    target = tmp_path_factory.mktemp("probing") / "project"
    return probing.with_views(template, target, request.param)


@pytest.fixture(scope="module")
def service(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run one worker: each test meets what the one before left."""
    uploads = {"TMPDIR": str(tmp_path_factory.mktemp("uploads"))}
    with running(project, workers=1, variables=uploads) as started:
        yield started


@pytest.fixture(scope="module")
def signed_in(service: Service) -> Iterator[Client]:
    """Return a browser of somebody who has logged in."""
    with service.client() as client:
        assert client.login(service.add_user()).is_redirect
        assert client.logged_in()
        yield client


def facts(service: Service) -> dict[str, object]:
    """Return what the framework was told of a request, and what its process has seen."""
    with service.client(CLIENT) as client:
        told: dict[str, object] = client.get("/probe/facts").json()
    return told


def upload(text: str, content: bytes) -> bytes:
    """Return a form with a file."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="text"\r\n\r\n{text}\r\n'.encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode(),
        content,
        f"\r\n--{BOUNDARY}--\r\n".encode(),
    ]
    return b"".join(parts)


KIND = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


@pytest.mark.parametrize("target", ["/login", "/probe/upload"])
def test_half_bodies_hold_up_nobody(service: Service, target: str) -> None:
    kind, begin = (FORM, b"user") if target == "/login" else (KIND, f"--{BOUNDARY}"[:4].encode())
    with ExitStack() as stack, service.client() as client:
        halves = [stack.enter_context(connection(service)) for _ in range(HALVES)]
        for half in halves:
            half.sendall(head(target, kind, "Content-Length: 100") + begin)
        answered = 0
        while all(map(waits, halves)):
            assert client.get("/login").status_code == 200
            assert client.get("/healthz").status_code == 200
            answered += 2
        # More than there are threads, while all the halves were waiting.
        assert answered > HALVES
        assert [answer(half)[0] for half in halves] == [408] * HALVES
        # Nor does one stay connected.
        assert not any(map(everything, halves))


def cut_bodies() -> dict[str, tuple[str, bytes]]:
    """Return bodies that end too early: a header line, and what is sent."""
    whole = chunk(NOTE)
    return {
        "shorter than its length": (f"Content-Length: {len(NOTE) + 20}", NOTE),
        "one byte short": (f"Content-Length: {len(NOTE) + 1}", NOTE),
        "nothing at all": ("Content-Length: 5", b""),
        "chunks without their end": (CHUNKED, whole),
        "a cut chunk": (CHUNKED, whole[:-9]),
        "a cut size": (CHUNKED, whole + b"1"),
        "half an end": (CHUNKED, whole + b"0\r\n"),
        "a size that is no number": (CHUNKED, whole + b"xyz\r\nabc\r\n" + END),
        "a chunk longer than its size": (CHUNKED, b"3\r\n" + NOTE + b"\r\n" + END),
        "a negative size": (CHUNKED, b"-3\r\n" + NOTE + b"\r\n" + END),
    }


@pytest.mark.parametrize("json_body", [False, True], ids=["form", "json"])
@pytest.mark.parametrize("name", cut_bodies())
def test_a_cut_body_stores_nothing(
    service: Service, signed_in: Client, name: str, json_body: bool
) -> None:
    line, body = cut_bodies()[name]
    target, kind = "/notes", FORM
    if json_body:
        # What is there is a whole document: only its announced end is not.
        whole = json.dumps({"title": "whole", "text": "I do not agree"}).encode()
        body = body.replace(chunk(NOTE)[:-9], chunk(whole)[:-9]).replace(NOTE, whole)
        line = line.replace(str(len(NOTE) + 20), str(len(whole) + 20))
        line = line.replace(str(len(NOTE) + 1), str(len(whole) + 1))
        target, kind = "/api/notes", "Content-Type: application/json"
    before = signed_in.get("/api/notes").json()
    cookies = "; ".join(f"{key}={value}" for key, value in signed_in.cookies.items())
    lines = (f"Cookie: {cookies}", f"X-CSRFToken: {signed_in.token()}", kind, line)
    with connection(service) as made:
        made.sendall(head(target, *lines) + body)
        made.shutdown(socket.SHUT_WR)
        status = everything(made)[9:12]
    assert status in {b"", b"400"}
    assert signed_in.get("/api/notes").json() == before


@pytest.mark.parametrize("framing", ["announced", "chunked"])
@pytest.mark.parametrize(
    ("target", "status"),
    [("/login", 400), ("/notes", 303), ("/api/notes", 401), ("/nowhere", 404), ("/", 405)],
)
def test_a_bad_body_is_nobodys_business_where_nobody_reads_it(
    service: Service, target: str, status: int, framing: str
) -> None:
    # Who may see what comes before what was sent (RTE-2), alike in all frameworks (FPR-3).
    body = b"username=%ff&"
    with connection(service) as made:
        if framing == "chunked":
            made.sendall(head(target, FORM, CHUNKED) + chunk(body) + END)
        else:
            made.sendall(head(target, FORM, f"Content-Length: {len(body)}") + body)
        assert answer(made)[0] == status


@pytest.mark.parametrize("last", [b"", b"--", f"\r\n--{BOUNDARY}".encode()], ids=ascii)
@pytest.mark.parametrize("framing", ["whole", "chunked", "cut"])
def test_a_cut_upload_never_arrives(service: Service, framing: str, last: bytes) -> None:
    body = upload("cut", b"z" * 200_000)[: -len(f"\r\n--{BOUNDARY}--\r\n")] + last
    before = facts(service)["uploads"]
    with connection(service) as made:
        if framing == "chunked":
            made.sendall(head("/probe/upload", KIND, CHUNKED) + chunk(body) + END)
        else:
            length = len(body) + (20 if framing == "cut" else 0)
            made.sendall(head("/probe/upload", KIND, f"Content-Length: {length}") + body)
        made.shutdown(socket.SHUT_WR)
        status = everything(made)[9:12]
    assert status in {b"", b"400"}
    assert facts(service)["uploads"] == before


def temporary(service: Service, process: int) -> list[str]:
    """Return the files in which uploads are: those with a name, and those that are only open."""
    folder = Path(service.variables["TMPDIR"])
    opened = []
    for entry in Path(f"/proc/{process}/fd").iterdir():
        # It may be closed by now.
        with suppress(FileNotFoundError):
            opened.append(str(entry.readlink()))
    return [*map(str, folder.iterdir()), *(name for name in opened if name.startswith(str(folder)))]


def test_uploads_that_are_cut_leave_nothing_behind(service: Service) -> None:
    process = int(str(facts(service)["process"]))
    before, uploads = resident(process), facts(service)["uploads"]
    whole = upload("cut", b"z" * 7 * MIB)
    begin = head("/probe/upload", KIND, f"Content-Length: {len(whole)}") + whole[: 6 * MIB]
    grown = 0
    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(HALVES):
                # Some are gone before they are read, some while their bytes wait.
                with suppress(ConnectionError):
                    stack.enter_context(connection(service)).sendall(begin)
            grown = max(grown, resident(process) - before)
    assert probing.eventually(lambda: (facts(service), temporary(service, process))[1] == [])
    assert facts(service)["uploads"] == uploads
    print(f"grown by {grown} KiB by {HALVES} uploads at once")
    assert grown <= 64 * 1024


def test_slow_uploads_hold_up_nobody(service: Service) -> None:
    whole = upload("slow", b"z" * 100)
    begin = head("/probe/upload", KIND, f"Content-Length: {len(whole)}")
    with ExitStack() as stack, service.client() as client:
        slow = [stack.enter_context(connection(service)) for _ in range(HALVES)]
        for one in slow:
            one.sendall(begin)
        for start in range(0, len(whole), 40):
            for one in slow:
                one.sendall(whole[start : start + 40])
            assert client.get("/login").elapsed.total_seconds() < probing.PAUSE
            time.sleep(0.2)
        assert [answer(one)[0] for one in slow] == [200] * HALVES


@cache
def large() -> bytes:
    """Return what unfolds to 200 MiB."""
    return gzip.compress(bytes(200 * MIB))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_compressed_upload_costs_what_is_sent(service: Service, encoding: str) -> None:
    process = int(str(facts(service)["process"]))
    before = resident(process)
    bomb = large()
    with connection(service) as made:
        lines = (KIND, f"Content-Encoding: {encoding}", f"Content-Length: {len(bomb)}")
        made.sendall(head("/probe/upload", *lines) + bomb)
        assert answer(made)[0] == 415
    assert resident(process) - before <= 16 * 1024


def test_a_chunked_upload_is_complete(service: Service) -> None:
    content = bytes(range(256)) * 12_000
    body = upload("complete", content)
    with connection(service) as made:
        made.sendall(head("/probe/upload", KIND, CHUNKED))
        for start in range(0, len(body), 50_021):
            made.sendall(chunk(body[start : start + 50_021]))
        made.sendall(END)
        status, said = answer(made)
    assert status == 200
    digest = hashlib.sha256(content).hexdigest()
    assert json.loads(said) == {"text": "complete", "size": len(content), "sha256": digest}


def test_a_broken_answer_looks_broken(service: Service) -> None:
    mark = service.mark()
    with connection(service) as made:
        made.sendall(head("/probe/broken", f"X-Forwarded-For: {CLIENT}", method="GET"))
        got = everything(made)
    assert got.startswith(b"HTTP/1.1 200")
    assert b"the first part" in got
    assert not got.endswith(END)
    with service.client() as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/probe/broken")
    crashes = service.events("sys_crash", mark)
    assert len(crashes) == 2
    assert crashes[0]["client"] == CLIENT
    assert len({line["request_id"] for line in crashes}) == 2
    assert all(len(line["request_id"]) == 32 for line in crashes)
    assert "the second part cannot be made" in json.dumps(crashes[0])


def test_a_large_answer_costs_no_memory(service: Service) -> None:
    size = 200 * MIB
    process = int(str(facts(service)["process"]))
    before = resident(process)
    with connection(service) as made:
        # The smallest buffer, and a pause: who reads slowly fills no memory either.
        made.sendall(head(f"/probe/large?size={size}", method="GET"))
        time.sleep(1)
        waiting = resident(process)
        length = 0
        tail = b""
        while not tail.endswith(END):
            part = made.recv(MIB)
            assert part, f"cut after {length} bytes"
            length += len(part)
            tail = (tail + part)[-5:]
    assert length > size
    grown = max(waiting, resident(process)) - before
    print(f"grown by {grown} KiB, {waiting - before} KiB while the client paused")
    assert grown <= 32 * 1024


def test_streams_end_with_their_clients(service: Service) -> None:
    with ExitStack() as stack:
        made = [stack.enter_context(connection(service)) for _ in range(HALVES)]
        for one in made:
            one.sendall(head(f"/probe/large?size={200 * MIB}", method="GET"))
            assert one.recv(1000)
        # Nobody reads on; others are answered.
        assert facts(service)["streams"] == HALVES
    assert probing.eventually(lambda: facts(service)["streams"] == 0)


def test_head_of_a_file(service: Service) -> None:
    with service.client() as client:
        whole = client.get("/probe/file")
        assert whole.status_code == 200
    assert len(whole.content) == int(whole.headers["content-length"])
    with connection(service) as made:
        for _ in range(2):
            made.sendall(head("/probe/file", method="HEAD"))
        made.sendall(head("/probe/facts", "Connection: close", method="GET"))
        got = everything(made)
    # Three answers on one connection, and the file in none.
    assert got.count(b"HTTP/1.1 200") == 3
    assert got.lower().count(b"content-length: %d\r\n" % len(whole.content)) == 2
    assert whole.content[:50] not in got


HIDDEN = head("/probe/facts", method="GET")


def oversized(framing: str) -> bytes:
    """Return a request whose body is over the limit and holds another request."""
    body = b"text=" + b"x" * 2 * MIB + HIDDEN * 3
    if framing == "announced":
        return head("/login", FORM, f"Content-Length: {len(body)}") + body
    return head("/login", FORM, CHUNKED) + chunk(body) + END


@pytest.mark.parametrize("framing", ["announced", "chunked"])
def test_a_large_body_is_refused_and_not_read_as_requests(service: Service, framing: str) -> None:
    with connection(service) as made:
        try:
            made.sendall(oversized(framing))
            made.sendall(head("/login", "Connection: close", method="GET"))
        except ConnectionError:
            pass
        got = everything(made)
    assert got.startswith(b"HTTP/1.1 413")
    # Either the connection ends, or the next request on it is the client's next.
    assert got.count(b"HTTP/1.1 ") <= 2
    assert b'"uploads"' not in got
    assert facts(service)["client"] == CLIENT


@pytest.mark.parametrize("framing", ["announced", "chunked"])
def test_who_sends_too_much_can_read_why(service: Service, framing: str) -> None:
    # As a browser sends: all of it before the answer is read, in pieces.
    text = oversized(framing)
    with connection(service) as made:
        for start in range(0, len(text), 16_384):
            made.sendall(text[start : start + 16_384])
        assert answer(made)[0] == 413


def test_mapped_addresses_are_the_same(project: Project) -> None:
    own = {"APP_TRUSTED_PROXIES": "127.0.0.1"}
    with running(project, workers=1, host="::", port=free_port(), variables=own) as service:
        told = facts(service)
        assert told["client"] == CLIENT
        assert told["scheme"] == "https"
        assert told["host"] == HOST
        with service.transport() as plain:
            url = f"http://127.0.0.1:{service.port}/probe/facts"
            direct = plain.handle_request(httpx.Request("GET", url, headers={"Host": HOST}))
            told = json.loads(direct.read())
    assert told["client"] == "127.0.0.1"
    assert told["scheme"] == "http"


def test_refusals_reach_who_sends_through_the_edge(project: Project) -> None:
    content = b"x" * 900_000
    with deployed(project) as chain, chain.edge.client() as client:
        for target, kind, status in (
            ("/login", "text/plain", 415),
            ("/nowhere", "application/x-www-form-urlencoded", 404),
            ("/notes", "application/x-www-form-urlencoded", 303),
        ):
            statuses = [
                client.request(
                    "POST", target, content=b"a=" + content, headers={"Content-Type": kind}
                ).status_code
                for _ in range(20)
            ]
            assert statuses == [status] * 20


def test_work_behind_an_answer_is_done_before_the_server_stops(
    project: Project, tmp_path: Path
) -> None:
    with running(project, workers=1) as service, service.client() as client:
        assert client.get("/probe/behind", params={"folder": str(tmp_path)}).status_code == 200
        assert probing.eventually((tmp_path / "begun").exists)
        assert service.process
        service.process.send_signal(signal.SIGTERM)
        # Long enough for a server that gives it up.
        time.sleep(2)
        (tmp_path / "go").touch()
        assert service.process.wait(STOP_SECONDS) == 0
        assert (tmp_path / "done").exists()
