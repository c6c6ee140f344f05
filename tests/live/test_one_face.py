"""Every framework answers alike (FPR-3): status, headers in order, bytes.

Over the socket of the server that is shipped, and in process. What a view of the application
answers is its own; there the policy's headers are alike, and the status as far as it is no choice
of the framework's own forms and redirects.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import pickle
import re
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests import suite
from tests.conftest import Render
from tests.live.service import HOST, Service, running
from tests.projects import CHOICES, ROOT, clean_environment, shared

INSIDE = Path(__file__).parent / "face_inside.py"

Face = tuple[int, list[tuple[str, str]], str]
"""Status, headers in order, body; with what differs each time replaced by its name."""

VIEWS = re.compile(r"/|/(login|logout|go|account|notes|api/notes)\b.*")
"""Addresses of the application."""
OF_VIEWS = {
    *("allow", "cache-control", "content-length", "content-security-policy", "content-type"),
    *("location", "set-cookie", "vary"),
}
"""Headers that a view sets, or that follow from its content."""
FREE = (
    *("GET /go", "HEAD /go", "redirect to nothing", "redirect twice"),
    *("redirect, name in other case", "login, unknown field", "form for an API"),
)
"""How names of probes begin where the framework's own reading of parameters and forms decides."""
OURS = re.compile(r'"type": "about:blank"|<p class="status" aria-hidden="true">')
"""What stands in each page and each document about an error that is the policy's."""

HOP = {b"connection", b"date"}
"""The server's own; nginx passes on neither."""
MASKS = (
    (re.compile(r"nonce-[\w-]{22}"), "nonce-NONCE"),
    (re.compile(r'nonce="[\w-]{22}"'), 'nonce="NONCE"'),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r'((?<="id":")|(?<=note-)|(?<=/notes/))[0-9a-f]{16}\b'), "NOTE"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?"), "TIME"),
    (re.compile(r"(__Host-\w+)=[^;]+"), r"\1=VALUE"),
)

HIDDEN = re.compile(
    r'<input type="hidden" name="(?:csrf_token|csrfmiddlewaretoken)" value="([^"]+)">'
)
"""The one thing in which pages of those who have logged in may differ: not all have a token."""
PROBE = suite.load("probes")
FILES = ROOT / "template" / "src" / "{{ package }}" / "app" / "static"


def _static_address() -> str:
    """Return the address of app.css; `test_the_static_file_is_there` holds it against a service."""
    digest = hashlib.sha256()
    for file in sorted(path for path in FILES.rglob("*") if path.is_file()):
        body = file.read_bytes()
        digest.update(f"{file.relative_to(FILES).as_posix()}\0{len(body)}\0".encode() + body)
    return f"/static/{digest.hexdigest()[:16]}/app.css"


STATIC = _static_address()
LIST: list[Any] = [
    *PROBE.PROBES,
    PROBE.Probe("static file", "GET", STATIC),
    PROBE.Probe("static file, HEAD", "HEAD", STATIC),
    PROBE.Probe("static file, POST", "POST", STATIC, (PROBE.SAME,)),
    PROBE.Probe("static file, unless it matches", "GET", STATIC, (("If-None-Match", "*"),)),
    PROBE.Probe("static file, range", "GET", STATIC, (("Range", "bytes=0-1"),)),
    PROBE.Probe("static file, trailing slash", "GET", f"{STATIC}/"),
]


