"""Every framework answers alike over the real socket (FPR-3): status, headers in order, bytes."""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.conftest import Render
from tests.live.service import HOST, Service, running
from tests.projects import CHOICES, ROOT

PROBES = ROOT / "template" / "tests" / "security" / "probes.py"

Face = tuple[int, list[tuple[str, str]], str]
"""Status, headers in order, body; with what differs each time replaced by its name."""

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


def _probes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live_probes", PROBES)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


HIDDEN = re.compile(r'<input type="hidden" name="csrf_token" value="([^"]+)">')
"""The one thing in which pages of those who have logged in may differ: not all have a token."""
PROBE = _probes()
LIST: list[Any] = list(PROBE.PROBES)


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
        (name.decode().lower(), value.decode("latin-1"))
        for name, value in answer.headers.raw
        if name.lower() not in HOP
    ]
    text = answer.content.decode("latin-1")
    bare = HIDDEN.sub("", text)
    if bare != text:
        assert answer.headers["content-length"] == str(len(text))
        pairs = [(n, str(len(bare)) if n == "content-length" else value) for n, value in pairs]
    body, *values = map(mask, [bare, *(value for _, value in pairs)])
    names = [name for name, _ in pairs]
    return answer.status_code, list(zip(names, values, strict=True)), body


def difference(faces: dict[str, Face]) -> list[str]:
    """Return the lines in which the services differ from the first one."""
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


@pytest.fixture(scope="module")
def services(installed: Render) -> Iterator[dict[str, Service]]:
    """Run the service of every framework."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(running(installed(framework=name)))
            for name in CHOICES["framework"]
        }


@pytest.fixture(scope="module")
def transports(services: dict[str, Service]) -> Iterator[dict[str, httpx.HTTPTransport]]:
    """Return the way to each service."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(service.transport()) for name, service in services.items()}


@pytest.mark.parametrize("probe", LIST, ids=lambda probe: probe.name)
def test_visitor_sees_one_face(transports: dict[str, httpx.HTTPTransport], probe: Any) -> None:
    faces = {name: face(send(transport, probe)) for name, transport in transports.items()}
    lines = difference(faces)
    assert not lines, "\n".join(lines)
    for _, headers, _ in faces.values():
        names = [name for name, _ in headers if name != "set-cookie"]
        assert len(names) == len(set(names))


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
    ("POST", "/notes", b"title=a&body=%3Cb%3E%0D%0Asecond", (FORM, SAME)),
    ("POST", "/notes", b"title=&body=b", (FORM, SAME)),
    ("POST", "/notes", b"title=a&body=%00", (FORM, SAME)),
    ("POST", "/notes", b"title=a&body=b&owner=c", (FORM, SAME)),
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


def test_member_sees_one_face(
    services: dict[str, Service], transports: dict[str, httpx.HTTPTransport]
) -> None:
    cookies, notes, tokens = {}, {}, {}
    for name, service in services.items():
        user = service.add_user("ada")
        with service.client() as client:
            assert client.login(user).status_code == 303
            made = client.post("/api/notes", json={"title": "mine", "body": ""})
            notes[name] = str(made.json()["id"])
            cookies[name] = "; ".join(f"{key}={value}" for key, value in client.cookies.items())
            tokens[name] = client.token()
    found: list[str] = []
    for number, (method, target, content, headers) in enumerate(MEMBER, 1):
        faces = {}
        for name, transport in transports.items():
            own = target.replace("NOTE", notes[name])
            token = (("X-CSRF-Token", tokens[name]),) if tokens[name] else ()
            probe = PROBE.Probe("", method, own, (*headers, *token), content)
            answer = send(transport, probe, cookies[name])
            faces[name] = face(answer)
            if method == "HEAD":
                # Its length is that of the whole answer, with tokens.
                whole = send(transport, replace(probe, method="GET"), cookies[name])
                assert answer.headers["content-length"] == whole.headers["content-length"]
                faces[name] = (answer.status_code, face(whole)[1], faces[name][2])
        if lines := difference(faces):
            found += [f"{number}. {method} {target}", *lines]
    assert not found, "\n".join(found)