def mask(text: str) -> str:
    """Replace what is random or the time."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


def send(transport: httpx.HTTPTransport, probe: Any, cookie: str = "") -> httpx.Response:
    """Send a probe as nginx passes it on."""
    headers: list[tuple[bytes, bytes]] = [
        (b"X-Forwarded-For", b"198.51.100.7"),
        (b"X-Forwarded-Proto", b"https"),
    ]
    headers += [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in probe.headers
    ]
    if not any(name == b"Host" for name, _ in headers):
        headers.insert(0, (b"Host", HOST.encode()))
    if cookie:
        headers.append((b"Cookie", cookie.encode()))
    request = httpx.Request(
        probe.method,
        f"http://{HOST}/",
        headers=headers,
        content=probe.content,
        extensions={"target": probe.target.encode(), "timeout": {"read": 20.0}},
    )
    answer = transport.handle_request(request)
    answer.read()
    answer.close()
    return answer


def face(answer: httpx.Response) -> Face:
    """Return what the client sees."""
    pairs = [
        (name.decode().lower(), mask(value.decode("latin-1")))
        for name, value in answer.headers.raw
        if name.lower() not in HOP
    ]
    text = answer.content.decode("latin-1")
    bare = HIDDEN.sub("", text)
    if bare != text:
        assert answer.headers["content-length"] == str(len(text))
        pairs = [(n, str(len(bare)) if n == "content-length" else value) for n, value in pairs]
    return answer.status_code, pairs, mask(bare)


def of_view(face: Face) -> bool:
    """Tell whether a view answered: no error, or one with words of its own."""
    status, _, body = face
    return status < 400 or bool(body and not OURS.search(body))


def policy_alone(face: Face, *, free: bool) -> Face:
    """Leave of a face what does not depend on the view.

    With `free` the view may lead on or refuse, by whatever status; it neither serves nor fails.
    """
    status, headers, _ = face
    assert not free or 300 <= status < 500, status
    # Both lead a browser that has sent a form on to a page.
    status = 0 if free else 303 if status == 302 else status
    return status, [pair for pair in headers if pair[0] not in OF_VIEWS], ""


def difference(faces: dict[str, Face], target: str, name: str = "") -> list[str]:
    """Return the lines in which the services differ from the first one.

    `target` and `name` are those of the probe.
    """
    free = name.startswith(FREE)
    path = unquote(target.partition("?")[0])
    if VIEWS.fullmatch(path) and (free or any(of_view(face) for face in faces.values())):
        faces = {key: policy_alone(face, free=free) for key, face in faces.items()}
    texts = {
        name: [str(status), *(f"{key}: {value}" for key, value in headers), *body.split("\n")]
        for name, (status, headers, body) in faces.items()
    }
    (first, wanted), *others = texts.items()
    return [
        line
        for name, found in others
        for line in difflib.unified_diff(wanted, found, first, name, n=0, lineterm="")
    ]


@dataclass
class Seen:
    """What the services of all frameworks have answered over their sockets."""

    visitor: dict[str, list[Face]]
    """To the probes, in order, by framework."""
    member: list[dict[str, Face]]
    """To the requests of `MEMBER`, each by framework."""


@pytest.fixture(scope="module")
def seen(installed: Render, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Return what one of this run's processes has seen of the services, which it ran for all."""

    def look(folder: Path) -> None:
        folder.mkdir()
        with ExitStack() as stack:
            services, transports = {}, {}
            for name in CHOICES["framework"]:
                services[name] = stack.enter_context(running(installed(framework=name)))
                transports[name] = stack.enter_context(services[name].transport())
            visitor = {
                name: [face(send(transport, probe)) for probe in LIST]
                for name, transport in transports.items()
            }
            seen = Seen(visitor, _of_member(services, transports))
        (folder / "seen").write_bytes(pickle.dumps(seen))

    file = shared(tmp_path_factory, "faces", look) / "seen"
    found: Seen = pickle.loads(file.read_bytes())  # noqa: S301 - our own
    return found


@pytest.mark.parametrize("number", range(len(LIST)), ids=[probe.name for probe in LIST])
def test_visitor_sees_one_face(seen: Seen, number: int) -> None:
    faces = {name: faces[number] for name, faces in seen.visitor.items()}
    lines = difference(faces, LIST[number].target, LIST[number].name)
    assert not lines, "\n".join(lines)
    for _, headers, _ in faces.values():
        names = [name for name, _ in headers if name != "set-cookie"]
        assert len(names) == len(set(names))


def test_the_static_file_is_there(seen: Seen) -> None:
    """Else its probes would compare one 404 with another."""
    number = [probe.name for probe in LIST].index("static file")
    for faces in seen.visitor.values():
        status, headers, _ = faces[number]
        assert status == 200
        assert "immutable" in dict(headers)["cache-control"]


@pytest.fixture(scope="module")
def insides(installed: Render, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Face]]:
    """Return what each service answers to the probes, in order, where no server is in between."""

    def look(folder: Path) -> None:
        folder.mkdir()
        probes = pickle.dumps(
            [(probe.method, probe.target, probe.headers, probe.content) for probe in LIST]
        )
        for name in CHOICES["framework"]:
            project = installed(framework=name)
            done = subprocess.run(
                [project.python, str(INSIDE)],
                cwd=project.path,
                env=clean_environment(),
                input=probes,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            (folder / name).write_bytes(done.stdout)

    folder = shared(tmp_path_factory, "faces-inside", look)
    return {
        name: [
            (status, [(key, mask(value)) for key, value in headers], mask(body))
            for status, headers, body in json.loads((folder / name).read_bytes())
        ]
        for name in CHOICES["framework"]
    }


@pytest.mark.parametrize("number", range(len(LIST)), ids=[probe.name for probe in LIST])
def test_one_face_in_process(insides: dict[str, list[Face]], number: int) -> None:
    faces = {name: faces[number] for name, faces in insides.items()}
    lines = difference(faces, LIST[number].target, LIST[number].name)
    assert not lines, "\n".join(lines)


FORM, JSON = (
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", "application/json"),
)
SAME = ("Sec-Fetch-Site", "same-origin")
MEMBER = (
    ("GET", "/", b"", ()),
    ("GET", "/login", b"", ()),
    ("GET", "/account", b"", ()),
    ("HEAD", "/account", b"", ()),
    ("GET", "/notes", b"", ()),
    ("GET", "/api/notes", b"", ()),
    ("HEAD", "/api/notes", b"", ()),
    ("GET", "/api/notes", b"", (("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),)),
    ("GET", "/api/notes", b"", (("If-None-Match", "*"), ("Accept", "text/html"))),
    ("GET", "/notes", b"", (("If-None-Match", "*"), ("Range", "bytes=0-9"))),
    ("POST", "/notes", b"title=&body=b", (FORM, SAME)),
    ("POST", "/notes", b"title=a&body=%00", (FORM, SAME)),
    ("POST", "/notes", b"title=a&body=b&owner=c", (FORM, SAME)),
    # Pages with a list end here: notes of the same second come in no order.
    ("POST", "/notes", b"title=a&body=%3Cb%3E%0D%0Asecond", (FORM, SAME)),
    ("POST", "/notes", b"title=a&body=b", (FORM, ("Sec-Fetch-Site", "cross-site"))),
    ("POST", "/notes", b"title=a&body=b", (FORM,)),
    ("POST", "/notes", b'{"title":"a","body":"b"}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":"a","body":"b"}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":1,"body":"b"}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":"a","body":"b","owner":"c"}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":"a"', (JSON, SAME)),
    ("POST", "/api/notes", b"[]", (JSON, SAME)),
    ("POST", "/api/notes", b"null", (JSON, SAME)),
    ("POST", "/api/notes", b"", (JSON, SAME)),
    ("POST", "/api/notes", b"  ", (JSON, SAME)),
    ("POST", "/api/notes", b'"title"', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":"a","title":"b"}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":"\\ud800"}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":"\\u0000"}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":true,"body":null}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":["a"],"body":{"a":"b"}}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":1e999}', (JSON, SAME)),
    (
        "POST",
        "/api/notes",
        b'{"title":"\xc3\xa9\xe2\x80\xa8</script>","body":"\\u007f\\ud83d\\ude00"}',
        (JSON, SAME),
    ),
    ("POST", "/api/notes", b'{"title":"/\\/\\"\\\\","body":"\\n\\t&<>"}', (JSON, SAME)),
    (
        "POST",
        "/api/notes",
        b'{"a b":"c"}',
        (("Content-Type", "application/json;charset=latin-1"), SAME),
    ),
    ("POST", "/api/notes", '{"title":"a"}'.encode("utf-16"), (JSON, SAME)),
    ("POST", "/api/notes", b"{}", (("Content-Type", "application/vnd.api+json"), SAME)),
    ("POST", "/api/notes?title=b", b'{"title":"from the body"}', (JSON, SAME)),
    ("POST", "/api/notes", b'{"title":"expected"}', (JSON, SAME, ("Expect", "100-continue"))),
    ("POST", "/notes", b"title=%F0%9F%98%80+%C3%A9&body=%E2%80%A8", (FORM, SAME)),
    ("POST", "/notes", b"title=a&title=b&body=c", (FORM, SAME)),
    ("POST", "/notes", b"title=%ed%a0%80&body=c", (FORM, SAME)),
    ("OPTIONS", "/account", b"", ()),
    ("GET", "/account/", b"", ()),
    ("PUT", "/account/", b"", (SAME,)),
    ("GET", "/api/notes/NOTE/", b"", ()),
    ("GET", "/api/notes//NOTE", b"", ()),
    ("DELETE", "/account", b"", (SAME,)),
    ("PUT", "/api/notes/NOTE", b"", (JSON, SAME)),
    ("PUT", "/api/notes/NOTE", b"[]", (JSON, SAME)),
    ("PUT", "/api/notes/unknown", b'{"title":"c"}', (JSON, SAME)),
    ("PUT", "/api/notes/unknown", b"{}", (JSON, SAME)),
    ("GET", "/account/password", b"", ()),
    ("POST", "/account/sessions/end", b"", (FORM, SAME)),
    ("POST", "/account/sessions/end", b"session=%00", (FORM, SAME)),
    ("BREW", "/account", b"", ()),
    ("POST", "/api/notes", b"title=a&body=b", (FORM, SAME)),
    ("POST", "/api/notes", b"[" * 200 + b"]" * 200, (JSON, SAME)),
    ("GET", "/api/notes/NOTE", b"", ()),
    ("HEAD", "/api/notes/NOTE", b"", ()),
    ("PATCH", "/api/notes/NOTE", b"{}", (JSON, SAME)),
    ("PUT", "/api/notes/NOTE", b'{"title":"c","body":"d"}', (JSON, SAME)),
    ("PUT", "/api/notes/NOTE", b'{"title":"c","body":false}', (JSON, SAME)),
    ("GET", "/api/notes/unknown", b"", ()),
    ("GET", "/api/notes/1%2F2", b"", ()),
    ("DELETE", "/api/notes/unknown", b"", (SAME,)),
    ("DELETE", "/api/notes/NOTE", b"", (SAME,)),
    ("GET", "/api/notes/NOTE", b"", ()),
    ("POST", "/notes/unknown/delete", b"", (SAME,)),
    ("GET", "/notes/unknown/delete", b"", ()),
    ("POST", "/account/password", b"current_password=a&new_password=b", (FORM, SAME)),
    ("POST", "/account/password", b"current_password=a", (FORM, SAME)),
    (
        "POST",
        "/account/password",
        b"current_password=a&new_password=quite+another+Tisch+84",
        (FORM, SAME),
    ),
    ("POST", "/account/sessions/end", b"session=unknown", (FORM, SAME)),
    ("POST", "/account/sessions/end-others", b"", (SAME,)),
    ("GET", "/go?url=/notes", b"", ()),
    ("GET", "/go?url=//evil.example", b"", ()),
    ("GET", "/unknown", b"", ()),
    ("POST", "/logout", b"", (SAME,)),
    ("GET", "/account", b"", ()),
)


def _of_member(
    services: dict[str, Service], transports: dict[str, httpx.HTTPTransport]
) -> list[dict[str, Face]]:
    cookies, notes, tokens = {}, {}, {}
    for name, service in services.items():
        user = service.add_user("ada")
        with service.client() as client:
            assert client.login(user).is_redirect
            made = client.post("/api/notes", json={"title": "mine", "body": ""})
            notes[name] = str(made.json()["id"])
            cookies[name] = "; ".join(f"{key}={value}" for key, value in client.cookies.items())
            tokens[name] = client.token()
    found = []
    for method, target, content, headers in MEMBER:
        faces = {}
        for name, transport in transports.items():
            own = target.replace("NOTE", notes[name])
            token = (("X-CSRFToken", tokens[name]),) if tokens[name] else ()
            probe = PROBE.Probe("", method, own, (*headers, *token), content)
            answer = send(transport, probe, cookies[name])
            faces[name] = face(answer)
            if method == "HEAD":
                # Its length is that of the whole answer, with tokens.
                whole = send(transport, replace(probe, method="GET"), cookies[name])
                assert answer.headers["content-length"] == whole.headers["content-length"]
                faces[name] = (answer.status_code, face(whole)[1], faces[name][2])
        found.append(faces)
    return found


def test_member_sees_one_face(seen: Seen) -> None:
    found: list[str] = []
    for number, ((method, target, _, headers), faces) in enumerate(
        zip(MEMBER, seen.member, strict=True), 1
    ):
        name = "form for an API" if FORM in headers and target.startswith("/api/") else ""
        if lines := difference(faces, target, name):
            found += [f"{number}. {method} {target}", *lines]
    assert not found, "\n".join(found)
